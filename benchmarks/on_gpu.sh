#!/usr/bin/env bash
# What waits for a GPU, in one call of at most eight minutes (one card of 80 GB, random weights of 3B size):
#   1. benchmarks/train_step.py --device cuda   stock TRL, nothing shared, all shared, OCR at 1k to 8k prompt tokens
#   2. benchmarks/recipe_dry_run.py             20 steps of recipes/train/ocr_grpo_3b_lora_80gb.yaml
#
#   bash benchmarks/on_gpu.sh [OUT]             OUT: folder for the JSON files, default benchmarks/results
#   REHEARSE=1 bash benchmarks/on_gpu.sh OUT    the same calls with a tiny model on the CPU, in under two minutes
#
# Environment: PYTHON (default .venv/bin/python where it is, else python3); WHEELS, a folder of wheels for what that
# Python lacks, where no package index can be reached; DATA, a folder made by `ocr-hf build` (default: the folder
# ocr-vsi of `make demo`; built anew where there is none). Cells that are done are kept, so a second call goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-benchmarks/results}
rehearse=${REHEARSE:-}
if [ -z "${PYTHON:-}" ]; then PYTHON=python3; [ ! -x .venv/bin/python ] || PYTHON=.venv/bin/python; fi
mkdir -p "$out"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1
begun=$SECONDS

# What is missing comes from the wheels that were brought, beside what the machine has.
needs="torch transformers trl accelerate peft datasets av numpy PIL yaml typer shapely torchvision"
missing() { "$PYTHON" - $needs <<'PY'
import importlib.util, sys
print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])
PY
}
if [ -n "$(missing)" ] && [ -n "${WHEELS:-}" ]; then
  site=$(mktemp -d)
  "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --target "$site" "$WHEELS"/*.whl
  export PYTHONPATH="$PYTHONPATH:$site"
fi
if [ -n "$(missing)" ]; then
  echo "this Python lacks $(missing): run 'make setup', or put their wheels into a folder and name it in WHEELS" >&2
  exit 1
fi

if [ -n "$rehearse" ]; then
  export OMP_NUM_THREADS=1
  "$PYTHON" benchmarks/train_step.py --size 1M --prompts 256,1024 --completions 16 --budget 60 \
    --out "$out/train_step_rehearsal.json"
else
  "$PYTHON" -c 'import sys, torch; sys.exit(None if torch.cuda.is_available() else "torch finds no CUDA device; REHEARSE=1 runs the same on the CPU")'
  # A cell that was begun may take a minute and a half: none begins later than this.
  "$PYTHON" benchmarks/train_step.py --device cuda --budget 200 --out "$out/train_step_gpu.json"
fi

data=${DATA:-ocr-vsi}
if [ ! -e "$data" ]; then
  data=$(mktemp -d)/ocr-vsi
  "$PYTHON" -m ocr_hf.cli build --scenes 4 --clips-per-scene 1 --out "$data"
fi
"$PYTHON" benchmarks/recipe_dry_run.py --data "$data" ${rehearse:+--quick} \
  --out "$out/recipe_dry_run${rehearse:+_rehearsal}.json"
echo "{\"on_gpu\": \"$out\", \"rehearsal\": ${rehearse:-0}, \"seconds\": $((SECONDS - begun))}"
