# The measuring verbs. Timings need a quiet machine; each tool says so and refuses otherwise (--force to try it).
# BENCH_ARGS goes to the tool: make bench-versus BENCH_ARGS='--record'

BENCH_ARGS ?=
BENCH_VENV := .venv-bench

.PHONY: soak bench-tools bench-budget bench-versus bench-failover bench-delay bench-load peers

bench-tools:
	@$(MAKE) --no-print-directory --silent -C benchmarks/load

# where the instructions of one call and one event go, under callgrind: no quiet machine needed
bench-budget: build bench-tools
	$(BIN)/python -m benchmarks.budget $(BENCH_ARGS)

# the other gateways of the comparison, each into an environment of its own; one that cannot be had is a missing row
peers:
	-PYTHON=$(abspath $(BIN)/python) benchmarks/versus/install.sh

# the whole table, beside nginx and what `make peers` has installed; about 25 minutes of a quiet machine
bench-versus: build bench-tools
	$(BIN)/python -m benchmarks.versus $(BENCH_ARGS)

# one of three endpoints dies under 1,000 streams, in four ways
bench-failover: build bench-tools
	$(BIN)/python -m benchmarks.load.failover $(BENCH_ARGS)

# each of 10,000 events a second on its own, p99 delay at most twice nginx's
bench-delay: build bench-tools
	$(BIN)/python -m benchmarks.load.delay $(BENCH_ARGS)

# two workers under load: one killed every 10 s for two minutes, 300 reloads, a drain with 500 streams; about five minutes
soak: build bench-tools
	$(BIN)/python -m benchmarks.load.soak deaths
	$(BIN)/python -m benchmarks.load.soak reloads --every 0.2
	$(BIN)/python -m benchmarks.load.soak drain --every 3 --connections 500 --events 200

# locust users through HAProxy while /metrics is scraped
bench-load: build bench-tools $(BENCH_VENV)/.installed
	$(BIN)/python -m benchmarks.load.run --locust $(BENCH_VENV)/bin/locust $(BENCH_ARGS)

$(BENCH_VENV)/.installed: requirements/bench.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	@touch $@
