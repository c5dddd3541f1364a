# Everything a contributor types. Each target prepares what it needs, once: an environment is installed again
# only when pyproject.toml, constraints.txt or its lock change.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
AUDITOR := pip-audit==2.10.1
SOURCES := src tests benchmarks tools fuzz
TIME_S ?= 60

.DEFAULT_GOAL := help
.PHONY: help demo test check bench fuzz model docs web format lock audit

help: ## Say what the targets do
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.demo ## Locate the example pictures; maps and index.html in demo/
	$(BIN)/graticule demo --examples examples --out demo

test: $(VENV)/.dev ## Run the tests
	$(BIN)/python -m pytest

check: $(VENV)/.dev ## Lint, formatting, types, and which module may import which
	$(BIN)/ruff check $(wildcard $(SOURCES))
	$(BIN)/ruff format --check $(wildcard $(SOURCES))
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py
	$(BIN)/python tools/results.py --check

bench: $(VENV)/.dev ## Run the benchmarks, which takes hours; figures go to benchmarks/results/
	@mkdir -p benchmarks/results
	@set -e; for script in $(wildcard benchmarks/*.py); do echo "== $$script"; \
	  $(BIN)/python $$script --output benchmarks/results/$$(basename $$script .py).json; done
	$(BIN)/graticule evaluate --source orbit --split test --format json --output benchmarks/results/evaluate.json
	$(BIN)/python tools/results.py

fuzz: $(VENV)/.dev ## Feed each door hostile input for TIME_S seconds
	$(PIP) -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m fuzz.run --time-s $(TIME_S) --output benchmarks/results/fuzz.json

model: $(VENV)/.dev ## Train the shipped model anew, resumable; hours on two cores
	$(BIN)/graticule train orbit --out src/graticule/models/orbit

docs: $(VENV)/.dev ## Build the documentation into site/; run the examples in docstrings
	$(BIN)/python -m pytest --doctest-modules src/graticule tests/test_documents.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

web: ## Build the map from web/ into the package; needs node, which users don't
	cd web && npm ci --ignore-scripts --no-audit --no-fund && npm run build

format: $(VENV)/.dev ## Put the code into its one format
	$(BIN)/ruff check --fix $(wildcard $(SOURCES))
	$(BIN)/ruff format $(wildcard $(SOURCES))

lock: $(VENV)/.dev ## Write constraints.lock anew, after a change of constraints.txt
	$(PIP) -c constraints.txt 'uv>=0.9'
	$(BIN)/python tools/lock.py

# What can be said offline comes first. A service that can't be asked is a failure, not a clean bill of health.
audit: $(VENV)/.dev ## Ask for known weaknesses of what the lock and the map hold; needs a network
	$(BIN)/python -m pip check
	$(BIN)/python -m pytest tests/test_dependencies.py
	@test -x $(VENV)/audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)/audit && \
	  $(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check $(AUDITOR); }
	@status=0; \
	$(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes -r constraints.lock || status=1; \
	(cd web && npm audit --package-lock-only) || status=1; \
	test $$status = 0 || echo "audit: failed. If no weakness is named above, a service that knows them was not reached."; \
	exit $$status

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The first installation takes minutes: torch is large.
$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -c constraints.txt -e '.[figures,serve]'
	@touch $@

# Tests run with files of known digests only. torch comes first: on Linux PyPI's brings gigabytes for graphics cards,
# so that its CPU build is taken where pip is set up to find it. What the lock can't know, such as what PyPI's torch
# needs of CUDA, comes last, by version.
$(VENV)/.dev: pyproject.toml constraints.txt constraints.lock torch-cpu.lock | $(BIN)/python
	@$(PIP) --no-deps --require-hashes -r torch-cpu.lock 2>/dev/null || \
	  echo "pip finds no CPU build of torch here, or not the known one: PyPI's is taken."
	$(PIP) --no-deps --require-hashes -r constraints.lock
	$(PIP) -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@ $(VENV)/.demo
