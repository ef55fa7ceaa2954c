# internbox: `make demo` shows the main job, `make test` passes the tests; both install what they
# need (system packages, .venv, the engine, images), say what they do, and can be repeated.

PYTHON ?= python3
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.DEFAULT_GOAL := help

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(STAMP): pyproject.toml
	@echo "internbox: installing Python packages into $(VENV)"
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@$(BIN)/python -m compileall -q sandbox
	@touch $@

install: $(STAMP)  ## Make .venv with internbox and its development tools

engine: $(STAMP)  ## See that a Docker engine runs and the images are there; mend what may be mended
	$(BIN)/internbox doctor --fix --yes

demo: engine  ## The main job: start a scenario, grade it unsolved, fix it, grade it solved
	$(BIN)/internbox demo

check: $(STAMP)  ## ruff, mypy strict, import contracts, lint of all scenarios; needs no engine
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/internbox lint

# Three at once keep two processors busy: tests wait for machines more than they compute.
test: engine  ## All tests, on the real engine
	$(BIN)/python -m pytest -n 3 --dist loadfile

prove: engine  ## The proof matrix of every scenario
	$(BIN)/internbox prove --all

bench: engine  ## Measure, against bare baselines, into build/bench.json; BENCH=--cold builds, too
	$(BIN)/python tests/bench/run.py $(BENCH)

clean:  ## Remove what internbox left on the engine, and build/; keeps .venv and images
	-test ! -x $(BIN)/internbox || $(BIN)/internbox gc
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help install engine demo check test prove bench clean
