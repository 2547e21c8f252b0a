#!/usr/bin/env bash
# What CI tries small, in full: 1,000 sprints of up to 50 tasks each, finished in random order by eight threads, some of them
# twice; and a process with a durable subscription that is killed a hundred times.
#
#   scripts/rules.sh [SPRINTS]     1,000 unless said
set -euo pipefail
cd "$(dirname "$0")/.."

sprints=${1:-1000}
[[ $sprints =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/rules.sh [SPRINTS]   (not '$sprints')" >&2; exit 2; }

REGIE_SPRINTS=$sprints REGIE_BUS_KILLS=100 cargo test -p regie --test it -- rules::sprints bus::durable --nocapture
