# Two commands from a fresh clone: `make sweep` runs the quick start, `make test` checks everything.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: sweep test format lint check benchmarks cluster-test clean

sweep: $(VENV)/.quickstart          ## the quick start: 3 models x 7 seeds on the bundled sample
	$(BIN)/orchestrate sweep quickstart

test: lint                          ## format, lint, types, tests (those that start Ray one after another)
	$(BIN)/python -m pytest -m "not ray" --numprocesses auto
	$(BIN)/mypy & types=$$!; $(BIN)/python -m pytest -m ray; tests=$$?; wait $$types && exit $$tests

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

check: lint                         ## format, lint and types alone
	$(BIN)/mypy

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
