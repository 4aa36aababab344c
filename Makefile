# Two commands are enough: `make run` and `make test`. Both set up everything, and the second time reuse it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cksum pyproject.toml | cut -d' ' -f1)

.PHONY: run test check lint types imports faults gpu-check pictures clean help

run: $(STAMP)  ## open the app, training at once on the data there is
	$(BIN)/mnist-tui --start $(ARGS)

test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

check: lint types imports test  ## lint, types, import rules and all tests

lint: $(STAMP)
	$(BIN)/ruff check tui engines tests
	$(BIN)/ruff format --check tui engines tests

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

faults: $(STAMP)  ## everything that may go wrong, tried for real, in one table
	$(BIN)/python -m pytest -m fault $(ARGS)

gpu-check:  ## everything that needs a CUDA GPU, with whatever this machine's Python has
	$(or $(wildcard $(BIN)/python),$(PYTHON)) -m tests.gpu_check

pictures: $(STAMP)  ## the README's pictures, from the recorded run
	$(BIN)/python -m tests.pictures

clean:  ## forget the environment
	rm -rf $(VENV)

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / - /'

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	rm -f $(VENV)/.installed-*
	touch $(STAMP)
