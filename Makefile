# The commands that people and CI run. `make run` and `make test` do everything on a fresh machine; the rest are steps of them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO := cargo
# Guests have their own compiler and target folder, and nothing of the host's build may leak into theirs.
GUEST_ENV = env -u RUSTFLAGS -u CARGO_BUILD_RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u RUSTUP_TOOLCHAIN -u MAKEFLAGS
GUEST_BUILD = RUSTC="$$(tools/wasm-toolchain.sh)"; \
	$(GUEST_ENV) RUSTC="$$RUSTC" CARGO_TARGET_DIR="$(CURDIR)/target/guests" $(CARGO) build --quiet --release --target wasm32-wasip2
GUEST_OUT := target/guests/wasm32-wasip2/release

.PHONY: help
help:  ## Print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: run
run: host plugins  ## Build everything and serve the bundled plugins over a sample database
	target/release/cofferdam serve --config examples/cofferdam.toml

.PHONY: host
host:  ## Build the host
	$(CARGO) build --release --workspace

.PHONY: plugins
plugins:  ## Build the bundled plugins into plugins/<name>/<name>.wasm
	$(GUEST_BUILD) --manifest-path plugins/Cargo.toml
	cp $(GUEST_OUT)/database.wasm plugins/database/database.wasm
	cp $(GUEST_OUT)/web.wasm plugins/web/web.wasm
	cp $(GUEST_OUT)/notes.wasm plugins/notes/notes.wasm
	cp $(GUEST_OUT)/logs.wasm plugins/logs/logs.wasm
	cp $(GUEST_OUT)/rooms.wasm plugins/rooms/rooms.wasm

.PHONY: guests
guests: host  ## Build the guests that the tests and benchmarks run
	$(GUEST_BUILD) --manifest-path tests/guests/Cargo.toml
	tests/guests/plain/build.sh $(GUEST_OUT)
	target/release/wat echo-bare $(GUEST_OUT)/echo-bare.wasm

.PHONY: test
test: lint host plugins guests sdk-test clients conformance openapi examples  ## Everything that CI runs
	$(CARGO) test --release --workspace
	tests/clients/run.sh

.PHONY: lint
lint:  ## Formatting, clippy, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --workspace --no-deps --quiet --lib

.PHONY: sdk-test
sdk-test:  ## The guest SDK's own tests, and those of the guests, on this machine's target
	cd sdk-guest/rust && CARGO_TARGET_DIR="$(CURDIR)/target/sdk" $(CARGO) test --quiet --workspace
	cd tests/guests && CARGO_TARGET_DIR="$(CURDIR)/target/sdk" $(CARGO) test --quiet --workspace
	cd plugins && CARGO_TARGET_DIR="$(CURDIR)/target/sdk" $(CARGO) test --quiet --workspace

.PHONY: clients
clients:  ## Install the official clients that the tests run
	tests/clients/install.sh

.PHONY: examples
examples: host plugins clients  ## Install the examples in TypeScript and run their tests
	tests/examples/run.sh

.PHONY: conformance
conformance: host guests  ## Install and run the official conformance suite
	tests/conformance/install.sh
	tests/conformance/run.sh

.PHONY: openapi
openapi: host plugins guests  ## Install schemathesis and check the host against its /openapi.json
	tests/openapi/install.sh
	tests/openapi/run.sh

.PHONY: bench
bench: host plugins guests  ## Print the benchmark as ratios from one run
	$(CARGO) bench --bench runtime
	$(CARGO) bench --bench capabilities
	$(CARGO) bench --bench fanout
	$(CARGO) bench --bench mcp -- --guest-bare $(CURDIR)/$(GUEST_OUT)/echo-bare.wasm --guest-sdk $(CURDIR)/$(GUEST_OUT)/echo.wasm

.PHONY: deny
deny:  ## Licences, sources and advisories of the dependencies (needs cargo-deny)
	$(CARGO) deny check
