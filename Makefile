# `make run` and `make test` are all that a newcomer needs; both install what they need.
# Requires GNU make and Python 3.11 to 3.14.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first of these that is a supported Python.
PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
FLASK := $(BIN)/flask --app coupon_management_flask

# Stamps: one is newer than its list of requirements once all of them are installed.
RUNTIME := .venv/.runtime
TOOLS := .venv/.tools

IN_PARALLEL := --numprocesses 2 --dist loadfile
# Collecting schemathesis' tests takes each worker seconds, and all of them are long.
NOT_LONG := --ignore tests/contracts
NO_SERVERS := $(NOT_LONG) $(foreach kind,browser load postman,--ignore tests/$(kind))
# Where CI runs, a tool that is missing is a failure and no reason to skip.
NO_SKIPS := $(if $(CI),--no-skips)

# pytest rewrites the asserts of every test file, and keeps the result as Python keeps its bytecode.
test test-fast test-long: export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: run
run: $(RUNTIME) ## Develop: example data, service on :8000 (HOST, PORT, WORKERS), shop on :8001 (DEMO_PORT)
	@$(FLASK) db upgrade
	@$(FLASK) seed-demo
	@# Each is a process group, so that nothing of either is left behind, whatever ends the service
	@# or this shell, and however early. The service goes on if the demo shop can't start.
	@trap 'exec 2>/dev/null; for group in $$(jobs -p); do kill -- -$$group || true; done; wait' EXIT; \
	trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM; \
	set -m; $(FLASK) demo-shop & $(FLASK) serve & wait $$!

.PHONY: serve
serve: export APP_ENV ?= production
serve: $(RUNTIME) ## Production: migrate and serve (HOST, PORT, WORKERS; needs SECRET_KEY)
	@$(FLASK) db upgrade
	@exec $(FLASK) serve

.PHONY: test
test: $(TOOLS) ## Run what a change must pass, in 9 minutes (one part: make test PYTEST="tests/core")
	@bash tests/tools/install
	@$(BIN)/pytest $(IN_PARALLEL) -m "not long" $(NOT_LONG) $(NO_SKIPS) $(PYTEST)

.PHONY: test-fast
test-fast: $(TOOLS) ## Run what needs no process of its own, on PostgreSQL, in 4 minutes
	@$(BIN)/pytest $(IN_PARALLEL) -m "not long and not server" $(NO_SERVERS) --databases postgresql $(PYTEST)

.PHONY: test-long
test-long: $(TOOLS) ## Run everything on both databases, with coverage: what `make test` leaves out, and all else
	@bash tests/tools/install
	@$(BIN)/pytest $(IN_PARALLEL) --databases both --cov --cov-report=term:skip-covered $(NO_SKIPS) $(PYTEST)

.PHONY: check
check: $(TOOLS) ## Check format, lint and types
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: run make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary

.PHONY: format
format: $(TOOLS) ## Format the code and fix what a tool can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(TOOLS) ## Measure it (needs wrk); against a commit: make bench BENCH="--against HEAD~3"
	@$(BIN)/python -m benchmarks $(BENCH)

.PHONY: lock
lock: $(TOOLS) ## Compile requirements*.txt, with hashes, from requirements*.in
	@$(BIN)/pip install --quiet 'uv~=0.13'
	@# With extras, because pip before 24 takes coverage[toml] for something that is not pinned.
	@for list in requirements requirements-dev; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
			--no-header --no-annotate --no-emit-index-url --generate-hashes --no-strip-extras \
			$$list.in --output-file $$list.txt; \
	done

.PHONY: pin-images
pin-images: ## Write the digests of images behind their tags (needs docker, and a registry)
	@$(PYTHON) -m tools.images

$(RUNTIME): requirements.txt
	@$(call install,requirements.txt)
	@touch $@

$(TOOLS): requirements.txt requirements-dev.txt
	@$(call install,requirements-dev.txt)
	@touch $(RUNTIME) $@

define install
if [ -z "$(PYTHON)" ]; then echo "Python 3.11 to 3.14 is needed."; exit 1; fi; \
echo "Installing $(1) into .venv ..."; \
[ -x $(BIN)/pip ] || $(PYTHON) -m venv --clear .venv; \
$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement $(1)
endef
