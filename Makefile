# One environment, .venv, made once and made again when the locked versions change; others for a CAS server of tests and for the site.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
export PYTHONUTF8 := 1

## help: list these targets
.PHONY: help
help:
	@sed -n 's/^## \([a-z-]*\): \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

$(STAMP): requirements/dev.lock requirements/cas-server.lock pyproject.toml requirements/install
	@sh requirements/install $(VENV)
	@touch $@

## install: make the environment in .venv, with every version as locked
.PHONY: install
install: $(STAMP)

## demo: build the demo university, sync it and serve it (ONCE=1 stops after the summary, PORT=8080 moves the page)
.PHONY: demo
demo: $(STAMP)
	@$(BIN)/clearance --config config/demo.toml demo $(if $(PORT),--port $(PORT)) $(if $(filter-out 0,$(ONCE)),--once)

## test: run the tests
.PHONY: test
test: $(STAMP)
	@$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST)

## check: check style and types, and run the pure tests: no database, no browser, no process (under a minute)
.PHONY: check
check: lint
	@$(BIN)/python -m pytest -q -m pure

## soak: run the tests with all cases of the harnesses, twenty-five times as many and more (takes hours)
.PHONY: soak
soak: $(STAMP)
	@CLEARANCE_TEST_SOAK=1 $(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST)

## property: run each property test again and again for MINUTES (60), each time with other examples
.PHONY: property
property: $(STAMP)
	@CLEARANCE_TEST_MINUTES=$(or $(MINUTES),60) $(BIN)/python -m pytest -q -m property $(PYTEST)

## docs: check what the documents name: every command, key and link, the words of the glossary, the places on the site
.PHONY: docs
docs: $(STAMP)
	@$(BIN)/python -m pytest -q tests/test_documents.py tests/test_glossary.py tests/test_site.py

SITE := $(VENV)-site
$(SITE)/.ready: requirements/site.lock | $(STAMP)
	@$(BIN)/python -m venv --clear $(SITE)
	@$(SITE)/bin/python -m pip --disable-pip-version-check -qq --no-input install --require-hashes -r $<
	@touch $@

## site: build the documentation in English and Chinese into dist/site, and check every link of it
.PHONY: site
site: $(SITE)/.ready
	@rm -rf dist/site
	@$(SITE)/bin/sphinx-build -q -E -W --keep-going -n -c docs/site -d dist/site/.en . dist/site/en
	@$(SITE)/bin/sphinx-build -q -E -W --keep-going -n -t zh -c docs/site -d dist/site/.zh . dist/site/zh
	@rm -rf dist/site/.en dist/site/.zh
	@cp docs/site/index.html dist/site/
	@$(SITE)/bin/python -m docs.site.links dist/site
	@echo "Open dist/site/index.html, or serve it: python -m http.server --directory dist/site"

## lint: check style, types and the layers between the rooms
.PHONY: lint
lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

## format: put every file into the project's style
.PHONY: format
format: $(STAMP)
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

## messages: bring the catalogue of each language up to date with the code, and list what is new, dead or fuzzy
.PHONY: messages
messages: $(STAMP)
	@$(BIN)/python -m supply.messages

## error-texts: write docs/error-texts.md from the source code
.PHONY: error-texts
error-texts: $(STAMP)
	@$(BIN)/python -m supply.error_texts

## reference: write the pages of docs/reference/ and docs/zh/reference/ from the code
.PHONY: reference
reference: $(STAMP)
	@$(BIN)/python -m supply.reference

## bench: measure a sync of 100,000 students against its floors, and the pages under load (takes minutes)
.PHONY: bench
bench: $(STAMP)
	@$(BIN)/python -m benchmarks.sync_cost $(BENCH)
	@$(BIN)/python -m benchmarks.load

## screenshots: take the pictures of docs/screenshots anew, in chromium
.PHONY: screenshots
screenshots: $(STAMP)
	@$(BIN)/python -m tests.browser.screenshots

## lock: choose the newest allowed versions again and write requirements/*.lock
.PHONY: lock
lock: $(STAMP)
	@sh requirements/lock $(BIN)/uv

## sbom: write the bill of materials of each lock file into dist/ (CycloneDX)
.PHONY: sbom
sbom: $(STAMP)
	@$(BIN)/python -m supply.sbom

## licences: write docs/licences.md from the metadata of the locked packages
.PHONY: licences
licences: $(STAMP)
	@$(BIN)/python -m supply.licences

## audit: ask for known vulnerabilities of the locked packages (needs the network)
.PHONY: audit
audit: $(STAMP)
	@$(BIN)/python -m supply.audit

## release: build wheel and sdist into dist/, try them in a clean environment, and print their checksums
.PHONY: release
release: $(STAMP)
	@$(BIN)/python -m supply.release

## clean: remove the environment and the demo university
.PHONY: clean
clean:
	rm -rf $(VENV) $(VENV)-cas $(SITE) dist/site .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
