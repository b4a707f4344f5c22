# Every verb installs what it needs first, so that each works on a fresh machine.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up down deploy destroy packages lint test retest model bench drill drill-mutants bundle docs

# The system's own Python: the zones' service accounts must be able to run it.
PYTHON ?= /usr/bin/python3
VENV := .venv
PY := $(VENV)/bin/python
APT := DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120

help: ## what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements/dev.txt
	@echo "== Python packages, locked with hashes"
	@umask 022; \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && \
	  { $(APT) update && $(APT) install --yes --no-install-recommends --no-upgrade python3 python3-venv; } \
	    >"$$log" 2>&1 || { cat "$$log" >&2; exit 1; }; } && \
	$(PYTHON) -m venv $(VENV) && \
	$(PY) -m pip install -q --require-hashes -r requirements/dev.txt && \
	echo "$(CURDIR)/src" > $$($(PY) -c 'import site; print(site.getsitepackages()[0])')/tandem.pth && \
	touch $@

# What describes the environment on AWS; not needed for one on this machine.
$(VENV)/.aws: requirements/aws.txt $(VENV)/.ready
	@echo "== the CDK's Python packages, locked with hashes"
	@umask 022; $(PY) -m pip install -q --require-hashes -r requirements/aws.txt && touch $@

# ParallelCluster pins libraries that contradict ours: it has an environment of its own.
PARALLELCLUSTER := build/parallelcluster
$(PARALLELCLUSTER)/.ready: requirements/parallelcluster.txt
	@echo "== ParallelCluster, locked with hashes"
	@umask 022; mkdir -p build; rm -rf $(PARALLELCLUSTER); $(PYTHON) -m venv $(PARALLELCLUSTER) && \
	$(PARALLELCLUSTER)/bin/python -m pip install -q --require-hashes -r requirements/parallelcluster.txt && touch $@

# The CDK's command line, which `tandem deploy` drives.
CDK := build/cdk/cdk
$(CDK): $(wildcard src/tandem/aws/toolchain/*) requirements/node.sh requirements/node.txt
	@umask 022; PYTHON=$(PYTHON) src/tandem/aws/toolchain/install.sh build/cdk

FILE ?= tandem.yaml

up: $(VENV)/.ready ## start the environment of FILE (tandem.yaml) on this machine, or apply what changed in it
	@$(PY) -m tandem up --file $(FILE)

down: ## stop it; PURGE=1 removes its jobs, files and secrets too
	@[ ! -x $(PY) ] || $(PY) -m tandem down --file $(FILE) $(if $(PURGE),--purge)

deploy: $(VENV)/.aws $(CDK) bundle ## create the environment of FILE on AWS, or change it; BOOTSTRAP=1 prepares the region first; YES=1 does not ask
	@$(PY) -m tandem deploy --file $(FILE) $(if $(BOOTSTRAP),--bootstrap) $(if $(YES),--yes)

destroy: $(VENV)/.aws $(CDK) bundle ## remove it from AWS, with all that is in it; YES=1 does not ask
	@$(PY) -m tandem destroy --file $(FILE) $(if $(YES),--yes)

BUNDLE := src/tandem/site/static/dist/manifest.json
# Templates and Python too: only the icons and style rules that they name are in the bundle.
BUNDLED := $(shell find src/tandem -path src/tandem/site/static -prune -o -type f \
	\( -name '*.html' -o -name '*.py' -o -path '*/site/frontend/*' \) -print)

bundle: $(BUNDLE) ## what the portal's pages load

$(BUNDLE): $(BUNDLED) requirements/node.txt
	@echo "== front-end bundle"
	@umask 022; PYTHON=$(PYTHON) src/tandem/site/frontend/build.sh build/frontend

lint: $(VENV)/.aws ## style and types
	@echo "== ruff"; $(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	@echo "== mypy"; $(VENV)/bin/mypy

packages: $(VENV)/.ready ## Debian's packages for an environment and the tests; none of them starts a service
	@echo "== Debian packages"; $(PY) -m tandem.local.packages

test: packages $(BUNDLE) $(VENV)/.aws $(PARALLELCLUSTER)/.ready $(CDK) ## every test, with all the set-up that they need
	@echo "== tests"; mkdir -p build; rm -f build/tests-ended
	@$(PY) -m pytest --verbose --numprocesses 2 --dist loadfile --no-loadscope-reorder; status=$$?; echo $$status > build/tests-ended; exit $$status

SCHEDULES ?= 5000
PROCESSES ?= $(shell nproc)
model: $(VENV)/.ready ## make SCHEDULES (5000) of everything that may go wrong, over the real loops, and take safeguards out
	@echo "== the promises under $(SCHEDULES) schedules, and without each safeguard"
	@TANDEM_MODEL_EXAMPLES=$(SCHEDULES) TANDEM_MODEL_SHARDS=$(PROCESSES) TANDEM_MODEL_MUTANTS=1000 $(PY) -m pytest -rP \
	  --timeout 86400 --numprocesses $(PROCESSES) tests/jobs/protocol/model

retest: packages $(BUNDLE) $(VENV)/.aws $(PARALLELCLUSTER)/.ready $(CDK) ## the tests that failed last time
	@echo "== the tests that failed"; $(PY) -m pytest --last-failed --last-failed-no-failures=none

bench: $(VENV)/.ready $(BUNDLE) ## measure beside raw Slurm; writes bench/results.md
	@$(PY) -m bench

drill: packages $(BUNDLE) ## faults without end while jobs run: no work may be lost; SEED=n; writes docs/reliability.md
	@$(PY) -m tandem.drills --write $(if $(SEED),--seed $(SEED))

drill-mutants: packages $(BUNDLE) ## one safeguard taken out at a time: each time a storm must notice
	@$(PY) -m tests.drills.mutants $(MUTANT)

docs: $(VENV)/.ready ## the reference pages that are made from the code
	@$(PY) docs/make_reference.py
