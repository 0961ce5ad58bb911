# The one entry for chores. Everything works from a clean clone with cargo, python3 and make.

.PHONY: run ci fmt test test-setup test-begin test-rust test-end binary scenarios all-scenarios backend-scenarios consistency-short \
        consistency replicas simulation planted lint deny outdated coverage rustdoc conformance backends bench instructions fuzz miri \
        static deploy-check \
        test-all

run:
	cargo run --release -- serve

# README's test command: what tests need is installed, then unit, contract, model and wire tests, then real clients against the real
# server, then many at once. It ends with the ten slowest groups.
test: test-setup test-begin test-rust scenarios backend-scenarios consistency-short instructions test-end

# What continuous integration runs. Clippy compiles what rustc would, so that lint and tests share one build.
ci: export RUSTC_WORKSPACE_WRAPPER = clippy-driver
ci: export CLIPPY_ARGS = -D__CLIPPY_HACKERY__warnings
ci: export CARGO_INCREMENTAL = 0
ci: fmt deny test

fmt:
	cargo fmt --check

# Clients, emulators and file servers, pinned, below target/. Tests install nothing.
test-setup:
	tests/setup

test-begin:
	@tests/timed --begin

test-rust:
	tests/timed rust cargo test --locked --workspace

test-end:
	@tests/timed --slowest

# The binary that tests use: `cargo build` would compile its dependencies anew, with other features.
binary:
	cargo test --locked --workspace --no-run --test architecture

scenarios: binary
	tests/timed scenarios conformance/run scenarios --binary target/debug/causeway

# Also the clients that take minutes to install: mc, the SDKs for Go and Java.
all-scenarios: binary
	conformance/run scenarios --all --binary target/debug/causeway

# The same clients with object stores behind the server.
backend-scenarios: binary
	tests/timed backends conformance/run backends --only s3_causeway azblob gcs_fake sftp gdrive_fake replicated --no-contract \
		--binary target/debug/causeway

# Whether concurrent clients see one order of all changes: some stacks for some seconds, and the checker itself. The tests of the
# harness include the comparison of conformance/parameters.toml with the model of the SDK.
consistency-short: binary
	python3 -B -m unittest discover -s conformance/tests
	tests/timed consistency conformance/run consistency --seconds 8 --binary target/debug/causeway
	tests/timed faults conformance/run consistency --only local --faults --seconds 8 --binary target/debug/causeway

# The same on every stack that this machine can run, a minute each, and again with faults: an hour.
consistency:
	cargo build --release --locked
	conformance/run consistency --long --binary target/release/causeway

# Replicated buckets with members of other makers, each kind of fault, under each policy: an hour.
replicas:
	cargo build --release --locked
	conformance/run replicas --binary target/release/causeway

# The replicated layer under a scheduler that a seed decides, over more seeds than `make test` has time for.
simulation:
	CAUSEWAY_SIMULATIONS=5000 cargo test --locked --workspace --test replicate simulation

# Whether the simulation finds bugs: ten are planted, one at a time, and the score is printed.
planted:
	tests/replicate/planted/run

lint: fmt deny
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Licences, sources, duplicates and published advisories of the dependencies. The advisories need a network that reaches github.com.
deny:
	@if command -v cargo-deny > /dev/null; then cargo deny --all-features check; \
		else echo 'skipped: cargo deny (cargo install cargo-deny)'; fi

# Dependencies that have newer releases than Cargo.lock holds: none is what we want. Those of dependencies that wait are listed too.
outdated:
	cargo update --workspace --dry-run --verbose 2>&1 | grep --extended-regexp 'available|Unchanged' || echo 'all are at their newest releases'

# Which lines the tests of Rust run: at least 80 of 100. Needs cargo-llvm-cov and the component llvm-tools.
coverage:
	cargo llvm-cov --locked --workspace --fail-under-lines 80 --html --output-dir target/coverage
	cargo llvm-cov report --summary-only

rustdoc:
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --document-private-items

# ceph/s3-tests: make conformance CHECKOUT=path/to/s3-tests
conformance:
	cargo build --release --locked
	conformance/run s3tests --checkout $(CHECKOUT) --binary target/release/causeway
	conformance/run s3tests --checkout $(CHECKOUT) --set iam --binary target/release/causeway

# The same over every object store there is to run: make backends CHECKOUT=path/to/s3-tests
backends:
	cargo build --release --locked
	conformance/run backends --checkout $(CHECKOUT) --binary target/release/causeway

bench:
	cargo build --release --locked
	benches/run --binary target/release/causeway

# Whether a request costs more instructions than it did: callgrind counts, so that a busy machine changes nothing.
instructions: binary
	tests/timed instructions conformance/run instructions --binary target/debug/causeway

fuzz:
	cd fuzz && for target in $$(cargo +nightly fuzz list); do cargo +nightly fuzz run $$target -- -max_total_time=60 || exit 1; done

# The crate with unsafe code under an interpreter that finds undefined behaviour. Miri knows AVX-512, whether this CPU has it or not.
miri:
	RUSTFLAGS="-C target-feature=+avx2,+avx512f" MIRIFLAGS=-Zmiri-disable-isolation CARGO_TARGET_DIR=target/miri \
		cargo +nightly miri test --manifest-path crates/digest/Cargo.toml --tests

# One static binary: what the container image holds.
static:
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target x86_64-unknown-linux-gnu

deploy-check: static
	deploy/check --binary target/x86_64-unknown-linux-gnu/release/causeway

# Every chore that `make test` leaves out, the quick ones first: many hours. It needs a nightly compiler with cargo-fuzz and Miri, root
# for deploy-check, and CHECKOUT=path/to/s3-tests.
test-all:
	@test -d "$(CHECKOUT)" || { echo 'make test-all needs CHECKOUT=path/to/s3-tests, for conformance and backends' >&2; exit 2; }
	$(MAKE) lint
	$(MAKE) rustdoc
	$(MAKE) outdated
	$(MAKE) static
	$(MAKE) deploy-check
	$(MAKE) all-scenarios
	$(MAKE) coverage
	$(MAKE) simulation
	$(MAKE) conformance
	$(MAKE) fuzz
	$(MAKE) miri
	$(MAKE) bench
	$(MAKE) planted
	$(MAKE) backends
	$(MAKE) replicas
	$(MAKE) consistency
