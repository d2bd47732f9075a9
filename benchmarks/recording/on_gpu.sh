#!/usr/bin/env bash
# On the machine with the GPU, beside this folder and tokens.npz: a short run that tries everything, then the real one.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?the folder for recordings and the log}
nvidia-smi --query-gpu=name,memory.total --format=csv,noheader
python3 -m recording.train tokens.npz /tmp/smoke --seconds 15
python3 -m recording.train tokens.npz "$out" --seconds 440 --weights /tmp/weights.pt
