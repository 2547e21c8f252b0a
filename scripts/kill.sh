#!/usr/bin/env bash
# Kills a run under load at random moments (kill -9), starts it again each time, lets it finish, and checks that nothing is
# lost or done twice: `verify` holds and the figures are those of an undisturbed run. CI kills 10 times.
#
#   scripts/kill.sh [N]     N kills, 200 unless said
set -euo pipefail
cd "$(dirname "$0")/.."

kills=${1:-200}
[[ $kills =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/kill.sh [N]   (a number of kills, not '$kills')" >&2; exit 2; }

REGIE_KILLS=$kills cargo test --test it kill -- --nocapture
