#!/usr/bin/env bash
# The tests of governance under load in their full size: races, returns over a restart and a kill, cuts at every step of a
# script, and sets that come into force meanwhile. CI runs a small size of each. An environment variable that is set already
# keeps its value.
#
#   scripts/governance.sh [NAME]     all of them, or those whose name holds NAME: racing, returns, restarts, reload, command
set -euo pipefail
cd "$(dirname "$0")/.."

export REGIE_RACERS=${REGIE_RACERS:-10000} REGIE_ROUNDS=${REGIE_ROUNDS:-100}     # 1,000 racers, 10 rounds in CI
export REGIE_KILLED_RACERS=${REGIE_KILLED_RACERS:-10000} REGIE_RACE_KILLS=${REGIE_RACE_KILLS:-10} # 300, and 1 of each kind
export REGIE_RETURNS=${REGIE_RETURNS:-100000} REGIE_KEYS=${REGIE_KEYS:-1000}     # 5,000 events, 100 keys
export REGIE_CUTS=${REGIE_CUTS:-1}                                               # a cut at each step; at every 7th
export REGIE_RELOADS=${REGIE_RELOADS:-1000} REGIE_FILE_CHANGES=${REGIE_FILE_CHANGES:-50} # 60 sets, 5 files

cargo test --test it "governed::${1:-}" -- --nocapture --test-threads 1
