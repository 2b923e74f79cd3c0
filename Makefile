# Everything a newcomer needs: make demo, make test. No model hub is used; packages come from the configured index.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM := false

.PHONY: help env demo test test-fast lint bench soak clean

help:  ## say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

env: $(READY)  ## prepare .venv from constraints.txt

# torch first and by its exact version: a looser request would fetch a build with gigabytes of GPU libraries.
$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: make PYTHON=/path/to/python3.11 (or newer)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	@PATH="$$PATH:/usr/games" command -v stockfish >/dev/null || echo "stockfish is not installed; for chess: apt-get install stockfish"
	touch $@

demo: env  ## a real weak-to-strong study, and a report in out/demo
	$(BIN)/surpass demo

lint: env  ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## lint, then every test that needs no network
	$(BIN)/surpass assets fetch
	$(BIN)/pytest -n 2 --dist loadgroup -m "not network"

test-fast: env  ## the tests that take seconds
	$(BIN)/pytest -n 2 --dist loadgroup -m "not slow and not assets and not browser and not network"

bench: env  ## every claim of speed as a ratio taken in one run, in bench/results
	$(BIN)/surpass assets fetch vader-ratings smollm2-135m
	$(BIN)/surpass bench

MINUTES ?= 30
soak: env  ## a study of 2,000 stages under random kills, compared with an undisturbed one: make soak MINUTES=3
	$(BIN)/python tests/soak/soak.py --minutes $(MINUTES)

clean:  ## remove what the targets made, but for the asset cache
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache
