# Needs Python 3.11+ (with venv) and make; everything else is installed into .venv from the locks in deploy/.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON := .venv/bin/python
RUNTIME_LOCK := deploy/requirements.lock
DEV_LOCK := deploy/requirements-dev.lock
CONSOLE_LOCK := deploy/requirements-console.lock
LLAMA_LOCK := deploy/requirements-llama.lock
UV_VERSION := 0.13.9
ARGS ?=

# The first Python that is new enough; a name may be there and still not run, so each is tried.
FIND_PYTHON = for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; python=; \
	done; \
	if [ -z "$$python" ]; then echo "Python 3.11 or newer is needed, and none was found on the PATH" >&2; exit 1; fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
	echo "$$python lacks venv: install it (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; fi

# The locks are complete. Left to find dependencies itself, pip asks for newer releases than those locked as soon as
# a package names an extra of another (google-auth[requests]), and then refuses them.
INSTALL = pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes --requirement

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: .venv/run.stamp .venv/bin/tallygate ## Serve on http://127.0.0.1:3000 (settings: TALLYGATE_...)
	@$(PYTHON) deploy/console_build.py --optional
	@exec $(PYTHON) -m app serve $(ARGS)

.PHONY: console
console: .venv/made.stamp ## Build the web console, with Node from PyPI; does nothing if it is built
	@$(PYTHON) deploy/console_build.py

# Whatever tests start is compiled once, and not once a process, also where the environment would have it otherwise.
test test-faults test-console: export PYTHONDONTWRITEBYTECODE :=

.PHONY: test
test: .venv/dev.stamp ## Check formatting, lint, types and imports, and run the tests (ARGS=... for pytest)
	@$(MAKE) --no-print-directory -j 2 check-python check-console
	$(PYTHON) -m pytest -m "not faults and not llama and not console" -n 2 --dist worksteal $(ARGS)

.PHONY: check-python
check-python: .venv/dev.stamp
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports
	.venv/bin/codespell

# It runs beside the other checks, so what it prints is shown in one piece.
.PHONY: check-console
check-console: .venv/dev.stamp
	@said=$$(mktemp); status=0; \
	{ $(PYTHON) deploy/console_build.py --npm run api:check && $(PYTHON) deploy/console_build.py --npm run check; } \
	>"$$said" 2>&1 || status=$$?; cat "$$said"; rm -f "$$said"; exit $$status

.PHONY: test-faults
test-faults: .venv/dev.stamp ## Kill processes and cut wires, then prove that nothing was lost
	$(PYTHON) -m pytest -m faults $(ARGS)

.PHONY: test-llama
test-llama: .venv/dev.stamp ## Test against a real model server (compiled once; LLAMA=required: or fail)
	@if ! { command -v c++ && command -v cc; } >/dev/null; then \
	echo "test-llama was skipped: it compiles llama.cpp, and there is no C and C++ compiler" >&2; \
	[ "$(LLAMA)" != required ]; \
	else $(MAKE) --no-print-directory .venv-llama/llama.stamp && $(PYTHON) -m pytest tests/llama -m llama $(ARGS); fi

CHROMIUM_READY = command -v chromium >/dev/null && fc-list :lang=zh 2>/dev/null | grep -q .

.PHONY: test-console
test-console: .venv/dev.stamp ## Drive the web console in Chromium, and try the wheel (CONSOLE=required: or fail)
	@$(PYTHON) deploy/console_build.py
	@$(PYTHON) -m deploy.console_audit
	@if ! { $(CHROMIUM_READY); } && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo "installing Chromium and a Chinese font"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
	chromium fontconfig fonts-noto-cjk >/dev/null; fi
	@if ! { $(CHROMIUM_READY); }; then \
	echo "test-console was skipped: it needs Chromium and a Chinese font (apt install chromium fonts-noto-cjk)" >&2; \
	[ "$(CONSOLE)" != required ]; \
	else $(PYTHON) -m pytest tests/console -m console -n 2 --dist loadgroup $(ARGS); fi

.PHONY: audit
audit: .venv/dev.stamp ## Check the npm registry's signatures of the console's packages (AUDIT=required: or fail)
	$(PYTHON) -m deploy.console_audit $(if $(filter required,$(AUDIT)),--required)

