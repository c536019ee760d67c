# Every verb of the project. `make` alone lists them; CI calls these and owns nothing that a laptop can't run.

PYTHON ?= python3.11
# The address of an index with PyTorch's CPU wheels, where the default index has only CUDA builds.
TORCH_INDEX ?=

RECIPE ?= recipes/ledger-demo.yaml
DATA ?=
ROWS ?=
STORE ?= artifacts

py := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup resources run check test test-long bench docs lock clean

help: ## List these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: ## Make .venv from the lock, and fetch the resources (at once when nothing changed)
	@PYTHON="$(PYTHON)" TORCH_INDEX="$(TORCH_INDEX)" ci/setup.sh .venv requirements/dev.lock
	@$(py) -I ci/resources.py

resources: setup ## Fetch the WordNet files into .resources (part of setup)

run: setup ## Run RECIPE (a sample is made for the default one) on DATA, at most ROWS rows, into STORE
	@$(py) -m orchestration run "$(RECIPE)" $(if $(DATA),--data "$(DATA)") $(if $(ROWS),--rows "$(ROWS)") --store "$(STORE)"

check: setup ## Format, lint and type checks; changes nothing
	@$(py) -m ruff format --check .
	@$(py) -m ruff check .
	@$(py) -m mypy

test: setup ## The tests, without the long ones
	@$(py) -m pytest -m "not long"

test-long: setup ## The long tests: whole runs, on real data where it is there
	@$(py) -m pytest -m long

bench: setup ## Reuse time and overhead per step, beside kfp.local, in one run
	@PYTHON="$(PYTHON)" ci/setup.sh .venv-kfp benchmarks/requirements-kfp.lock
	@$(py) -m benchmarks

docs: setup ## Write the generated tables of every README again
	@$(py) -m orchestration docs

lock: ## Resolve every requirements.in again and write the locks with their hashes
	@PYTHON="$(PYTHON)" ci/setup.sh .venv-lock requirements/locking.lock
	@.venv-lock/bin/python -I ci/lock.py

clean: ## Remove caches; .venv, .resources and artifacts (with the registry) stay
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find sluice components orchestration tests benchmarks ci -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
