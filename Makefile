# Every verb of the project. `make` alone lists them; CI calls these and owns nothing that a laptop can't run.

PYTHON ?= python3.11
# The address of an index with PyTorch's CPU wheels, where the default index has only CUDA builds.
TORCH_INDEX ?=

RECIPE ?= recipes/ledger-demo.yaml
DATA ?=
ROWS ?=
# An earlier run's training table to compare with: the path or URI of its manifest.
PREVIOUS ?=
STORE ?= artifacts

# An environment's name and AWS region, and parameters of its stack.
ENV ?=
REGION ?=
PARAMETERS ?=

environment = --environment "orchestration/environments/$(ENV).yaml"
# Anything makes `make plan` write Markdown, for a comment on a pull request.
MARKDOWN ?=
# An execution's id, one of its steps, and anything to wait for its end.
EXECUTION ?=
STEP ?=
WAIT ?=

# One component's image; all of them if none is named.
C ?=
# A script that runs a Docker engine on a machine that has none; `env` prints what a shell needs to use it.
ENGINE ?= $(wildcard ../shared/docker/engine.sh)

py := .venv/bin/python
# Files of tests beside each other, one per core; what a file's tests share is made once.
side_by_side = --numprocesses auto --dist loadfile
images = ENGINE="$(ENGINE)" TORCH_INDEX="$(TORCH_INDEX)" && . ci/engine.sh && export TORCH_INDEX && $(py) -m ci.images

.DEFAULT_GOAL := help
.PHONY: help setup resources run browser engine build push images run-images wheelhouse infra infra-template plan upsert upload start status logs stop check test test-long test-images bench docs lock clean

help: ## List these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: ## Make .venv from the lock, and fetch the resources (at once when nothing changed)
	@PYTHON="$(PYTHON)" TORCH_INDEX="$(TORCH_INDEX)" ci/setup.sh .venv requirements/dev.lock
	@$(py) -I ci/resources.py

resources: setup ## Fetch the WordNet files into .resources (part of setup)

run: setup ## Run RECIPE (a sample is made for the default one) on DATA, at most ROWS rows, into STORE
	@$(py) -m orchestration run "$(RECIPE)" $(if $(DATA),--data "$(DATA)") $(if $(ROWS),--rows "$(ROWS)") $(if $(PREVIOUS),--previous "$(PREVIOUS)") --store "$(STORE)"

engine: ## Start the Docker engine that the script ENGINE runs, where there is one
	@$(if $(ENGINE),bash "$(ENGINE)" start,echo "no script runs an engine here; the one that DOCKER_HOST names is used")

build: setup ## Build the images whose content changed, or the one of component C
	@$(images) build $(C)

push: setup ## Push what REGISTRY lacks and record every image's digest
	@$(images) push $(C)

images: setup ## List the images with their sizes beside their budgets
	@$(images) show $(C)

run-images: setup ## Run RECIPE in the images: with Docker into STORE, then in SageMaker's local mode; sizes and times at the end
	@ENGINE="$(ENGINE)" && . ci/engine.sh && for runner in docker sagemaker-local; do \
		echo "--- $$runner" && $(py) -m orchestration run "$(RECIPE)" --runner $$runner \
		$(if $(DATA),--data "$(DATA)") $(if $(ROWS),--rows "$(ROWS)") $(if $(PREVIOUS),--previous "$(PREVIOUS)") --store "$(STORE)" || exit $$?; done
	@$(images) show

wheelhouse: setup ## Download all that the images hold into wheelhouse/, to build them without a network
	@$(images) wheels $(C)

infra: setup ## Make or change the AWS resources of ENV in REGION, with PARAMETERS="NAME=VALUE …"; writes its environment file
	@$(py) -m infra deploy "$(ENV)" "$(REGION)" $(PARAMETERS)

infra-template: setup ## Write what follows from the graph and the recipes into infra/stack.yaml again
	@$(py) -m infra template

plan: setup ## Show what an upsert would change in ENV, a run's price and lint's verdict; no failure if something changes
	@$(py) -m orchestration plan $(environment) $(if $(MARKDOWN),--markdown) || [ $$? -eq 2 ]

upsert: setup ## Deploy the pipeline to ENV: lint, upload, create or update it where anything changed
	@$(py) -m orchestration upsert $(environment)

upload: setup ## Put the file or folder DATA into the bucket of ENV; an interrupted upload goes on where it was
	@$(py) -m orchestration upload "$(DATA)" $(environment)

start: setup ## Start the pipeline of ENV for RECIPE on DATA (s3://… or local), at most ROWS rows; WAIT=1 waits for its end
	@$(py) -m orchestration start "$(RECIPE)" $(if $(DATA),--data "$(DATA)") $(if $(ROWS),--rows "$(ROWS)") $(if $(PREVIOUS),--previous "$(PREVIOUS)") $(if $(WAIT),--wait) $(environment)

status: setup ## Show the last EXECUTION of the pipeline of ENV, or the one that is named, step by step
	@$(py) -m orchestration status $(EXECUTION) $(environment)

logs: setup ## Print the log of STEP of the last EXECUTION in ENV, or of the one that is named
	@$(py) -m orchestration logs "$(STEP)" $(EXECUTION) $(environment)

stop: setup ## Stop EXECUTION in ENV; its finished steps are kept
	@$(py) -m orchestration stop "$(EXECUTION)" $(environment)

browser: ## Install the browser that tests open the reports in, where apt-get may
	@ci/browser.sh

check: setup ## Format, lint and type checks; changes nothing
	@$(py) -m ruff format --check .
	@$(py) -m ruff check .
	@$(py) -m mypy

test: setup ## The tests, without the long ones
	@$(py) -m pytest $(side_by_side) -m "not long and not images"

test-long: setup ## The long tests: whole runs, on real data where it is there
	@$(py) -m pytest $(side_by_side) -m "long and not images"

test-images: setup ## The tests that need a Docker engine and the built images
	@ENGINE="$(ENGINE)" && . ci/engine.sh && $(py) -m pytest -m images

bench: setup ## Measure: steps, reuse, text, CSV to tables, data gate and audit, beside their peers (a quarter of an hour)
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
