# make demo and make test do all the set-up themselves: a virtual environment, the package, its dependencies.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ENGINES ?= .venv-engines
ENGINES_PIP := $(ENGINES)/bin/python -m pip --disable-pip-version-check

NEWEST ?= .venv-newest
NEWEST_TESTS ?= tests

# Every Python that the package supports; the least one also with the least versions of what it needs.
MATRIX ?= 3.10 3.11 3.12 3.13
MATRIX_OLDEST ?= 3.10
MATRIX_VENVS ?= .venv-matrix
# Not tests/exact/test_assignment.py: the exports that it compares with are written by the versions in constraints.txt.
MATRIX_TESTS ?= tests/test_docs.py tests/test_instance.py tests/test_placement.py tests/test_policies.py \
	tests/test_packages.py tests/test_project.py tests/test_highs.py tests/formats/test_plain.py \
	tests/exact/test_matching.py tests/exact/test_targets.py tests/plugins
# pyenv's before the one on PATH, which may be pyenv's stand-in for a version that is not chosen.
python_of = $(firstword $(wildcard $(HOME)/.pyenv/versions/$(1).*/bin/python) $(shell command -v python$(1)))

.PHONY: help demo test fuzz test-newest test-matrix test-engines coverage dist docs lint models peers bench bench-quick clean

help:
	@echo "make demo    plan a real recording, judge the maps on a day they did not see, under a minute"
	@echo "make test    run the tests"
	@echo "make test-newest  run the tests with the newest versions of what the package needs (own environment)"
	@echo "make test-matrix  a short part of the tests on Python $(MATRIX), and with the oldest dependencies (own environments)"
	@echo "make fuzz    random instances, damaged files, forged reports and more on all cores, some minutes; goes on where stopped"
	@echo "make coverage  run the tests and say which lines they do not reach"
	@echo "make dist    build wheel and sdist into dist/, look into them, install and try each in an environment of its own"
	@echo "make docs    build the documentation into build/docs, warnings are errors"
	@echo "make test-engines  run inside vLLM, SGLang and LMDeploy (CPU, own environment, some minutes)"
	@echo "make lint    ruff and mypy"
	@echo "make models  export the tiny models again (models/tiny)"
	@echo "make peers   unpack other projects' balancers into .peers, for the benchmark"
	@echo "make bench-quick  a few cases against the peers, under 5 minutes, nothing committed changes"
	@echo "make bench   all cases, results and benchmarks/README.md made again, about an hour; speed and quality go on where stopped"

demo: $(VENV)/.solvers
	$(BIN)/eplb-opt demo

# A process a core; the tests of a file in one of them, in order.
test: $(VENV)/.installed
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile

# What is done is kept in build/fuzz, by commit and seed; FUZZ="--seconds 3600 --parts files" says more.
FUZZ ?= --seconds 300
fuzz: $(VENV)/.installed
	$(BIN)/python -m tests.fuzz $(FUZZ)

# Of torch the CPU build of the constraints, as the newest one is gigabytes; of all else the newest that pip finds.
test-newest: $(NEWEST)/.installed
	$(NEWEST)/bin/python -m pytest $(NEWEST_TESTS)

# Without --keep-going the first Python that fails ends it.
test-matrix: $(MATRIX:%=matrix-%) matrix-oldest

matrix-%: PYTHON_HERE = $(call python_of,$*)
matrix-%:
	@test -n "$(PYTHON_HERE)" || { echo "there is no Python $* here: make MATRIX=... leaves it out"; exit 2; }
	test -x $(MATRIX_VENVS)/$*/bin/python || $(PYTHON_HERE) -m venv $(MATRIX_VENVS)/$*
	grep '^torch==' constraints.txt > $(MATRIX_VENVS)/$*.txt
	$(MATRIX_VENVS)/$*/bin/python -m pip install --quiet --disable-pip-version-check --upgrade \
		--constraint $(MATRIX_VENVS)/$*.txt --editable '.[all,test]'
	$(MATRIX_VENVS)/$*/bin/python -m pytest $(MATRIX_TESTS)

matrix-oldest: PYTHON_HERE = $(call python_of,$(MATRIX_OLDEST))
matrix-oldest:
	@test -n "$(PYTHON_HERE)" || { echo "there is no Python $(MATRIX_OLDEST) here"; exit 2; }
	test -x $(MATRIX_VENVS)/oldest/bin/python || $(PYTHON_HERE) -m venv $(MATRIX_VENVS)/oldest
	$(MATRIX_VENVS)/oldest/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints-oldest.txt --editable '.[all,test]'
	$(MATRIX_VENVS)/oldest/bin/python -m pytest $(MATRIX_TESTS)

# Functions that numba and Triton compile are left out: no line of theirs runs in the interpreter.
coverage: $(VENV)/.installed
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

dist: $(VENV)/.installed
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m zipfile --list dist/*.whl | grep eplb_opt/py.typed
	$(BIN)/python -m zipfile --list dist/*.whl | grep eplb_opt/recordings/small-moe-days.npz
	$(BIN)/python -m zipfile --list dist/*.whl | grep eplb_opt/pages/assets/plotly-cartesian.min.js
	tar --list --file dist/*.tar.gz | grep eplb_opt/py.typed
	$(BIN)/python -m tests.installed dist/*.whl dist/*.tar.gz

docs: $(VENV)/.installed
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --conf-dir docs . build/docs
	@echo "build/docs/docs/index.html"

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
	rm -rf $(VENV) $(NEWEST) $(MATRIX_VENVS) $(ENGINES) .bench .peers .coverage build dist

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	touch $@

define VENV_OF_ITS_OWN
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.x")'
test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
endef

# What the command needs to solve: all that the demo takes.
$(VENV)/.solvers: pyproject.toml constraints.txt
	$(VENV_OF_ITS_OWN)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[solvers]'
	touch $@

# What all else here needs, in one go: the solvers, too, whether or not the demo has brought them.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(VENV_OF_ITS_OWN)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(VENV)/.solvers $@

$(NEWEST)/.installed: pyproject.toml constraints.txt
	test -x $(NEWEST)/bin/python || $(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy only-if-needed \
		--editable '.[all,test]'
	touch $@

$(ENGINES)/.installed: tests/engines/requirements.txt tests/engines/constraints.txt pyproject.toml
	test -x $(ENGINES)/bin/python || $(PYTHON) -m venv $(ENGINES)
	$(ENGINES_PIP) install --quiet --constraint tests/engines/constraints.txt torch==2.13.0
	$(ENGINES_PIP) install --quiet --constraint tests/engines/constraints.txt --requirement tests/engines/requirements.txt
	$(ENGINES_PIP) install --quiet --constraint tests/engines/constraints.txt --editable '.[all]'
	mkdir -p $(ENGINES)/src
	VLLM_TARGET_DEVICE=empty VLLM_VERSION_OVERRIDE=0.33.0 $(ENGINES_PIP) download --quiet --no-deps --no-build-isolation \
		--no-binary vllm --dest $(ENGINES)/src --constraint tests/engines/constraints.txt vllm
	VLLM_TARGET_DEVICE=empty VLLM_VERSION_OVERRIDE=0.33.0 $(ENGINES_PIP) install --quiet --no-deps --no-build-isolation \
		$(ENGINES)/src/vllm-0.33.0.tar.gz
	$(ENGINES_PIP) install --quiet --no-deps --constraint tests/engines/constraints.txt sglang
	$(ENGINES_PIP) download --quiet --no-deps --dest $(ENGINES)/src --constraint tests/engines/constraints.txt lmdeploy
	touch $@