.PHONY: bench
bench: .venv/dev.stamp ## Measure against the bare relay limit; at most 10 minutes
	$(PYTHON) -m tests.bench $(ARGS)
	@if [ -d bench-results/.reports ]; then $(MAKE) --no-print-directory bench-reports ARGS=; \
	else echo "make bench-reports measures the report pages; it makes five million events first" >&2; fi

.PHONY: bench-reports
bench-reports: .venv/dev.stamp ## Measure every report page at five million events, which are made once
	$(PYTHON) -m tests.bench.reports $(ARGS)

.PHONY: bench-rebuild
bench-rebuild: .venv/dev.stamp ## Measure how long the flip of a rebuild keeps folds waiting, under writes
	$(PYTHON) -m tests.bench.rebuild $(ARGS)

.PHONY: bench-console
bench-console: .venv/dev.stamp ## Measure the web console in Chromium: cold loads, the live log, long lists
	@$(PYTHON) deploy/console_build.py
	$(PYTHON) -m tests.bench.console $(ARGS)

.PHONY: format
format: .venv/dev.stamp ## Format, and fix what can be fixed
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

.PHONY: lock
lock: ## Choose the newest versions anew and write the locks
	@set -eu; $(FIND_PYTHON); \
	work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	$$python -m venv "$$work"; \
	"$$work/bin/pip" install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
	compile() { "$$work/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$$@"; }; \
	compile --output-file $(RUNTIME_LOCK) pyproject.toml; \
	compile --group console --output-file $(CONSOLE_LOCK); \
	compile --group dev --constraint $(RUNTIME_LOCK) --constraint $(CONSOLE_LOCK) \
	--output-file $(DEV_LOCK) pyproject.toml; \
	compile --output-file $(LLAMA_LOCK) deploy/requirements-llama.in

# An environment that does not run any more, say after an upgrade of the system, is made anew.
VENV_WORKS := $(shell $(PYTHON) -c 'import pip' 2>/dev/null && echo yes)

.venv/made.stamp: $(if $(VENV_WORKS),,FORCE)
	@set -eu; $(FIND_PYTHON); \
	if [ -z "$(VENV_WORKS)" ]; then echo "making .venv"; $$python -m venv --clear .venv; fi
	@touch $@

.PHONY: FORCE
FORCE:

.venv/run.stamp: .venv/made.stamp $(RUNTIME_LOCK)
	@echo "installing $(RUNTIME_LOCK)"
	@$(PYTHON) -m $(INSTALL) $(RUNTIME_LOCK)
	@touch $@

# The command, for whoever has not installed the package: works from any directory, also by a link.
.venv/bin/tallygate: .venv/made.stamp
	@printf '%s\n' '#!/bin/sh' 'root=$$(dirname "$$(readlink -f "$$0")")/../..' \
	'PYTHONPATH="$$root" exec "$$root/.venv/bin/python" -m app "$$@"' > $@
	@chmod +x $@

.venv/dev.stamp: .venv/made.stamp $(DEV_LOCK)
	@echo "installing $(DEV_LOCK)"
	@$(PYTHON) -m $(INSTALL) $(DEV_LOCK)
	@$(PYTHON) -m pip --disable-pip-version-check check
	@touch $@

# The model is tiny, so it is the compiler's time that counts: little optimization, and nothing for images.
LLAMA_CMAKE_ARGS := -DLLAVA_BUILD=OFF -DCMAKE_C_FLAGS_RELEASE=-O1 -DCMAKE_CXX_FLAGS_RELEASE=-O1

.venv-llama/llama.stamp: $(LLAMA_LOCK)
	@set -eu; $(FIND_PYTHON); \
	if ! .venv-llama/bin/python -c '' 2>/dev/null; then $$python -m venv --clear .venv-llama; fi
	@echo "compiling $(LLAMA_LOCK), which takes minutes"
	@CMAKE_ARGS="$(LLAMA_CMAKE_ARGS)" .venv-llama/bin/python -m $(INSTALL) $(LLAMA_LOCK)
	@touch $@
