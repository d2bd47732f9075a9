# make demo and make test do all the set-up themselves: a virtual environment, the package, its dependencies.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint models clean

help:
	@echo "make demo    solve synthetic DeepSeek-V3 loads, under a minute"
	@echo "make test    run the tests"
	@echo "make lint    ruff and mypy"
	@echo "make models  export the tiny models again (models/tiny)"

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

clean:
	rm -rf $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
