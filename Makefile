# Two commands matter: `make run` and `make test`. Each sets up all that it needs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The environment that tests use; `make run` does not need it.
PYTHON := .venv/bin/python
# The vendors' own SDKs, for recorded traffic. They are many, so they have an environment of their own.
KIT_PYTHON := .venv-kit/bin/python
# The recordings stand beside a development checkout; a user's clone has none.
KIT := $(or $(ISTHMUS_KIT),../shared/kit)
# One profile everywhere: the engine's native code is compiled once.
CARGO_FLAGS := --release --locked
# What is measured is built for the workspace as a whole: a package by itself has fewer features of its
# dependencies, so that many of them would be compiled once more.
BUILD_ALL := cargo build $(CARGO_FLAGS) --workspace --bins
# What tests run is what `cargo test` made beside its own programs. Tests ask for one more feature of tokio,
# a clock that can be stopped, without which everything above tokio would be compiled a second time.
BUILD_TESTED := cargo test $(CARGO_FLAGS) --workspace --no-run --quiet
ISTHMUS := target/release/isthmus
MODEL := models/smollm2-135m-instruct-q4_1.gguf
# LiteLLM's list of prices, which lies in its package.
LITELLM_PRICES := target/litellm/prices.json
EMBEDDING_MODEL := models/all-minilm-l6-v2-f16.gguf

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: tools-build $(MODEL) ## Build and start the gateway on 127.0.0.1:8080, with the embedded model
	@cargo build $(CARGO_FLAGS) --package isthmus-gateway
	@exec $(ISTHMUS) serve $(ARGS)

.PHONY: build
build: tools-build ## Build the program: target/release/isthmus
	cargo build $(CARGO_FLAGS) --package isthmus-gateway

.PHONY: model
model: $(MODEL) ## Obtain the embedded model into models/

$(MODEL):
	@scripts/tools.sh python
	@python3 scripts/obtain_model.py $@

.PHONY: test
test: tools-test lint test-rust test-policies test-prices test-axon test-sdk test-pages test-focus test-crash test-kit test-charts ## Set up what is needed and run every test

.PHONY: lint
lint: tools-build ## Format, lints, and the rules of the house
	cargo fmt --all --check
	@# As it ships: tests ask for more features of dependencies.
	cargo check $(CARGO_FLAGS) --workspace --bins
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets --features isthmus-fuzz/libfuzzer -- --deny warnings

.PHONY: test-rust
test-rust: tools-build tools-servers $(MODEL) $(EMBEDDING_MODEL) ## Unit, property and integration tests
	cargo test $(CARGO_FLAGS) --workspace

.PHONY: test-policies
test-policies: tools-policies ## The starter policies: tested, proved, and compared with themselves
	$(BUILD_TESTED)
	$(ISTHMUS) policy test policies/starter --junit target/policies.xml
	$(ISTHMUS) policy prove policies/starter
	$(ISTHMUS) policy diff policies/starter policies/starter --refuse-loosening
	cargo test $(CARGO_FLAGS) --workspace --test policy -- --include-ignored

.PHONY: test-prices
test-prices: tools-build $(LITELLM_PRICES) ## The catalogue of prices against the whole list that it was read in
	LITELLM_PRICES=$(CURDIR)/$(LITELLM_PRICES) \
		cargo test $(CARGO_FLAGS) --workspace --test catalogue -- --ignored

$(LITELLM_PRICES): .venv/ready
	$(PYTHON) scripts/litellm_prices.py $@

.PHONY: test-axon
test-axon: tools-build .venv-axon/ready ## Our Bittensor dendrite against the original axon
	AXON_PYTHON=$(CURDIR)/.venv-axon/bin/python \
		cargo test $(CARGO_FLAGS) --workspace --test axon -- --ignored

.PHONY: test-sdk
test-sdk: tools-servers .venv/ready $(MODEL) ## The official OpenAI SDK against the running program
	$(BUILD_TESTED)
	$(PYTHON) -m pytest --quiet gateway/tests/sdk

.PHONY: test-pages
test-pages: tools-browser .venv/ready ## The report's page in a browser: alone, whole, within its width, on paper
	$(BUILD_TESTED)
	$(PYTHON) -m pytest --quiet gateway/tests/books/test_page.py

# A machine that cannot have the validator still has our own checker, which every export runs.
.PHONY: test-focus
test-focus: tools-build .venv-focus/ready ## Exports under the FinOps Foundation's validator of FOCUS, where it installs
	$(BUILD_TESTED)
	@if [[ -f .venv-focus/ready ]]; then \
		.venv-focus/bin/python -m pytest --quiet gateway/tests/books/test_focus.py; \
	else \
		echo "test-focus skipped: focus-validator cannot be installed here (requirements-focus.txt)"; \
	fi

