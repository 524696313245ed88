# `make run` and `make test` set up what they need themselves: Debian packages (as root or with sudo) and a Python
# environment in .venv. Everything else is for development.

SHELL := /bin/bash
CARGO ?= cargo
PYTHON ?= python3
VENV := .venv
CARGO_DENY := 0.20.2
# What the tests and benchmarks use beside Rust: loop-device file systems, yardsticks, the Python SDK.
PACKAGES := btrfs-progs build-essential binutils e2fsprogs libarchive-tools util-linux xfsprogs python3-venv
# More readers of TAR; Go and npm are taken as they are installed.
TAR_PACKAGES := 7zip busybox ruby perl
BENCH_PACKAGES := fio nginx-light wrk
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

SCALE_FAULTS := halved-cap one-disk cached server-cpu client-cpu serial noop dead-disk

.PHONY: run test check deny bench bench-long bench-loaders small-memory scaling scaling-quick scaling-faults slow-peers campaign campaign-buckets power-copies tar-readers packages bench-packages python clean

## build, start a cluster on embedded defaults, load it, print the table
run:
	$(CARGO) build --release --locked -p aisnode -p aisloader
	./bench/run-demo.sh

## every test
test: packages python check
	$(CARGO) test --workspace --locked --no-fail-fast
	AISNODE=$(CURDIR)/target/debug/aisnode $(VENV)/bin/python -m pytest -q tests/python

## format, lints, documentation, figures, what comes in from outside; changes nothing
check: deny
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --workspace --no-deps --document-private-items --locked
	$(PYTHON) bench/results.py --check

## licenses and sources of all dependencies
deny:
	@command -v cargo-deny >/dev/null || [ -x "$${CARGO_HOME:-$$HOME/.cargo}/bin/cargo-deny" ] || $(CARGO) install --debug --locked --quiet cargo-deny@$(CARGO_DENY)
	$(CARGO) deny --log-level error check bans licenses sources

## the comparison with fio and nginx; results in bench/results
bench: bench-packages
	$(CARGO) build --release --locked -p aisnode -p aisloader -p bench
	$(CARGO) bench --locked -p bench
	./target/release/bench scenario all

## loading, listing and restarting with a million objects; reclaim beside reads; the seconds after a start: long; results in bench/results
bench-long: bench-packages
	$(CARGO) build --release --locked -p aisnode -p aisloader -p bench
	./target/release/bench scenario list
	./target/release/bench scenario compaction
	./target/release/bench scenario start

## is the loader as fast as another build of it (OLD=path of an aisloader)? alternating runs; result in bench/results/loaders.json
bench-loaders:
	$(CARGO) build --release --locked -p aisnode -p aisloader -p bench
	./target/release/bench scenario loaders --old-loader $(OLD)

## the proof that N disks give N times the throughput; as root, 5 minutes; results in bench/results/scaling.{json,svg}
scaling: bench-packages
	$(CARGO) build --release --locked -p aisnode -p aisloader
	$(SUDO) ./target/release/aisloader scale -out bench/results/scaling

## the same in 2 minutes; writes nothing
scaling-quick: bench-packages
	$(CARGO) build --release --locked -p aisnode -p aisloader
	$(SUDO) ./target/release/aisloader scale -quick

## plants every fault in reality: the proof must fail each time
scaling-faults: bench-packages
	$(CARGO) build --release --locked -p aisnode -p aisloader
	@failed=; for fault in $(SCALE_FAULTS); do echo "== $$fault"; \
	  $(SUDO) ./target/release/aisloader scale -fault $$fault || failed="$$failed $$fault"; done; \
	if [ -n "$$failed" ]; then echo "not caught:$$failed"; exit 1; fi

## the long forms of tests: power cuts, flipped bits, connection churn, deaths at fault points, failing disks
campaign: packages
	POWER_CUTS=100 FLIPS=2000 CHURN=200000 $(CARGO) test --release --locked -p aisnode \
	  --test power_cut --test tools --test limits -- --nocapture
	FAULT_DEATHS=20 $(CARGO) test --locked -p aisnode --test fault_points -- --nocapture
	DISK_ERRORS=50 $(CARGO) test --release --locked -p aisnode --test failing_disks -- --nocapture

## a power cut at each of 182 acknowledgements, by a copy of the device, on six file systems; as root
power-copies: packages
	POWER_COPIES=182 $(CARGO) test --release --locked -p aisnode --test power_copy -- --nocapture

## 100,000 buckets with objects: start, slowest PUT, truth of the check; figures in bench/results/buckets.json
campaign-buckets:
	BUCKETS=$${BUCKETS:-100000} BUCKETS_OUT=$(CURDIR)/bench/results/buckets.json $(CARGO) test --release --locked -p aisnode \
	  --test many_buckets -- --nocapture campaign

## every TAR reader of Debian, PyPI, npm and Go that we know reads segments and an export; as root or with sudo
tar-readers: packages
	@missing=$$(for p in $(TAR_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -n "$$missing" ]; then echo "installing Debian packages:" $$missing; \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq $$missing; fi
	rm -rf $(CURDIR)/target/tar-archives
	TAR_ARCHIVES=$(CURDIR)/target/tar-archives $(CARGO) test --locked -p aisnode --test archives
	$(PYTHON) tests/tar-readers/run.py target/tar-archives

## a client beside 600 slow uploads and 100 slow readers; results in bench/results/slow-peers.json
slow-peers: packages
	SLOW_PEERS_S=60 SLOW_PEERS_OUT=$(CURDIR)/bench/results/slow-peers.json $(CARGO) test --release --locked -p aisnode \
	  --test slow_peers -- --nocapture

## the demo's work on a node with defaults in a control group of 512 MiB, half an hour (DURATION=seconds); as root;
## result in bench/results/small-memory.json
small-memory:
	$(CARGO) build --release --locked -p aisnode -p aisloader
	$(SUDO) env DURATION=$${DURATION:-1800} $(PYTHON) bench/small-memory.py

packages:
	@missing=$$(for p in $(PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -n "$$missing" ]; then echo "installing Debian packages:" $$missing; \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq $$missing; fi

bench-packages: packages
	@missing=$$(for p in $(BENCH_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -n "$$missing" ]; then echo "installing Debian packages:" $$missing; \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq $$missing; fi

python: $(VENV)/.installed
$(VENV)/.installed: tests/python/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -r $<
	touch $@

clean:
	$(CARGO) clean
	rm -rf $(VENV) straightline-data
