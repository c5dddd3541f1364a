# Everything a contributor types. Each target prepares what it needs, once: an environment is installed again
# only when pyproject.toml or constraints.txt change.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SOURCES := src tests benchmarks tools

.DEFAULT_GOAL := help
.PHONY: help demo test check bench model docs web format

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

bench: $(VENV)/.dev ## Run the benchmarks; figures go to benchmarks/results/
	@mkdir -p benchmarks/results
	@set -e; for script in $(wildcard benchmarks/*.py); do echo "== $$script"; \
	  $(BIN)/python $$script --output benchmarks/results/$$(basename $$script .py).json; done
	$(BIN)/graticule evaluate --source orbit --split test --format json --output benchmarks/results/evaluate.json
	$(BIN)/python tools/results.py

model: $(VENV)/.dev ## Train the shipped model anew, resumable; hours on two cores
	$(BIN)/graticule train orbit --out src/graticule/models/orbit

docs: $(VENV)/.dev ## Build the documentation into site/; run the examples in docstrings
	$(BIN)/python -m pytest --doctest-modules src/graticule tests/test_documents.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

web: ## Build the map from web/ into the package; needs node, which users don't
	cd web && npm ci --no-audit --no-fund && npm run build

format: $(VENV)/.dev ## Put the code into its one format
	$(BIN)/ruff check --fix $(wildcard $(SOURCES))
	$(BIN)/ruff format $(wildcard $(SOURCES))

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The first installation takes minutes: torch is large.
$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[figures,serve]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.demo
