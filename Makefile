# What a person runs, and what continuous integration runs: the same.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
# liboath is a peer of the benches; where its header is missing they leave it out and say so.
HAS_OATH := $(shell test -e /usr/include/liboath/oath.h && echo 1)
# The tests that draw random cases; tests/model is the one of random calls against the plain model.
RANDOM_TESTS := --test model $(patsubst tests/%.rs,--test %,$(shell grep -l 'proptest!' tests/*.rs))
FUZZ_TARGETS ?= $(sort $(notdir $(basename $(wildcard fuzz/fuzz_targets/*.rs))))
# Seconds for each target.
TIME ?= 60
# The engine forbids unsafe code, so that speed finds more; `address` looks into the dependencies' unsafe code.
SANITIZER ?= none
BOUNDARY_TESTS := --test boundary --test boundary_order --test boundary_callbacks
TARGET := $(or $(CARGO_TARGET_DIR),target)
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
HOST_VARIABLE = $(shell echo $(HOST) | tr a-z- A-Z_)
BENCH_FEATURES := $(if $(HAS_OATH),--features liboath)

.PHONY: help install uninstall test test-all python clients load sanitize lint doc examples prove bench fuzz

help: ## Says what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: ## Puts the C library with its headers below PREFIX=/usr/local
	$(MAKE) --no-print-directory -C bindings/c install

uninstall: ## Takes that away
	$(MAKE) --no-print-directory -C bindings/c uninstall

test: ## Tests of all crates and bindings, with the examples; names what it leaves out
	$(CARGO) test --workspace --features tracing --locked --quiet
	$(CARGO) test --workspace --features tracing --locked --quiet --test scenarios -- --nocapture
	$(MAKE) --no-print-directory examples
	$(MAKE) --no-print-directory python
	@command -v cargo-clippy >/dev/null || echo "left out: the lints (clippy is not on this machine)"
	@echo "left out: formatting, lints, documentation, the C tests under sanitizers and valgrind, the installed libraries,"
	@echo "          Auth0's clients, schemathesis and slow clients against the server, and the benches' smoke"
	@echo "          run: make test-all"

test-all: ## That, with formatting, lints, documentation, sanitizers, clients of the server and benches; a missing part fails
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory doc
	MFACORE_TEST_ALL=1 $(MAKE) --no-print-directory test
	$(MAKE) --no-print-directory sanitize
	$(MAKE) --no-print-directory clients
	$(CARGO) test --locked --quiet --release -p mfacore-benches --benches --features liboath

python: ## The wheel, installed into an empty environment, and its tests
	bindings/python/test

# The server as the tests of the whole workspace have built it, so that nothing is built twice.
clients: ## Auth0's own clients, and schemathesis, against the server: a table of client, call and result
	$(CARGO) test --workspace --features tracing --locked --quiet --no-run
	python3 server/clients/harness/run.py --server $(TARGET)/debug/mfacore-server --target $(TARGET)
	python3 server/clients/schemathesis/run.py --server $(TARGET)/debug/mfacore-server --target $(TARGET)

load: ## Logins a second at the server, and what a burst of wrong codes for one user does to the others
	$(CARGO) build --locked --release -p mfacore-server -p mfacore-server-load
	$(TARGET)/release/mfacore-server-load --server $(TARGET)/release/mfacore-server

# The C programs run under gcc's sanitizers in the tests themselves; here are the tests that call the C functions from Rust.
sanitize: ## The tests of the C boundary under AddressSanitizer, all of Rust with it, and under valgrind
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address $(CARGO) test --locked --quiet --target $(HOST) \
	  --target-dir $(TARGET)/sanitize -p mfacore-c $(BOUNDARY_TESTS)
	CARGO_TARGET_$(HOST_VARIABLE)_RUNNER="valgrind --quiet --leak-check=full --error-exitcode=99 \
	  --errors-for-leak-kinds=definite,indirect --show-leak-kinds=definite,indirect" \
	  $(CARGO) test --workspace --features tracing --locked --quiet $(BOUNDARY_TESTS)

lint: ## Formatting and lints
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets --features tracing --locked -- -D warnings
	$(CARGO) clippy --manifest-path fuzz/Cargo.toml --no-default-features --locked -- -D warnings

doc: ## Documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

examples: ## The examples, each of which fails where it differs from what it says
	$(CARGO) run --locked --quiet --example tour | tail -n 1
	$(CARGO) run --locked --quiet --example async_logins

prove: ## The long forms: every turn of two clients in every history of faults, more random cases, a million random calls
	MFACORE_PROVE=1 PROPTEST_CASES=200000 $(CARGO) test --release --locked -p mfacore --lib $(RANDOM_TESTS)

bench: ## What a check and a verification cost, beside liboath and totp-rs in the same run
	@test -n "$(HAS_OATH)" || echo "left out: liboath (install liboath-dev to have it in the table)"
	$(CARGO) bench --locked -p mfacore-benches $(BENCH_FEATURES)

fuzz: ## Each fuzz target for TIME=60 seconds; what is new lands in fuzz/found, what fails in fuzz/artifacts
	@command -v cargo-fuzz >/dev/null \
	  || { echo "make fuzz needs cargo-fuzz: cargo install cargo-fuzz --locked" >&2; exit 1; }
	@command -v c++ >/dev/null || { echo "make fuzz needs a C++ compiler for libFuzzer: install g++" >&2; exit 1; }
	for target in $(FUZZ_TARGETS); do \
	  mkdir -p fuzz/found/$$target; \
	  RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --release --sanitizer $(SANITIZER) $$target \
	    fuzz/found/$$target fuzz/corpus/$$target -- -max_total_time=$(TIME) -timeout=30; \
	done
