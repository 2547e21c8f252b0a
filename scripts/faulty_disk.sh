#!/usr/bin/env bash
# Makes the disk fail at every call of every scenario, one at a time (a write, a read, a sync; no room; half a write), and
# checks what the release binary says of it, that it comes back, and that no answer is lost even if power goes afterwards.
# CI tries one call of each scenario and kind of fault.
#
#   scripts/faulty_disk.sh [N|all]     N calls of each scenario and kind, all unless said: some hours on two cores
#
# REGIE_SCENARIO=NAME runs those alone whose name holds NAME.
set -euo pipefail
cd "$(dirname "$0")/.."

calls=${1:-all}
[[ $calls =~ ^([1-9][0-9]*|all)$ ]] || { echo "usage: scripts/faulty_disk.sh [N|all]   (a number of calls, not '$calls')" >&2; exit 2; }

REGIE_FAULTS=$calls cargo test --release -p regie --test it disk::faulty_disk -- --nocapture
