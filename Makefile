# Works from a fresh clone with Python 3.11 or newer and nothing else. `make` lists what there is.

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage mutate lint format bench docs lock clean

PYTHON ?=
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet
CANDIDATES := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python)
SUITABLE := import ensurepip, sys; sys.exit(sys.version_info < (3, 11))
ABOUT_RULES := tests/rules tests/properties tests/scenarios tests/sites tests/snapshots
PIP_TOOLS := pip-tools==7.6.2
COMPILE := .cache/lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --annotation-style=line \
	--all-build-deps $(ARGS)

help: ## list what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "make %-8s %s\n", $$1, $$2 }'

setup: .venv/andon.stamp ## create .venv with the command andon in it

demo: setup ## a simulated plant with faults, watched live (two minutes when not on a terminal)
	@$(BIN)/andon demo $(ARGS)

test: .venv/dev.stamp ## run the tests; ARGS="-k journal" picks some, ARGS="-m long" runs the soak tests
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

coverage: .venv/dev.stamp ## which branches of rules/ its tests take, file by file; fails below the floor in pyproject.toml
	@$(BIN)/python -m pytest -q -n auto --dist loadfile $(ABOUT_RULES) --cov --cov-report=term-missing:skip-covered $(ARGS)

mutate: .venv/dev.stamp ## change the core one thing at a time and see who notices; ARGS="limits --sample 40", else hours
	@$(BIN)/python bench/mutation/mutate.py $(ARGS)

lint: .venv/dev.stamp ## check style, types and import direction
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/dev.stamp ## lay the code out
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: .venv/dev.stamp ## measure speed, each figure beside its rivals in one run
	@for script in bench/[a-z]*.py; do echo "== $$script"; $(BIN)/python "$$script" $(ARGS) || exit 1; done

docs: setup ## draw the generated pages anew
	@$(BIN)/python docs/generate.py

lock: .cache/lock/bin/pip-compile ## pin dependencies anew; ARGS=--upgrade takes the newest
	@$(COMPILE) --output-file requirements.lock pyproject.toml
	@$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean: ## remove .venv and everything else that make made
	@rm -rf .venv .cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/pip:
	@for python in $(CANDIDATES); do \
		if "$$python" -c '$(SUITABLE)' 2>/dev/null; then echo "making .venv with $$($$python -V)"; exec "$$python" -m venv .venv; fi; \
	done; \
	echo "Andon needs Python 3.11 or newer with venv (Debian: apt install python3-venv); tried: $(CANDIDATES)." >&2; \
	echo "Name one with: make setup PYTHON=/path/to/python3" >&2; exit 1

.venv/andon.stamp: requirements.lock pyproject.toml | .venv/bin/pip
	@echo "installing what requirements.lock pins"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/andon.stamp
	@echo "installing what requirements-dev.lock pins"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

.cache/lock/bin/pip-compile: | .venv/bin/pip
	@$(BIN)/python -m venv .cache/lock
	@.cache/lock/bin/python -m pip --disable-pip-version-check install --quiet $(PIP_TOOLS)
