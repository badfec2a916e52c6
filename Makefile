# Every chore, one line each: `make` alone prints them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
TOOLS := .tools
UV := $(shell command -v uv 2>/dev/null || echo $(TOOLS)/bin/uv)
RUN := $(UV) run --no-sync
SIZE ?= small

.PHONY: help setup setup-observe setup-chromium demo test again unit faults bench lint fix docs lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: .venv/.ready ## install what everything else needs, into this folder and the usual caches

.venv/.ready: pyproject.toml uv.lock src/nova_feed/local/java_parts.lock
	@if [ ! -x "$(UV)" ] && ! command -v "$(UV)" >/dev/null; then python3 -m venv $(TOOLS) && $(TOOLS)/bin/pip install -q uv==0.13.9; fi
	@$(UV) sync --quiet --locked --extra local --compile-bytecode
	@$(RUN) python -m nova_feed.local.java_parts fetch
	@touch $@

setup-observe: ## install Prometheus and Alertmanager, for `nova up --observe` and the tests of alerts (Debian, as root)
	@type -P promtool amtool prometheus prometheus-alertmanager >/dev/null || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends prometheus prometheus-alertmanager >/dev/null; }

setup-chromium: ## install Chromium, for the tests of the page at /console (Debian, as root)
	@type -P chromium >/dev/null || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-liberation >/dev/null; }

demo: setup ## start everything with a sample network, and show a ranked feed (Ctrl-C stops it)
	@$(RUN) nova up --demo --size $(SIZE)

test: setup lint ## run all tests against real servers, which they start and stop themselves
	@$(RUN) pytest

again: setup ## run once more what failed in the last `make test`
	@$(RUN) pytest --last-failed --last-failed-no-failures none

unit: setup ## run the tests that need no server
	@$(RUN) pytest tests/unit -q

faults: setup ## kill, stop and fill up real processes under load, in full length; writes build/faults.json
	@$(RUN) pytest tests/faults -q --faults=full

bench: setup ## measure hits, misses, overload and mixed load against this machine's ceilings; ARGS="--quick" is short
	@$(UV) sync --quiet --locked --extra local --group bench
	@$(RUN) python benchmarks/bench.py $(ARGS)

lint: setup ## check style, types and who may import whom
	@$(RUN) ruff check --quiet && $(RUN) ruff format --check --quiet && $(RUN) mypy --no-error-summary && $(RUN) lint-imports --no-cache | tail -n 3

fix: setup ## format, and mend what can be mended by itself
	@$(RUN) ruff format --quiet && $(RUN) ruff check --fix --quiet

docs: setup ## write what follows from the code: settings, metrics, OpenAPI, .env.example, dashboards
	@$(RUN) nova docs
	@$(RUN) python -m deploy.grafana.build

lock: ## bring uv.lock and java_parts.lock to what pyproject.toml and java_parts.py ask for
	@$(UV) lock && $(RUN) python -m nova_feed.local.java_parts lock

clean: ## remove what the chores made, but no data of a stack
	@rm -rf .venv $(TOOLS) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
