# make demo and make test do all the set-up themselves: a virtual environment, the package, its dependencies.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint models peers bench bench-quick clean

help:
	@echo "make demo    solve synthetic DeepSeek-V3 loads, under a minute"
	@echo "make test    run the tests"
	@echo "make lint    ruff and mypy"
	@echo "make models  export the tiny models again (models/tiny)"
	@echo "make peers   unpack other projects' balancers into .peers, for the benchmark"
	@echo "make bench-quick  a few cases against the peers, under 5 minutes, nothing committed changes"
	@echo "make bench   all cases, results and benchmarks/README.md made again; it goes on where it was stopped"

demo: $(VENV)/.installed
	$(BIN)/eplb-opt demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest

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
	$(BIN)/python -m benchmarks.quality
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.table

clean:
	rm -rf $(VENV) .bench .peers

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	touch $@

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
