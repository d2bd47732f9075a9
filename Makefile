# make demo and make test do all the set-up themselves: a virtual environment, the package, its dependencies.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ENGINES ?= .venv-engines
ENGINES_PIP := $(ENGINES)/bin/python -m pip --disable-pip-version-check

NEWEST ?= .venv-newest
NEWEST_TESTS ?= tests

.PHONY: help demo test test-newest test-engines lint models peers bench bench-quick clean

help:
	@echo "make demo    solve synthetic DeepSeek-V3 loads, under a minute"
	@echo "make test    run the tests"
	@echo "make test-newest  run the tests with the newest versions of what the package needs (own environment)"
	@echo "make test-engines  run inside vLLM, SGLang and LMDeploy (CPU, own environment, some minutes)"
	@echo "make lint    ruff and mypy"
	@echo "make models  export the tiny models again (models/tiny)"
	@echo "make peers   unpack other projects' balancers into .peers, for the benchmark"
	@echo "make bench-quick  a few cases against the peers, under 5 minutes, nothing committed changes"
	@echo "make bench   all cases, results and benchmarks/README.md made again, about an hour; speed and quality go on where stopped"

demo: $(VENV)/.installed
	$(BIN)/eplb-opt demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest

# Of torch the CPU build of the constraints, as the newest one is gigabytes; of all else the newest that pip finds.
test-newest: $(NEWEST)/.installed
	$(NEWEST)/bin/python -m pytest $(NEWEST_TESTS)

# Its log, tests/engines/LOG.md, is committed. `build isolation` would fetch another torch.
test-engines: $(ENGINES)/.installed
	$(ENGINES)/bin/python -m tests.engines.run

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

models: $(VENV)/.installed
	$(BIN)/python -m models.export

peers: $(VENV)/.bench
	$(BIN)/python -m benchmarks.peers fetch

bench-quick: peers
	$(BIN)/python -m benchmarks.speed --quick --threads 1 --repeats 10 --seconds 2 --output .bench/speed.jsonl
	$(BIN)/python -m benchmarks.quality --quick --seconds 20 --output .bench/quality.jsonl --bounds .bench/bounds.jsonl

bench: peers
	$(BIN)/python -m benchmarks.peers fetch lmdeploy
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.curve
	$(BIN)/python -m benchmarks.phases
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.quality
	$(BIN)/python -m benchmarks.proofs
	$(BIN)/python -m benchmarks.ablation
	$(BIN)/python -m benchmarks.gap_time
	$(BIN)/python -m benchmarks.gap_time gptoss-ep16 gptoss-ep16-s3 --methods optimal --seconds 600
	$(BIN)/python -m benchmarks.table

clean:
	rm -rf $(VENV) $(NEWEST) $(ENGINES) .bench .peers

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	touch $@

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

$(NEWEST)/.installed: pyproject.toml constraints.txt
	test -x $(NEWEST)/bin/python || $(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy only-if-needed \
		--editable '.[dev]'
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
