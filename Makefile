# Every verb installs what it needs first, so that each works on a fresh machine.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
# The system's own Python: the zones' service accounts must be able to run it.
PYTHON ?= /usr/bin/python3

help: ## what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@umask 022; $(PYTHON) -m venv $(VENV) && \
	$(PY) -m pip install -q --require-hashes -r requirements/dev.txt && \
	echo "$(CURDIR)/src" > $$($(PY) -c 'import site; print(site.getsitepackages()[0])')/tandem.pth && \
	touch $@
