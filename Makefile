# What a person runs, and what continuous integration runs: the same.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
# liboath is a peer of the benches; where its header is missing they leave it out and say so.
HAS_OATH := $(shell test -e /usr/include/liboath/oath.h && echo 1)
# The tests that draw random cases; tests/model is the one of random calls against the plain model.
RANDOM_TESTS := --test model $(patsubst tests/%.rs,--test %,$(shell grep -l 'proptest!' tests/*.rs))
BENCH_FEATURES := $(if $(HAS_OATH),--features liboath)

.PHONY: help test test-all lint doc examples prove bench

help: ## Says what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

test: ## Tests of all crates, with the examples; names what it leaves out
	$(CARGO) test --workspace --features tracing --locked --quiet
	$(CARGO) test --features tracing --locked --quiet --test scenarios -- --nocapture
	$(MAKE) --no-print-directory examples
	@command -v cargo-clippy >/dev/null || echo "left out: the lints (clippy is not on this machine)"
	@echo "left out: formatting, lints, documentation and the benches' smoke run: make test-all"

test-all: ## That, with formatting, lints, documentation and benches; a missing part fails
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory doc
	MFACORE_TEST_ALL=1 $(MAKE) --no-print-directory test
	$(CARGO) test --locked --quiet --release -p mfacore-benches --benches --features liboath

lint: ## Formatting and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --features tracing --locked -- -D warnings

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
