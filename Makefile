# `make run` and `make test` work on a bare Debian 12 with git, make and python3. See README.md.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help
help:
	@echo "make run                        a whole vault on this machine, until Ctrl-C"
	@echo "make test                       every test"
	@echo "make test-fast                  those that start no services (under half a minute)"
	@echo "make story                      a forgotten password, from asking for access to reading the old records"
	@echo "make demo-officers              become two officers of the vault that make run runs, each with a passkey"
	@echo "make screenshots                the story of a forgotten password in a browser, as pictures"
	@echo "make story-rotation USERS=2000  every key replaced under load, with kills; nothing lost, nothing left"
	@echo "make acceptance                 a thousand people of many languages imported, read back and looked for in the dumps"
	@echo "make acceptance-audit           a thousand people, 100,000 events, both logs exported and verified"
	@echo "make acceptance-rotation        two operators replace keys, people use the vault, processes are killed 100 times"
	@echo "make bench-audit                a log of five million leaves (half an hour): does it get slower as it grows?"
	@echo "make check                      formatter, linter, types, import rules"
	@echo "make texts                      gather what people read into the catalogues of vault_service/web/locales"
	@echo "make setup                      what all of these begin with: Debian packages and .venv"
	@echo "make clean                      remove .venv and caches; never a vault's data"

.PHONY: run
run:
	@scripts/setup.sh runtime
	@exec $(BIN)/vaultctl dev --end-with-parent

.PHONY: setup
setup:
	@scripts/setup.sh dev

.PHONY: test
test: setup
	@# Where the environment forbids caches, each process would compile all tests anew.
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist worksteal

.PHONY: test-fast
test-fast: setup
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 -m "not slow"

.PHONY: acceptance
acceptance: setup
	VAULT_TEST_PEOPLE=1000 $(BIN)/python -m pytest tests/cli/test_import_people.py -k many_languages

.PHONY: story
story: setup
	$(BIN)/python scripts/story.py

# Needs a vault that runs (make run). VIRTUAL=1: in two windows of chromium, without a real passkey.
.PHONY: demo-officers
demo-officers:
	@scripts/setup.sh $(if $(VIRTUAL),dev,runtime)
	@$(BIN)/python scripts/demo_officers.py

.PHONY: screenshots
screenshots: setup
	$(BIN)/python scripts/screenshots.py --images

.PHONY: story-rotation
story-rotation: setup
	USERS=$(or $(USERS),60) CROWD=$(or $(CROWD),0) $(BIN)/python scripts/story_rotation.py

.PHONY: acceptance-rotation
acceptance-rotation: setup
	VAULT_TEST_KILLS=100 $(BIN)/python -m pytest -n0 tests/rotation/test_traffic_and_kills.py

.PHONY: bench-audit
bench-audit: setup
	$(BIN)/python benchmarks/bench_audit.py

.PHONY: acceptance-audit
acceptance-audit: setup
	$(BIN)/python -m benchmarks.acceptance_audit

.PHONY: check
check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(BIN)/lint-imports

.PHONY: texts
texts: setup
	$(BIN)/python -m vault_service.dev.texts

.PHONY: clean
clean:
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
