# Two commands are enough: `make run` and `make test`. Both set up everything, and the second time reuse it. `make tour` needs much less.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --numprocesses 3 --dist worksteal
STAMP := $(VENV)/.installed-$(shell cksum pyproject.toml | cut -d' ' -f1)

TOUR_VENV := .venv-tour
TOUR_STAMP := $(TOUR_VENV)/.installed-$(shell cksum pyproject.toml | cut -d' ' -f1)

.PHONY: run tour test check lint types imports coverage faults gpu-check pictures clean help

run: $(STAMP)  ## open the app, training at once on the data there is
	$(BIN)/mnist-tui --start $(ARGS)

tour: $(TOUR_STAMP)  ## a guided tour of three minutes, without any framework
	PYTHONPATH=. $(TOUR_VENV)/bin/python -m tui tour $(ARGS)

test: $(STAMP)  ## all tests
	$(PYTEST) $(ARGS)

check: lint types imports coverage  ## lint, types, import rules and all tests, the fast ones with their coverage
	$(PYTEST) -m 'not slow and not fast' $(ARGS)

coverage: $(STAMP)  ## the fast tests, and the branches that they leave out
	$(PYTEST) -m fast --cov $(ARGS)

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

clean:  ## forget the environments
	rm -rf $(VENV) $(TOUR_VENV)

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / - /'

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	rm -f $(VENV)/.installed-*
	touch $(STAMP)

$(TOUR_STAMP): pyproject.toml
	test -x $(TOUR_VENV)/bin/python || $(PYTHON) -m venv $(TOUR_VENV)
	$(TOUR_VENV)/bin/python -c "import re, tomllib; \
		needed = tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']; \
		print(*(line for line in needed if not re.match('torch|tensorflow|keras', line)), sep='\n')" > $(TOUR_VENV)/needed.txt
	$(TOUR_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(TOUR_VENV)/needed.txt
	rm -f $(TOUR_VENV)/.installed-*
	touch $(TOUR_STAMP)
