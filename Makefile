# From a fresh clone: `make sweep` runs the quick start, `make test` checks the code, `make test-faults` what it survives.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --durations 15
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: sweep test test-fast test-ray test-faults test-soak types format lint check benchmarks cluster-test clean

sweep: $(VENV)/.quickstart          ## the quick start: 3 models x 7 seeds on the bundled sample
	$(BIN)/orchestrate sweep quickstart

test: lint                          ## format, lint, types, tests: ten minutes on two cores
	+$(MAKE) --no-print-directory --jobs 3 test-fast test-ray types

test-fast: $(VENV)/.dev             ## the tests without Ray, a process a core
	$(PYTEST) -m "not (ray or fault or soak)" --numprocesses auto --dist worksteal

test-ray: $(VENV)/.dev              ## those that start Ray, one after another: they wait more than they compute
	$(PYTEST) -m "ray and not (fault or soak)" -q

types: $(VENV)/.dev
	$(BIN)/mypy

test-faults: $(VENV)/.dev           ## one real case of each kind of fault: eight minutes; FAULT_SEED=n deals the same again
	$(PYTEST) -m "fault and not soak"

test-soak: $(VENV)/.dev             ## long, random and repeated: more faults, 5,000 examples a property; by hand
	$(PYTEST) -m "soak or hypothesis" --hypothesis-profile soak --timeout 3600

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

check: lint types                   ## format, lint and types alone

format: $(VENV)/.dev                ## rewrite files as `make test` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmarks: $(VENV)/.dev            ## side-by-side measurements against peers (needs ORCHESTRATE_DATA)
	$(BIN)/python -m benchmarks.training_throughput
	$(BIN)/python -m benchmarks.run_overhead

cluster-test: $(VENV)/.dev          ## a real cluster of two hosts on this machine (as root, with sshd, rsync, ip, Chromium)
	$(BIN)/python tests/cluster/prove.py

clean:
	rm -rf $(VENV) build *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.quickstart: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[quickstart]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev,quickstart,sentencepiece]'
	touch $@ $(VENV)/.quickstart
