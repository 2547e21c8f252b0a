#!/usr/bin/env bash
# Lives through many seeds of the simulation, over all cores. CI lives through 10,000. Ends at the first seed that fails, and
# prints the command that runs it again.
#
#   scripts/simulate.sh [N | FIRST..END]     1,000,000 unless said
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=${1:-1000000}
[[ $seeds =~ ^([0-9]+\.\.)?[1-9][0-9]*$ ]] || { echo "usage: scripts/simulate.sh [N | FIRST..END]   (not '$seeds')" >&2; exit 2; }

REGIE_SEEDS=$seeds cargo test --test simulation many_seeds -- --nocapture
