# `make demo` and `make test` set up everything that they need; only Python and make must be installed.
PYTHON ?= python3
UV_VERSION := 0.13.8
BIN := .venv/dev/bin
UV := .venv/uv/bin/uv
# The last file that the build of the console's scripts writes.
SCRIPTS := layers/evercert/evercert/console/static/vendor/LICENSES.txt
# One region of each kind: ordinary, us-east-1, GovCloud, China.
REGIONS := eu-central-1 us-east-1 us-gov-west-1 cn-north-1
export SAM_CLI_TELEMETRY := 0
export NO_MKDOCS_2_WARNING := 1
# Without bytecode, each of the many Python processes of the tests compiles the whole package again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

help: ## print this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 12

setup: .venv/dev/ready .venv/local-stack/ready $(SCRIPTS) ## create the Python environments, one for development and one for the local stack

setup-tests: setup .venv/moto/ready .venv/release/ready

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

$(SCRIPTS): $(wildcard layers/evercert/browser/*) | .venv/dev/ready
	@$(BIN)/python -m tests.tools.console_scripts

.venv/local-stack/ready: requirements/local-stack.txt .venv/uv/ready
	@$(UV) venv --quiet --clear --seed --python $(PYTHON) .venv/local-stack
	@$(UV) pip sync --quiet --require-hashes --python .venv/local-stack/bin/python requirements/local-stack.txt
	@touch $@

.venv/moto/ready: requirements/moto.txt .venv/uv/ready
	@$(UV) venv --quiet --clear --python $(PYTHON) .venv/moto
	@$(UV) pip sync --quiet --require-hashes --python .venv/moto/bin/python requirements/moto.txt
	@touch $@

.venv/release/ready: requirements/release.txt .venv/uv/ready
	@$(UV) venv --quiet --clear --python $(PYTHON) .venv/release
	@$(UV) pip sync --quiet --require-hashes --python .venv/release/bin/python requirements/release.txt
	@touch $@

demo: setup ## issue and renew certificates on a local stack; VERBOSE=1 prints everything
	@$(BIN)/python -m tests.tools.demo $(if $(VERBOSE),--verbose)

test: setup-tests ## run every test without other programs, the deployed local stack included
	@$(BIN)/python -m tests.tools.run_all

check: setup ## lint, format, types, layers, words, template, locks, documentation
	@mkdir -p .local
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > .local/layers.log || { cat .local/layers.log; exit 1; }
	@$(BIN)/python -m tests.tools.words
	@$(BIN)/python -m tests.tools.reference_pages
	@$(BIN)/python -m tests.tools.permissions
	@$(BIN)/cfn-lint --regions $(REGIONS) --template template.yaml
	@$(BIN)/cfn-lint examples/published-address.yaml examples/subscribers/*/template.yaml
	@.venv/local-stack/bin/sam validate --lint --region eu-central-1
	@$(BIN)/python -m tests.tools.locks
	@$(MAKE) --no-print-directory docs
	@echo "check: all good"

docs: setup ## the documentation site in .local/site; dead links and unknown anchors fail
	@$(BIN)/mkdocs build --strict --quiet

peers: setup-tests ## tests with third-party programs; missing programs are skipped and listed
	@$(BIN)/python -m tests.tools.peers

soak: setup ## every cell of the matrices, searches in 100,000 certificates, long random runs, a million changed inputs, 200,000 to the ACME server, 20,000 calls of the HTTP API, 500 of the deployed one, a kill storm of 15 minutes
	@$(BIN)/python -m pytest -q tests/crash tests/contract/issuers/acme/test_pebble_matrix_peers.py tests/unit/aws/authority/test_large_inventory.py --every 1
	@$(BIN)/python -m pytest -q tests/stack/test_acme_fuzz.py tests/stack/test_http_api_fuzz.py --every 1
	@$(BIN)/python -m tests.random.schedules --schedules 10000
	@$(BIN)/python -m tests.fuzz --count 1000000
	@$(BIN)/python -m tests.fuzz.server --count 200000
	@$(BIN)/python -m tests.fuzz.http_api --count 20000
	@$(BIN)/python -m tests.storm --minutes 15

mutants: setup ## remove each safeguard; a test must fail
	@$(BIN)/python -m tests.tools.mutants

bench: setup ## measure the figures of docs/maintainers/benchmarks.md
	@$(BIN)/python -m tests.bench

acceptance: setup ## one run in your AWS account, on its own stack, which it removes; asks first
	@$(BIN)/python -m tests.tools.acceptance $(if $(YES),--yes)

local: setup ## the local stack, kept running
	@$(BIN)/python -m tests.tools.local_stack

lock: .venv/uv/ready ## write the lock files from pyproject.toml
	@$(BIN)/python -m tests.tools.locks --write

release: setup .venv/release/ready ## the files of a release in .local/release: wheel, sdist, packaged stack, SBOM, checksums
	@$(BIN)/python -m tests.tools.release

deploy: ## build and deploy to AWS, with your credentials
	sam build && sam deploy --guided

clean: ## remove everything that was built or set up
	rm -rf .venv .local .aws-sam $(dir $(SCRIPTS))

.PHONY: help setup setup-tests demo test check docs peers soak mutants bench acceptance local lock release deploy clean
