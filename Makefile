# `make demo` and `make test` each set up all they need: a machine with Python 3.11 or newer and make is enough.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first interpreter that is new enough; `make PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := help
.PHONY: help install demo test lint check format bench kafka clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/'

$(STAMP): pyproject.toml setup.py constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it with make PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@echo "installing into $(VENV) (once)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,dev,otel]'
	@touch $@

install: $(STAMP) ## make .venv and install into it, with all extras

demo: $(STAMP) ## a year of flights through streaming SQL; ends by itself
	@$(BIN)/ssql demo $(ARGS)

test: $(STAMP) ## all tests
	$(BIN)/python -m pytest $(ARGS)

lint: $(STAMP) ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## what lint checks, and the fast tests
	$(BIN)/python -m pytest -m "not slow and not kafka" $(ARGS)

format: $(STAMP) ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## rates and delays, on the embedded log and on Kafka
	$(BIN)/python -m benchmarks $(ARGS)

kafka: $(STAMP) ## fetch Apache Kafka with mvn and run one broker on a free port
	$(BIN)/python -m tests.support.kafka_broker $(ARGS)

clean: ## remove what make made, the environment too
	rm -rf $(VENV) build dist *.egg-info cli/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
