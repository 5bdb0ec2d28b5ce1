# One environment, .venv, made once and made again when the locked versions change; others for a CAS server of tests and for the site.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
export PYTHONUTF8 := 1

## help: list these targets | 列出这些目标
.PHONY: help
help:
	@case "$$CLEARANCE_LANG" in en|zh) lang="$$CLEARANCE_LANG" ;; *) lang="$${LC_ALL:-$${LC_MESSAGES:-$$LANG}}" ;; esac; \
	case "$$lang" in [zZ][hH]|[zZ][hH][_.-]*) text=3 ;; *) text=2 ;; esac; \
	sed -n 's/^## \([a-z-]*\): \(.*\) | \(.*\)/  make \1|\2|\3/p' $(firstword $(MAKEFILE_LIST)) \
	| awk -F'|' -v text="$$text" '{printf "%-18s %s\n", $$1, $$text}'

$(STAMP): requirements/dev.lock requirements/cas-server.lock pyproject.toml requirements/install
	@sh requirements/install $(VENV)
	@touch $@

## install: make the environment in .venv, with every version as locked | 在 .venv 中建立环境，各组件用锁定的版本
.PHONY: install
install: $(STAMP)

## demo: build the demo university, sync it and serve it (ONCE=1 stops after the summary, PORT=8080 moves the page) | 生成演示数据，同步一次并打开网页（ONCE=1 只显示汇总，PORT=8080 换端口）
.PHONY: demo
demo: $(STAMP)
	@$(BIN)/clearance --config config/demo.toml demo $(if $(PORT),--port $(PORT)) $(if $(filter-out 0,$(ONCE)),--once)

## test: run the tests | 运行全部测试
.PHONY: test
test: $(STAMP)
	@$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST)

## check: check style and types, and run the pure tests: no database, no browser, no process (under a minute) | 检查代码风格和类型，运行不用数据库、浏览器和进程的测试（不到一分钟）
.PHONY: check
check: lint
	@$(BIN)/python -m pytest -q -m pure

## soak: run the tests with all cases of the harnesses, twenty-five times as many and more (takes hours) | 运行测试，用例多二十五倍以上（需数小时）
.PHONY: soak
soak: $(STAMP)
	@CLEARANCE_TEST_SOAK=1 $(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST)

## soak-cluster: run schedules, workers and portals of many institutions with faults for MINUTES (10) | 多校多进程故障试验，持续 MINUTES 分钟（10）
.PHONY: soak-cluster
soak-cluster: $(STAMP)
	@$(BIN)/python -m tests.jobs.chaos --minutes $(or $(MINUTES),10)

## property: run each property test again and again for MINUTES (60), each time with other examples | 反复运行各性质测试，共 MINUTES 分钟（60），每次换用例
.PHONY: property
property: $(STAMP)
	@CLEARANCE_TEST_MINUTES=$(or $(MINUTES),60) $(BIN)/python -m pytest -q -m property $(PYTEST)

## docs: check what the documents name: every command, key and link, the words of the glossary, the places on the site | 检查文档中的命令、设置项、链接、用词和在网站上的位置
.PHONY: docs
docs: $(STAMP)
	@$(BIN)/python -m pytest -q tests/test_documents.py tests/test_glossary.py tests/test_site.py

SITE := $(VENV)-site
$(SITE)/.ready: requirements/site.lock | $(STAMP)
	@$(BIN)/python -m venv --clear $(SITE)
	@$(SITE)/bin/python -m pip --disable-pip-version-check -qq --no-input install --require-hashes -r $<
	@touch $@

## site: build the documentation in English and Chinese into dist/site, and check every link of it | 生成中英文文档网站 dist/site，并检查其中的链接
.PHONY: site
site: $(SITE)/.ready
	@rm -rf dist/site
	@$(SITE)/bin/sphinx-build -q -E -W --keep-going -n -c docs/site -d dist/site/.en . dist/site/en
	@$(SITE)/bin/sphinx-build -q -E -W --keep-going -n -t zh -c docs/site -d dist/site/.zh . dist/site/zh
	@rm -rf dist/site/.en dist/site/.zh
	@cp docs/site/index.html dist/site/
	@$(SITE)/bin/python -m docs.site.links dist/site
	@echo "Open dist/site/index.html, or serve it: python -m http.server --directory dist/site"

## lint: check style, types and the layers between the rooms | 检查代码风格、类型和各层之间的引用
.PHONY: lint
lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

## format: put every file into the project's style | 把所有文件改成统一的代码风格
.PHONY: format
format: $(STAMP)
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

## messages: bring the catalogue of each language up to date with the code, and list what is new, dead or fuzzy | 按代码更新各语言的译文，列出新的、不用的和待定的条目
.PHONY: messages
messages: $(STAMP)
	@$(BIN)/python -m supply.messages

## error-texts: write docs/error-texts.md from the source code | 按代码生成 docs/error-texts.md
.PHONY: error-texts
error-texts: $(STAMP)
	@$(BIN)/python -m supply.error_texts

## reference: write the pages of docs/reference/ and docs/zh/reference/ from the code | 按代码生成 docs/reference/ 和 docs/zh/reference/ 的各页
.PHONY: reference
reference: $(STAMP)
	@$(BIN)/python -m supply.reference

## bench: measure a sync of 100,000 students against its floors, and the pages under load (takes minutes) | 测量 100,000 名学生的同步用时，以及网页的负载（需数分钟）
.PHONY: bench
bench: $(STAMP)
	@$(BIN)/python -m benchmarks.sync_cost $(BENCH)
	@$(BIN)/python -m benchmarks.load

## screenshots: take the pictures of docs/screenshots again, in chromium | 用 chromium 重新截取 docs/screenshots 的图片
.PHONY: screenshots
screenshots: $(STAMP)
	@$(BIN)/python -m tests.browser.screenshots

## lock: choose the newest allowed versions again and write requirements/*.lock | 重新选择允许的最新版本，写入 requirements/*.lock
.PHONY: lock
lock: $(STAMP)
	@sh requirements/lock $(BIN)/uv

## sbom: write the bill of materials of each lock file into dist/ (CycloneDX) | 把各锁定文件的组件清单写入 dist/（CycloneDX）
.PHONY: sbom
sbom: $(STAMP)
	@$(BIN)/python -m supply.sbom

## licences: write docs/licences.md from the metadata of the locked packages | 按锁定组件的信息生成 docs/licences.md
.PHONY: licences
licences: $(STAMP)
	@$(BIN)/python -m supply.licences

## audit: ask for known vulnerabilities of the locked packages (needs the network) | 查询锁定组件的已知漏洞（需要网络）
.PHONY: audit
audit: $(STAMP)
	@$(BIN)/python -m supply.audit

## release: build wheel and sdist into dist/, try them in a clean environment, and print their checksums | 在 dist/ 中生成 wheel 和 sdist，在干净环境中试用，并列出校验和
.PHONY: release
release: $(STAMP)
	@$(BIN)/python -m supply.release

## clean: remove the environment and the demo university | 删除环境和演示数据
.PHONY: clean
clean:
	rm -rf $(VENV) $(VENV)-cas $(SITE) dist/site .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
