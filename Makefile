# Two commands do everything on a fresh machine: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
RUN := .venv/bin
# Two workers, a file on one of them; PYTEST_ARGS= runs in one process.
PYTEST_ARGS ?= -n 2 --dist loadfile
export PYTHON
export TOKENIZERS_PARALLELISM := false
export HF_HUB_DISABLE_TELEMETRY := 1
export GRADIO_ANALYTICS_ENABLED := False

.PHONY: help setup demo test test-fast test-vllm quality bench clean
help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

setup:           ## virtual environment, torch, the package, FFmpeg's libraries
	@.ci/setup

demo: setup      ## build pairs of vanilla and region-noisy videos of procedural rooms, load them, draw them
	@$(RUN)/python -m ocr_hf.demo

test: setup quality  ## style check and all tests
	@$(RUN)/python -m pytest $(PYTEST_ARGS)

test-fast: setup ## the tests that are not marked slow
	@$(RUN)/python -m pytest -m "not slow" $(PYTEST_ARGS)

test-vllm:       ## rollouts by vLLM against transformers, in an environment of its own; not part of CI
	@.ci/setup_vllm
	@.venv-vllm/bin/python -m pytest tests/train/test_vllm_parity.py

quality: setup   ## ruff
	@$(RUN)/ruff check .

bench: setup     ## every benchmark in its short form; each ends with one line of JSON
	@for file in benchmarks/*.py; do echo "== $$file"; $(RUN)/python $$file --quick || exit 1; done

clean:           ## remove what `make demo` made
	rm -rf ocr-vsi demo
