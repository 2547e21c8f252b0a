#!/usr/bin/env bash
# The tests that CI runs in a small size, in their full size, one after another. Each size is an environment variable that
# the test reads; set it yourself for another size.
#
#   scripts/full.sh
set -euo pipefail
cd "$(dirname "$0")/.."

# full VARIABLE SIZE TEST: runs the tests whose name holds TEST.
full() {
  local size=${!1:-$2}
  printf '\n== %s: %s=%s\n' "$3" "$1" "$size"
  env "$1=$size" cargo test --test it "$3" -- --nocapture
}

full REGIE_KILLS 200 kill # kill -9 at random moments of a run under load (10 in CI)
full REGIE_SAGAS all workflows::crash # sagas of 1 to 8 steps, killed at every boundary (three of them in CI)

printf '\n== Governance: 10,000 racers in 100 rounds, 100,000 returns, a cut at every step\n'
scripts/governance.sh

printf '\n== Rules: 1,000 sprints, a hundred kills beside a durable subscription\n'
scripts/rules.sh

printf '\n== Power loss, 100,000 images (600 in CI)\n'
scripts/power_loss.sh
printf '\n== Faulty disk, 20 calls of each scenario and kind (1 in CI; scripts/faulty_disk.sh tries all, for hours)\n'
scripts/faulty_disk.sh 20

printf '\n== Simulation: 1,000,000 seeds (10,000 in CI)\n'
scripts/simulate.sh

printf '\n== All of it passed in %d s\n' "$SECONDS"
