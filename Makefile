# `make demo` and `make test` need no set-up: what they install goes to .venv/, what they build to target/ and dist/.
# Another Python: make demo PYTHON=python3.13

PYTHON ?= python3
# How long `make fuzz` looks, also as a step of `make test`: there enough to see that it works, no search.
SECONDS ?= 5
# Cases of each property test; 10,000 before a release.
export ZIPFIT_CASES ?= 50
export PROPTEST_CASES ?= $(ZIPFIT_CASES)
# Where `make soak` writes its numbers; nowhere if empty.
RECORD ?=
BIN := .venv/bin
step = @printf '\n=== %s ===\n'

# A wheel is made again when one of these is newer than it; folders too, so that a removed file counts.
WHEEL_FILES := $(wildcard Cargo.* pyproject.toml README.md LICENSE-*) $(shell find src python -not -path '*__pycache__*' -not -name '*.so')

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
.PHONY: demo test test-frameworks fuzz soak wheel lint clean help prerequisites test-prerequisites \
	rustfmt clippy aarch64 cargo-test ruff mypy stubtest workflows pytest pytest-together pytest-alone abi3audit readme \
	shipped

demo: prerequisites .venv/installed  ## build zipfit, install it into .venv/, show what it does
	$(BIN)/zipfit demo

# The wheel of the tests comes first, because the tests in Rust are built of the same compiled libraries. Then these run
# beside those in Python, because each leaves a core idle for a part of its time, and say their words afterwards; what
# measures time or memory comes last, with the machine to itself. Not the other way round: in the background a shell has
# Ctrl-C ignored, and tests look at what that does.
test: test-prerequisites .venv/made  ## all tests (6 to 10 minutes on two cores the first time)
	@$(MAKE) .venv/tools & tools=$$!; \
	trap 'kill $$tools' INT TERM; \
	$(MAKE) target/tested/built; failed=$$?; \
	[ $$failed = 0 ] || kill $$tools 2>/dev/null; \
	wait $$tools && exit $$failed
	@log=$$(mktemp) || exit 1; \
	$(MAKE) cargo-test fuzz >"$$log" 2>&1 & rust=$$!; \
	trap 'kill $$rust' INT TERM; \
	$(MAKE) pytest-together; python_failed=$$?; \
	wait $$rust; rust_failed=$$?; trap - INT TERM; \
	cat "$$log"; rm "$$log"; \
	[ $$rust_failed = 0 ] || echo 'zipfit: a step of Rust failed, see above'; \
	[ $$python_failed = 0 ] || echo 'zipfit: a step of Python failed, see above the steps of Rust'; \
	exit $$((rust_failed + python_failed))
	@$(MAKE) pytest-alone
	@printf '\nall tests passed\n'

# Their own environment: Ray, datatrove, datasets and Spark are some 2 GB, and not to choose the versions of other tests.
test-frameworks: prerequisites .venv-frameworks/installed  ## zipfit.integrations in Ray, datatrove, datasets, Spark
	$(step) 'the integrations, and every code block of docs/frameworks.md'
	env -u PYTHONPATH PYTHONSAFEPATH=1 ZIPFIT_EXPECT_INSTALLED=1 .venv-frameworks/bin/pytest tests/frameworks

fuzz: test-prerequisites  ## look for texts on which the engine and zlib differ, for SECONDS=5
	$(step) 'fuzzing the engine against zlib, $(SECONDS) s'
	RUSTFLAGS="$$RUSTFLAGS -D warnings" bash tests/fuzz/run $(SECONDS)

soak: test-prerequisites .venv/tools .venv/installed  ## kill, interrupt, starve and damage runs for an hour; RECORD=FILE keeps the numbers
	$(step) 'soak: hundreds of disturbed runs against undisturbed ones'
	ZIPFIT_SOAK=1 ZIPFIT_SOAK_RECORD=$(RECORD) $(PYTEST) tests/python/soak --verbose

lint: test-prerequisites rustfmt clippy aarch64 ruff mypy stubtest workflows abi3audit  ## formats, warnings, types, the wheel's ABI

