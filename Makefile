# kontain-faas: `make demo` shows it from nothing to answered calls, `make test` checks everything.
#
#   make build   both binaries, static, in target/x86_64-unknown-linux-musl/release/
#   make demo    builds, publishes four sample functions, calls them, prints what a call costs
#   make test    formatting, lints, dependencies, build, unit tests, black-box tests, documentation, generated files, fuzzing
#   make test-all   that, `make test-cluster`, 200 calls of each client library that functions reach servers with, and the
#                   template in Go from source to an answered call
#   make image   the container image, as an OCI layout in target/image, without a Docker daemon
#   make test-cluster   a real one-node cluster: image, chart, ingress, rollouts, failures (root; builds Kubernetes first)
#   make runtimes-table  measures the README's table of runtimes
#   make bench   measures what the README quotes: JSON and plots in target/bench/
#
# Everything is built with one profile for one target, so that dependencies compile once.

TARGET  := x86_64-unknown-linux-musl
OUT     := target/$(TARGET)/release
PROFILE := --release --locked --target $(TARGET)
KM      := $(OUT)/km
FAAS    := $(OUT)/kontain-faas
# Seconds that each fuzz target runs in `make test`.
FUZZ_SECONDS ?= 5

.PHONY: build demo functions image runtimes runtimes-table test test-all test-cluster bench setup setup-test fmt lint deny unit blackbox docs generated fuzz clean

build: setup
	cargo build $(PROFILE) -p kontain-faas -p km

demo: build functions
	$(FAAS) demo

test: setup-test fmt lint deny build functions runtimes unit blackbox docs generated fuzz
	@echo "everything checked"

test-all: test
	EGRESS_CALLS=200 cargo test $(PROFILE) --test egress -- every_client
	UP_ALL=1 cargo test $(PROFILE) --test build -- up_goes
	$(MAKE) test-cluster

image: build
	tests/image.sh $(OUT) target/image

test-cluster: image target/demo/c-static
	@tests/setup.sh cluster
	tests/cluster/test.sh $(OUT)

bench: build functions
	$(FAAS) bench --output target/bench

# What is missing on this machine is installed through its package clients.
setup:
	@tests/setup.sh build
setup-test:
	@tests/setup.sh test
	@tests/cluster/programs.sh helm definitions

# The sample functions of demo/.
functions: target/demo/c-static target/demo/c-glibc target/demo/rust-hyper target/demo/server.py

target/demo/c-static: demo/server.c
	@mkdir -p target/demo
	musl-gcc -O2 -static -Wall -Wextra -DNAME='"static C"' -o $@ $<
target/demo/c-glibc: demo/server.c
	@mkdir -p target/demo
	cc -O2 -Wall -Wextra -DNAME='"C with glibc"' -o $@ $<
target/demo/rust-hyper: demo/rust-hyper/src/main.rs demo/rust-hyper/Cargo.toml demo/rust-hyper/Cargo.lock
	cargo build --release --locked --manifest-path demo/rust-hyper/Cargo.toml --target-dir target/demo/rust
	cp target/demo/rust/release/rust-hyper $@
target/demo/server.py: demo/python/server.py
	@mkdir -p target/demo
	cp $< $@

# Images of real runtimes from Debian, PyPI, npm, Go modules, Maven and crates; two at once, as most of it is waiting.
runtimes: setup-test
	ls tests/runtimes/*/recipe.sh | xargs -n1 dirname | xargs -n1 basename | xargs -P2 -n1 tests/runtimes/build.sh
	cd tests && ls egress/clients/*/recipe.sh build/bases/*/recipe.sh | xargs -n1 dirname | xargs -P2 -n1 runtimes/build.sh

# Measures the README's table of runtimes, one after another, and writes it there.
runtimes-table: build runtimes
	RUNTIMES_CALLS=1000 cargo test $(PROFILE) --test runtimes -- --test-threads 1
	/usr/bin/python3 tests/runtimes/table.py README.md

fmt:
	cargo fmt --all --check
lint:
	cargo clippy $(PROFILE) --all-targets -- -D warnings
# What dependencies may be: deny.toml.
deny:
	tests/deny.sh
# Library and binary tests; tests/*.rs and the documentation's examples come in `blackbox` and `docs`.
unit:
	cargo test $(PROFILE) --lib --bins
blackbox:
	cargo test $(PROFILE) --test '*' --no-fail-fast
docs:
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc $(PROFILE) --no-deps --document-private-items
generated: build
	tests/generated.sh $(OUT)
fuzz:
	tests/fuzz.sh $(FUZZ_SECONDS)

clean:
	cargo clean
