# `make demo` and `make test` do all the set-up themselves. `make help` lists all.

# The synthesizer has wheels for 3.11 and 3.12; later ones would need a compiler.
PYTHON ?= $(shell for python in python3 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
	2>/dev/null && echo $$python && exit; done; echo python3)
WORKSPACE ?= demo
DEMO_FLAGS ?=
PYTEST_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp
EXTRAS := dev,scores,postgres,parquet,stable-audio,encoders,audioseal,perth,transcription
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
SOURCES := src tests bench verify docs .ci conftest.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint types imports docs reference bench codec full \
	wheel check format clean ground-truth

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## Build .venv with everything in it; quick when nothing changed.

$(STAMP): pyproject.toml constraints.txt requirements-nodeps.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "contrafact needs Python 3.11 or later; '$(PYTHON)' is" \
	    "$$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.11" >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments. On Debian and Ubuntu:" \
	    "apt-get install python3-venv" >&2; \
	  exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV): a few minutes the first time."
	$(PIP) install -q -c constraints.txt torch
	$(PIP) install -q -c constraints.txt -e '.[$(EXTRAS)]'
	$(PIP) install -q --no-deps -r requirements-nodeps.txt
	@touch $@

demo: setup ## From nothing to a report: catalog, model, song, attribution.
	$(BIN)/contrafact demo -w $(WORKSPACE) $(DEMO_FLAGS)

test: setup ## Run the tests, and the doctests of the source.
	$(BIN)/python -m pytest -q $(PYTEST_FLAGS)

lint: setup ## Check style, spelling and the size of files.
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/typos
	$(BIN)/python .ci/check_sizes.py

types: setup ## Check the types of src, strictly.
	$(BIN)/mypy

imports: setup ## Check that imports point down and never to torch.
	$(BIN)/lint-imports --no-logo

docs: setup ## Run the examples in the documentation; check links and the CLI page.
	$(BIN)/python -m pytest -q tests/test_docs.py
	$(BIN)/python -m pytest -q --doctest-glob='*.md' *.md docs

reference: setup ## Write docs/cli.md anew from the commands.
	$(BIN)/python docs/generate_cli_reference.py

bench: setup ## Run the benchmarks; their results go to bench/results.
	$(BIN)/python -m bench

codec: setup ## Train the codec that comes with the package (hours).
	$(BIN)/python bench/codec.py train

full: setup ## Train the full model that comes with the package (hours).
	$(BIN)/python bench/full_model.py

ground-truth: setup ## Train without parts of both corpora, for truth (hours; goes on).
	$(BIN)/python bench/ground_truth --corpus scores
	$(BIN)/python bench/ground_truth --corpus scores --recipe brief
	$(BIN)/python bench/ground_truth --corpus planted

wheel: setup ## Build the wheel, and check that it is whole.
	$(PIP) wheel -q --no-deps -w build/wheel .
	$(BIN)/python .ci/check_wheel.py build/wheel

check: lint types imports docs wheel test ## Everything that CI checks.

format: setup ## Format the code, and fix what can be fixed safely.
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

clean: ## Remove everything that can be made again, but no workspace.
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis \
	  .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