.PHONY: test-crash
test-crash: tools-build tools-servers ## Kill the gateway under load a few times; its ledger must be whole
	@scripts/tools.sh python
	$(BUILD_TESTED)
	python3 gateway/tests/crash/run.py --kills 5
	python3 gateway/tests/crash/run.py --kills 5 --durability before_dispatch
	python3 gateway/tests/crash/run.py --kills 5 --postgres --redis

.PHONY: crash
crash: tools-build tools-servers ## The same for long: 50 kills in each way of keeping the journal
	@scripts/tools.sh python
	$(BUILD_TESTED)
	python3 gateway/tests/crash/run.py --kills 50
	python3 gateway/tests/crash/run.py --kills 50 --durability before_dispatch
	python3 gateway/tests/crash/run.py --kills 50 --postgres --redis

.PHONY: test-kit
ifneq ($(wildcard $(KIT)/recordings),)
test-kit: .venv-kit/ready ## Recorded vendor traffic through the running program, by the vendors' SDKs
	$(BUILD_TESTED)
	$(KIT_PYTHON) gateway/tests/kit/run.py
	$(KIT_PYTHON) -m pytest --quiet gateway/tests/kit
else
test-kit:
	@echo "test-kit skipped: no replay kit at $(KIT) (ISTHMUS_KIT says where it is)"
endif

.PHONY: test-charts
test-charts: .venv/ready ## The Helm chart by Helm's own engine, and the container recipe
	PYTHON=$(PYTHON) charts/test.sh

# The compiler's coverage needs no nightly toolchain, only leave to use what is not settled yet.
FUZZ := cd fuzz && PATH="$(CURDIR)/target/tools/bin:$$PATH" CARGO_TARGET_DIR=../target/fuzz RUSTC_BOOTSTRAP=1 cargo fuzz

.PHONY: fuzz-build
fuzz-build: tools-build target/tools/bin/cargo-fuzz ## Build the fuzz target: any bytes through any decoder
	$(FUZZ) build --dev --sanitizer none --features libfuzzer decoders

.PHONY: fuzz
fuzz: target/tools/bin/cargo-fuzz ## Fuzz for SECONDS (600), from the goldens and, where they are, the recordings
	@scripts/tools.sh python
	ISTHMUS_KIT=$(abspath $(KIT)) python3 fuzz/seed.py
	$(FUZZ) run --sanitizer none --features libfuzzer decoders -- -max_total_time=$(or $(SECONDS),600) -timeout=10 \
		-rss_limit_mb=1024 -max_len=65536 -print_final_stats=1

target/tools/bin/cargo-fuzz:
	cargo install cargo-fuzz --version 0.13.2 --locked --root target/tools

.PHONY: load
load: tools-load $(MODEL) ## Measure: direct, a bare relay, nginx and Isthmus side by side
	$(BUILD_ALL)
	target/release/isthmus-load compare all

.PHONY: lab
lab: tools-build ## Try routing policies on traces of real traffic: tables and plots
	$(BUILD_ALL)
	mkdir -p loadtests/lab/figures
	target/release/isthmus-load lab all --figures loadtests/lab/figures $(ARGS)

$(EMBEDDING_MODEL): .venv/ready
	PYTHON=$(PYTHON) scripts/embedding_model.sh

.venv/ready: requirements-test.txt charts/requirements.txt
	@scripts/tools.sh python
	python3 -m venv .venv
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --requirement requirements-test.txt
	@# One wheel asks for a newer Python than Debian's without needing it.
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --ignore-requires-python \
		--requirement charts/requirements.txt
	@touch $@

# Apart from the others: it pins much that they need newer.
.venv-axon/ready: adapters/tests/axon/requirements.txt
	@scripts/tools.sh python
	python3 -m venv .venv-axon
	.venv-axon/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.venv-focus/ready: requirements-focus.txt scripts/focus_validator.py
	@scripts/tools.sh python
	python3 -m venv .venv-focus
	@if .venv-focus/bin/python -m pip install --quiet --disable-pip-version-check --ignore-requires-python \
		--requirement $<; then \
		.venv-focus/bin/python scripts/focus_validator.py && touch $@; \
	fi

.venv-kit/ready: requirements-kit.txt
	@scripts/tools.sh python
	python3 -m venv .venv-kit
	$(KIT_PYTHON) -m pip install --quiet --disable-pip-version-check --requirement requirements-kit.txt
	@touch $@

.PHONY: tools-build tools-test tools-load tools-policies tools-servers tools-browser
tools-build:
	@scripts/tools.sh build
tools-test:
	@scripts/tools.sh build python
tools-policies:
	@scripts/tools.sh build policies
tools-load:
	@scripts/tools.sh build load
tools-servers:
	@scripts/tools.sh redis postgres
tools-browser:
	@scripts/tools.sh browser