wheel: prerequisites dist/built  ## build the wheel into dist/
	@ls dist/*.whl

clean:  ## remove what the other commands made
	rm -rf .venv .venv-frameworks dist target

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s  %s\n", $$1, $$2 }' Makefile

# Set-up. Empty files, dist/built and .venv/made and others, say that it was done, and when. ---------------------------

prerequisites:
	@PYTHON=$(PYTHON) bash .ci/prerequisites

test-prerequisites:
	@PYTHON=$(PYTHON) bash .ci/prerequisites test

.venv/made:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'  # the first that knows --group
	@touch $@

dist/built: $(WHEEL_FILES) | .venv/made
	$(step) 'building the wheel; some minutes the first time'
	rm -rf dist
	$(BIN)/python -m pip wheel --no-deps --wheel-dir dist .
	@touch $@

# The wheel of the tests: not the one that is shipped, but one with Rust's debug assertions, and without the minutes that
# it takes to optimise the libraries. Its flags are those of `cargo-test`, so that on Linux what both need is compiled
# once.
target/tested/built: $(WHEEL_FILES) | .venv/made
	$(step) 'building the wheel of the tests, with assertions; some minutes the first time'
	rm -rf $(@D)
	RUSTFLAGS="$$RUSTFLAGS -D warnings" MATURIN_PEP517_ARGS='--profile dev' \
		$(BIN)/python -m pip wheel --no-deps --wheel-dir $(@D) .
	@touch $@

# One of the two wheels is installed, and only the file of that one is there. Twice, because pip leaves an installed
# wheel of the same version alone unless forced, and would force numpy with it.
define install
	rm -f .venv/installed .venv/tested
	$(BIN)/python -m pip install --quiet $(<D)/*.whl
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall $(<D)/*.whl
	@touch $@
endef

.venv/installed: dist/built
	$(install)

.venv/tested: target/tested/built
	$(install)

# Not compiled: most of these files are never imported.
.venv/tools: pyproject.toml | .venv/made
	$(BIN)/python -m pip install --quiet --no-compile --group test
	@touch $@

.venv/linters: pyproject.toml | .venv/made
	$(BIN)/python -m pip install --quiet --no-compile --group lint
	@touch $@

.venv-frameworks/made: pyproject.toml
	$(PYTHON) -m venv .venv-frameworks
	.venv-frameworks/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv-frameworks/bin/python -m pip install --quiet --group frameworks
	@touch $@

.venv-frameworks/installed: dist/built .venv-frameworks/made
	.venv-frameworks/bin/python -m pip install --quiet "$$(echo dist/*.whl)[datasets,datatrove,ray]"
	.venv-frameworks/bin/python -m pip install --quiet --no-deps --force-reinstall dist/*.whl
	@touch $@

# Steps of `make test` and `make lint`; each also runs alone, as in `make mypy`. ---------------------------------------

rustfmt:
	$(step) 'rustfmt'
	cargo fmt --all --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check

# Clippy, the tests and their wheel share target/debug, where libraries are compiled once for all, with the same flags.
# Clippy looks at all features, the tests are built without Python: a warning of either is an error.
CARGO := RUSTFLAGS="$$RUSTFLAGS -D warnings" cargo

clippy:
	$(step) 'clippy, all features'
	$(CARGO) clippy --locked --all-targets --features python,steps

# Without what deals with files, where nothing depends on the processor; so is the fuzzer built.
# Checked, not linked, so the objects that build scripts make of C code may be for this machine, and quick to make.
aarch64:
	$(step) 'the engine for aarch64'
	@if [ -e "$$(rustc --print target-libdir --target aarch64-unknown-linux-gnu)" ]; then \
		CC_aarch64_unknown_linux_gnu=$${CC:-cc} CFLAGS_aarch64_unknown_linux_gnu=-O0 \
			cargo check --locked --no-default-features --target aarch64-unknown-linux-gnu; \
	else \
		echo 'zipfit: NOT CHECKED: no standard library for it; rustup target add aarch64-unknown-linux-gnu'; \
	fi

cargo-test:
	$(step) 'Rust tests and doc tests, without Python'
	$(CARGO) test --locked

ruff: .venv/linters
	$(step) 'ruff'
	$(BIN)/ruff check
	$(BIN)/ruff format --check

mypy: .venv/linters .venv/tools .venv/installed
	$(step) 'mypy --strict'
	$(BIN)/mypy

stubtest: .venv/linters .venv/installed
	$(step) 'stubtest: _core.pyi against the compiled module'
	$(BIN)/stubtest zipfit._core

workflows: .venv/linters
	$(step) 'zizmor: the workflows'
	$(BIN)/zizmor --offline --quiet .github

abi3audit: .venv/linters dist/built
	$(step) 'abi3audit: the wheel needs only the stable ABI of Python 3.11'
	$(BIN)/abi3audit --strict dist/*.whl

# Safe path: no folder of the repository is importable, so that the installed wheel is what is tested.
PYTEST := env -u PYTHONPATH -u PYTHONDONTWRITEBYTECODE PYTHONSAFEPATH=1 ZIPFIT_EXPECT_INSTALLED=1 $(BIN)/pytest -rs

# Of the wheel of the tests this is true, in pytest and in the processes that tests start; of another it is an error.
DEBUG := 'ignore:this zipfit is a debug build'
PYTEST_TESTED := PYTHONWARNINGS=$(DEBUG) $(PYTEST) -W $(DEBUG)

pytest: pytest-together pytest-alone

pytest-together: .venv/tools .venv/tested
	$(step) 'pytest against the installed wheel of the tests, every code block of the README too'
	$(PYTEST_TESTED) -m 'not alone' --numprocesses auto --dist worksteal

pytest-alone: .venv/tools .venv/tested
	$(step) 'pytest: what measures time or memory'
	$(PYTEST_TESTED) -m alone

readme: .venv/tools .venv/tested
	$(step) 'every code block of the README and the other pages'
	$(PYTEST_TESTED) tests/python/test_readme.py

# What its own optimisation could break: the numbers. All tests run against it in .github/workflows/test.yml.
shipped: .venv/tools .venv/installed  ## tests of exactness against the wheel as users get it
	$(step) 'pytest against the wheel as it is shipped: the numbers are exact'
	$(PYTEST) --numprocesses auto \
		$(addprefix tests/python/test_,exactness.py gain.py cover.py choosers.py fuse.py evaluate.py doctor.py)
