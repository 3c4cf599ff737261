# `make demo` and `make test` each prepare .venv by themselves; nothing else is needed but Python 3.11-3.13.
PYTHON ?= python3
# More options for pip, such as an index with PyTorch's CPU build.
PIP_EXTRA ?=
# How much `make bench` measures: nothing, --quick or --full.
BENCH ?=
# How many processes run the tests: one a core, at most four, since each may hold a gigabyte.
TEST_PROCESSES ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$(( n < 4 ? n : 4 )))
# What `make test-fast` runs.
FAST := $(addprefix tests/,dialogue fusion questions language models evaluation test_imports.py test_words.py) \
  $(addprefix tests/imagine/test_,cache.py loading.py memory.py recipes.py) \
  $(addprefix tests/indexer/test_,library.py ranking.py strength.py facts.py) tests/cli/test_old_files.py
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast lint bench clean

help:
	@echo "make demo    index sample photos (or PHOTOS=dir) and find some by describing them"
	@echo "make test    run the whole test suite"
	@echo "make test-fast  what matters, in a minute and a half: no app, no diffusion model"
	@echo "make setup   only make .venv and install into it"
	@echo "make lint    ruff, the import contracts and mypy"
	@echo "make bench   measure speed and quality on this machine (BENCH=--quick: a little of each, BENCH=--full: all)"

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(PIP_EXTRA) --editable '.[dev,demo]'
	@touch $@

setup: $(STAMP)

demo: $(STAMP)
	@$(BIN)/python -m dar_tui.demo $(if $(PHOTOS),'$(PHOTOS)')

# A file's tests stay in one process, in their order.
test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile

# Chosen by measurement; `--durations=25` shows what has become slow.
test-fast: $(STAMP)
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile -m 'not slow' $(FAST)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(BENCH) $(if $(PHOTOS),'$(PHOTOS)')

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
