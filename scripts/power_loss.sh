#!/usr/bin/env bash
# Loses power at every moment of a recorded load of the release binary: what could be left of the disk (unsynced writes
# dropped, torn or reordered) is opened, verified and held against what was answered. CI tries 600 images.
#
#   scripts/power_loss.sh [N]     N images, 100,000 unless said
set -euo pipefail
cd "$(dirname "$0")/.."

images=${1:-100000}
[[ $images =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/power_loss.sh [N]   (a number of images, not '$images')" >&2; exit 2; }

REGIE_IMAGES=$images cargo test --release -p regie --test it disk::power_loss -- --nocapture --test-threads 1
