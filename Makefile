# `make demo` and `make test` set up whatever they need; nothing else has to be installed first but Python and make.
PYTHON ?= python3
UV_VERSION := 0.13.8
BIN := .venv/dev/bin
UV := .venv/uv/bin/uv
export SAM_CLI_TELEMETRY := 0

.DEFAULT_GOAL := help

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 12

setup: .venv/dev/ready .venv/local-stack/ready ## the environments: one for development, one for the local stack

.venv/uv/ready:
	@$(PYTHON) -c 'import sys; sys.exit("evercert needs Python 3.11 or newer; this is %d.%d: make PYTHON=python3.12 ..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "setting up (once, about a minute) ..."
	@$(PYTHON) -m venv .venv/uv
	@.venv/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

.venv/dev/ready: requirements/dev.txt pyproject.toml .venv/uv/ready
	@$(UV) venv --quiet --clear --python $(PYTHON) .venv/dev
	@$(UV) pip sync --quiet --require-hashes --python .venv/dev/bin/python requirements/dev.txt
	@$(UV) pip install --quiet --no-deps --python .venv/dev/bin/python --editable .
	@ln -sfn dev/bin .venv/bin
	@touch $@

.venv/local-stack/ready: requirements/local-stack.txt .venv/uv/ready
	@$(UV) venv --quiet --clear --seed --python $(PYTHON) .venv/local-stack
	@$(UV) pip sync --quiet --require-hashes --python .venv/local-stack/bin/python requirements/local-stack.txt
	@touch $@

demo: setup ## a certificate issued and renewed by the schedule of a local stack, before your eyes
	@$(BIN)/python -m tests.tools.demo

test: setup ## every test, the deployed local stack included
	@$(BIN)/python -m tests.tools.run_all

check: setup ## lint, format, types, layers, template, locks
	@mkdir -p .local
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > .local/layers.log || (cat .local/layers.log; exit 1)
	@$(BIN)/cfn-lint template.yaml
	@.venv/local-stack/bin/sam validate --lint --region eu-central-1
	@$(BIN)/python -m tests.tools.locks
	@echo "check: all good"

mutants: setup ## each safeguard taken away; a test must notice
	@$(BIN)/python -m tests.tools.mutants

bench: setup ## the figures of docs/maintainers/benchmarks.md, taken anew in this run
	@$(BIN)/python -m tests.bench

random: setup ## 10,000 random schedules, every promise after every step
	@$(BIN)/python -m tests.random.schedules --schedules 10000

local: setup ## the local stack, kept running
	@$(BIN)/python -m tests.tools.local_stack

lock: .venv/uv/ready ## new lock files from pyproject.toml
	@$(BIN)/python -m tests.tools.locks --write

deploy: ## to AWS, with your credentials
	sam build && sam deploy --guided

clean: ## all that was built or set up here
	rm -rf .venv .local .aws-sam

.PHONY: help setup demo test check mutants random bench local lock deploy clean
