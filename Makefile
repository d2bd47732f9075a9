# make demo and make test do all the set-up themselves: a virtual environment, the package, its dependencies.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ENGINES ?= .venv-engines
ENGINES_PIP := $(ENGINES)/bin/python -m pip --disable-pip-version-check

.PHONY: help demo test test-engines lint models clean

help:
	@echo "make demo    solve synthetic DeepSeek-V3 loads, under a minute"
	@echo "make test    run the tests"
	@echo "make test-engines  run inside vLLM, SGLang and LMDeploy (CPU, own environment, some minutes)"
	@echo "make lint    ruff and mypy"
	@echo "make models  export the tiny models again (models/tiny)"

demo: $(VENV)/.installed
	$(BIN)/eplb-opt demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest

# Its log, tests/engines/LOG.md, is committed. `build isolation` would fetch another torch.
test-engines: $(ENGINES)/.installed
	$(ENGINES)/bin/python -m tests.engines.run

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

models: $(VENV)/.installed
	$(BIN)/python -m models.export

clean:
	rm -rf $(VENV) $(ENGINES)

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

$(ENGINES)/.installed: tests/engines/requirements.txt tests/engines/constraints.txt pyproject.toml
	test -x $(ENGINES)/bin/python || $(PYTHON) -m venv $(ENGINES)
	$(ENGINES_PIP) install --quiet --constraint tests/engines/constraints.txt torch==2.13.0
	$(ENGINES_PIP) install --quiet --constraint tests/engines/constraints.txt --requirement tests/engines/requirements.txt
	$(ENGINES_PIP) install --quiet --constraint tests/engines/constraints.txt --editable .
	mkdir -p $(ENGINES)/src
	VLLM_TARGET_DEVICE=empty VLLM_VERSION_OVERRIDE=0.33.0 $(ENGINES_PIP) download --quiet --no-deps --no-build-isolation \
		--no-binary vllm --dest $(ENGINES)/src --constraint tests/engines/constraints.txt vllm
	VLLM_TARGET_DEVICE=empty VLLM_VERSION_OVERRIDE=0.33.0 $(ENGINES_PIP) install --quiet --no-deps --no-build-isolation \
		$(ENGINES)/src/vllm-0.33.0.tar.gz
	$(ENGINES_PIP) install --quiet --no-deps --constraint tests/engines/constraints.txt sglang
	$(ENGINES_PIP) download --quiet --no-deps --dest $(ENGINES)/src --constraint tests/engines/constraints.txt lmdeploy
	touch $@
