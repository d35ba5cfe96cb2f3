# Everything runs in .venv, which is made once and refreshed when pyproject.toml changes.
# Needs Python 3.11 or newer and nothing else:  make demo    (another interpreter: make demo PYTHON=python3.13)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
export PIP_ROOT_USER_ACTION := ignore
# Some images set it. The tests start hundreds of processes, and each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test lab bench soak check format clean

help:  ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 16

demo: $(VENV)/.demo  ## run the tour in a real kernel, check it, write build/tour.html
	@$(BIN)/python -m scripts.demo

test: $(VENV)/.dev  ## everything: lint, types, layers, tests, notebooks, browser
	@scripts/install-chromium
	@scripts/install-clients
	@scripts/install-postgres
	@$(MAKE) --no-print-directory check
	@echo "== tests"
	@$(BIN)/python -m scripts.run_tests

lab: $(VENV)/.lab  ## open the tour in JupyterLab
	@$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/tour.ipynb

bench: $(VENV)/.dev  ## measure against the peers; write build/bench.json and docs/performance.md
	@$(BIN)/python -m benchmarks

soak: $(VENV)/.dev  ## the long tests, minutes each
	@HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -m soak -n 2 --timeout 3600

check: $(VENV)/.dev  ## lint, format, types, layers: seconds
	@echo "== ruff"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: run 'make format'"; exit 1; }
	@echo "== mypy"
	@$(BIN)/mypy
	@echo "== layers"
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev  ## let ruff format and fix; clear the outputs of notebooks
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/jupyter nbconvert --log-level WARN --clear-output --inplace notebooks/*.ipynb

clean:  ## remove what the other commands made
	rm -rf $(VENV) build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "convex_nb needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Say which one: make PYTHON=python3.13"; exit 1; }
	@echo "== making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu, venv is a package of its own: apt-get install python3-venv"; exit 1; }
	@$(PIP) install --upgrade 'pip>=25.1'

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "== installing convex_nb and what the tour needs"
	@$(PIP) install --editable '.[tour]' --group demo
	@touch $@

$(VENV)/.lab: pyproject.toml | $(BIN)/python
	@echo "== installing convex_nb and JupyterLab"
	@$(PIP) install --editable '.[tour]' --group lab
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "== installing convex_nb and what its tests need"
	@$(PIP) install --editable '.[tour]' --group dev
	@touch $@ $(VENV)/.demo $(VENV)/.lab
