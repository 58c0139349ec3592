# `make` alone lists what can be made. The files that are built go to Cargo's target folder, ONNX Runtime and the model
# to the cache folder; neither is guessed twice: VINEDB_HOME is settled here, the target folder is asked of Cargo.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup tools model client build native demo test slim bench peers check sanitize fuzz clean

export VINEDB_HOME := $(shell realpath -m -- "$${VINEDB_HOME:-$${XDG_CACHE_HOME:-$${HOME:?is not set: set VINEDB_HOME}/.cache}/vinedb}")
export PATH := $(PATH):$(HOME)/.cargo/bin
TARGET = $$(cargo metadata --offline --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
# For the processor at hand alone: FAISS and the shim with all that it has, in a folder of their own, since Cargo does not
# build FAISS again for other flags. Rust's code stays as it is, so that the program can say what another machine lacks.
NATIVE = CXXFLAGS=-march=native CARGO_TARGET_DIR="$(TARGET)/native"
ADDR ?= 127.0.0.1:8080
BENCH ?= *

# $(call timed,What it does,command)
timed = @printf '==> %s …\n' '$(1)'; $(2); printf '==> Done in %d s\n' $$SECONDS

help:                ## this list
	@echo 'vinedb, an embedded vector database. First: make demo'
	@echo
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16
	@echo
	@echo '  ADDR=host:port (demo), BENCH=name (bench); CARGO_TARGET_DIR and VINEDB_HOME are respected.'
	@echo '  Model and runtime are kept in $(VINEDB_HOME)'

setup: tools model   ## installs what is missing: build tools, ONNX Runtime, the default model

tools:
	@pip=; if bash setup/model.sh --check; then pip=--no-pip; fi; bash setup/tools.sh $$pip $(TOOLS)

model: tools
	@bash setup/model.sh

# One call of Cargo over the whole workspace, the model's converter included: called package by package, Cargo would choose
# other features for what they share and compile it again.
build: tools         ## the release binaries `vinedb` and `sommelier`, in the target folder under release/
	$(call timed,Building the release binaries (the first time takes minutes: FAISS is compiled),\
	  cargo build --release --locked --workspace --bins --example convert)
	@ls -1 "$(TARGET)"/release/{vinedb,sommelier}

native: tools        ## the same for this machine's processor alone, under native/release/: quicker where it has AVX-512
	$(call timed,Building the release binaries for this processor (the first time takes minutes: FAISS is compiled),\
	  $(NATIVE) cargo build --release --locked -p vinedb-cli -p vinedb-examples)
	@ls -1 "$(TARGET)"/native/release/{vinedb,sommelier}

demo: build model    ## embeds the wine list, answers three questions, serves the sommelier page
	@exec "$(TARGET)/release/sommelier" demo --wines examples/sommelier/wines.jsonl --addr $(ADDR)

test: TOOLS := --test
test: export PROFILE := dev
test: client         ## every test, with the real model, a real browser and OpenAI's client
	$(call timed,Building the tests (the first time takes minutes: FAISS is compiled),\
	  cargo test --workspace --locked --no-run)
	@$(MAKE) --no-print-directory model
	@echo '==> Running the tests …'
	@cargo test --workspace --locked --no-fail-fast

# The same target folder; CXX=false, so that nothing can compile C++ unnoticed.
SLIM = --no-default-features
SLIM_PACKAGES = -p vinedb-engine -p vinedb -p vinedb-cli -p vinedb-examples -p vinedb-tests
slim: TOOLS := --test
slim: export PROFILE := dev
slim: setup client   ## everything that knows FAISS, built and tested without it: no C++ compiler, no cmake
	@if cargo tree --workspace $(SLIM) -e normal,build,dev --locked | grep -E 'faiss|cmake'; then echo 'FAISS is in the build without FAISS' >&2; exit 1; fi
	$(call timed,Checking the lints without FAISS,CXX=false cargo clippy --workspace --all-targets --locked $(SLIM) -- -D warnings)
	$(call timed,Building the tests without FAISS,CXX=false cargo test $(SLIM_PACKAGES) --locked $(SLIM) --no-run)
	@CXX=false cargo test $(SLIM_PACKAGES) --locked $(SLIM) --no-fail-fast

bench: TOOLS := --bench
bench: setup peers   ## every benchmark, or the one named by BENCH=…, built for this machine's processor
	$(call timed,Running the benchmarks,$(NATIVE) cargo bench --workspace --locked --bench '$(BENCH)')

client: tools
	@bash tests/http/setup.sh

peers:
	@bash tests/benches/setup.sh
	@case '$(BENCH)' in '*'|embedding) bash tests/benches/embedding/setup.sh;; esac

check: tools         ## format, modules, lints and documentation, warnings denied
	$(call timed,Checking the format,cargo fmt --all --check)
	$(call timed,Checking that modules form no cycle,python3 .ci/modules)
	$(call timed,Checking the lints,cargo clippy --workspace --all-targets --locked -- -D warnings)
	$(call timed,Building the documentation,RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked)

sanitize:            ## the engine's tests under AddressSanitizer; takes a nightly Rust, and minutes for a FAISS of its own
	@bash tests/sanitize/run.sh address

fuzz: model          ## index files, FAISS's files and texts, five minutes of bad input for each target; takes a nightly Rust and cargo-fuzz
	@for target in index_payload index_header foreign_file text_path; do \
	  CXXFLAGS="$${CXXFLAGS:--march=x86-64-v3} -fsanitize=address -fno-omit-frame-pointer -g1" \
	  ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=1024:detect_odr_violation=0:$${ASAN_OPTIONS:-} \
	  LSAN_OPTIONS=suppressions=$(CURDIR)/tests/sanitize/leaks.supp:$${LSAN_OPTIONS:-} \
	  cargo +nightly fuzz run $$target -- -max_total_time=300; done

clean:               ## removes the target folder; the cache folder stays
	cargo clean
	@echo 'The runtime and the model stay in $(VINEDB_HOME)'
