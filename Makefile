# Bare `make` lists what one can do.
.DEFAULT_GOAL := help
.PHONY: $(shell grep -oE '^[a-z-]+:.*\#\#' Makefile | cut -d: -f1)
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
SCENARIO ?=
SAMPLE := recordings/paris.csv.gz
PROTOS := $(sort $(shell find proto -name '*.proto'))
SERVICES := $(filter %_service.proto,$(PROTOS))
CODE := checks mesh botspec svc_sim svc_radar svc_tracker svc_registrar adapters evaluation cli sdk tests bench

help: ## List what one can do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make the virtual environment with everything in it

$(STAMP): requirements/dev.lock pyproject.toml sdk/pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). QIKI needs Python 3.11, 3.12 or 3.13: say which to use: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "QIKI needs Python 3.11, 3.12 or 3.13; $(PYTHON) is %d.%d. Say which to use: make PYTHON=python3.11 ..." % v)'
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "Python cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e sdk -e .
	@touch $@

demo: setup ## Run five minutes of recorded traffic through the whole chain and draw it (SCENARIO=file to choose)
	@$(if $(SCENARIO),:,$(BIN)/qiki recording sample $(SAMPLE))
	@$(BIN)/qiki demo $(if $(SCENARIO),--scenario $(SCENARIO),--scenario $(SAMPLE) --duration 300 --speed 20)

up: setup ## Run the mesh until Ctrl-C
	@$(BIN)/qiki up

test: setup ## Run all tests: unit, service, conformance, integration
	@$(BIN)/pytest tests

check: setup ## Formatting, lint, types, import rules, words, proto lint, rules and dashboards, generated files up to date
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m checks.cancellation $(CODE)
	$(BIN)/python -m checks.words
	$(BIN)/python -m checks.rooms
	$(BIN)/python -m checks.mutation --check
	$(BIN)/python -m checks.metrics_table --check
	$(BIN)/python -m checks.generated_files --check
	$(BIN)/python -m checks.codes --check
	$(BIN)/python -m checks.observability
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code proto
	$(BIN)/buf breaking --against proto/baseline.binpb
	@$(MAKE) --no-print-directory proto OUT=build/gen
	diff -r -x __pycache__ build/gen/qiki gen/qiki

botspec: setup ## Generate the runtime configurations and pictures of the example bots, and the JSON Schema of a BotSpec
	@$(BIN)/python -m checks.generated_files

metrics-table: setup ## Write the table of metrics in docs/metrics.md from the code
	@$(BIN)/python -m checks.metrics_table

codes: setup ## Write the enum of audit codes in the proto and their table in docs/codes.md from the code
	@$(BIN)/python -m checks.codes
	@$(MAKE) --no-print-directory proto

GO ?= go
NATS ?= nats
check-events: setup ## Run the Go and shell examples of docs/events.md and find their events in the audit trail (GO=path, NATS=path)
	@PYTHONPATH=tests $(BIN)/python tests/e2e/events.py "$(GO)" "$(NATS)"

PROMTOOL ?= promtool
check-metrics: setup ## Scrape a live mesh and have promtool check every metric (PROMTOOL=path)
	@command -v "$(PROMTOOL)" >/dev/null || { echo "There is no $(PROMTOOL): install it, on Debian with apt-get install prometheus, or say where it is: make check-metrics PROMTOOL=path"; exit 1; }
	@PYTHONPATH=tests $(BIN)/python tests/e2e/check_metrics.py "$(PROMTOOL)"

check-rules: ## Have promtool check and test the alert rules and the Prometheus configuration (PROMTOOL=path)
	@command -v "$(PROMTOOL)" >/dev/null || { echo "There is no $(PROMTOOL): install it, on Debian with apt-get install prometheus, or say where it is: make check-rules PROMTOOL=path"; exit 1; }
	@"$(PROMTOOL)" check config deploy/prometheus/prometheus.yaml
	@"$(PROMTOOL)" test rules deploy/prometheus/rules_test.yaml

PROMETHEUS ?= prometheus
alerts: setup ## Stop every process of a live mesh and see a real Prometheus raise and clear the alerts (PROMETHEUS=path)
	@command -v "$(PROMETHEUS)" >/dev/null || { echo "There is no $(PROMETHEUS): install it, on Debian with apt-get install prometheus, or say where it is: make alerts PROMETHEUS=path"; exit 1; }
	@PYTHONPATH=tests $(BIN)/python tests/e2e/alerts.py "$(PROMETHEUS)"

format: setup ## Format the code and the protos
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix --quiet $(CODE)
	$(BIN)/buf format -w proto

OUT ?= gen
proto: setup ## Generate gen/ from proto/
	@rm -rf $(OUT)/qiki && mkdir -p $(OUT)/qiki
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto --python_out=$(OUT) --mypy_out=quiet:$(OUT) $(PROTOS)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto --grpc_python_out=$(OUT) --mypy_grpc_out=quiet:$(OUT) $(SERVICES)
	@touch $(OUT)/qiki/py.typed

baseline: setup ## Take today's API as what must not break (after additions alone)
	$(BIN)/buf breaking --against proto/baseline.binpb
	$(BIN)/buf build -o proto/baseline.binpb

lock: ## Resolve the dependencies again (needs uv)
	cd requirements && for name in dev mesh browser; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --custom-compile-command "make lock" $$name.in -o $$name.lock || exit 1; done

SEED ?= 1
FAULTS ?= 200
AIMED ?=
STRENGTH ?= 2
MINUTES ?= 60
chaos: setup ## Kill, stop and cut everything, and compare with an undisturbed run (SEED=, FAULTS=; AIMED=1: docs/chaos.md)
	@PYTHONPATH=tests $(BIN)/python -m $(if $(AIMED),chaos.aimed --strength $(STRENGTH) --minutes $(MINUTES),chaos --seed $(SEED) --faults $(FAULTS))

REFERENCES ?=
references: setup ## Fly the own ship's manoeuvres in Basilisk and MuJoCo too, and compare (REFERENCES=mujoco for one)
	@.ci/references.sh $(REFERENCES)

COUNT ?= 28
kill-up: setup ## End `qiki up` in every phase and every way and look for what is left (COUNT=, SEED=)
	@PYTHONPATH=tests $(BIN)/python -m chaos.kill_up --count $(COUNT) --seed $(SEED)

ONLY ?=
TAMPERINGS ?= 10000
tamper: setup ## Tamper with a log in 10,000 random ways and see that verification misses none (TAMPERINGS=, SEED=)
	@PYTHONPATH=tests $(BIN)/python -m tampering --count $(TAMPERINGS) --seed $(SEED)

mutate: setup ## Break every promise of the code on purpose and see its tests fail (ONLY=name or file, * matches any)
	@$(BIN)/python -m checks.mutation --only "$(ONLY)"

bench-bridge: setup ## Measure the bridge against a bare loop
	@PYTHONPATH=tests $(BIN)/python -m bench.bridge

BENCH ?=
bench-registrar: setup ## Measure the registrar against a bare write loop and SQLite (BENCH="--quick", "--directory DIR", ...)
	@PYTHONPATH=tests $(BIN)/python -m bench.registrar $(BENCH)

bench-tracker: setup ## Measure the tracker against Stone Soup and perfect association (BENCH="--quick", "--plot DIR", ...)
	@test -e $(SAMPLE) || $(BIN)/qiki recording sample $(SAMPLE)
	@$(BIN)/python -m bench.tracker $(BENCH)

bench-telemetry: setup ## Measure what tracing costs: processor time an event, and latency
	@PYTHONPATH=tests $(BIN)/python -m bench.telemetry $(BENCH)

bench-loops: setup ## Measure how long the services' event loops are blocked while the mesh plays the demo
	@test -e $(SAMPLE) || $(BIN)/qiki recording sample $(SAMPLE)
	@PYTHONPATH=tests $(BIN)/python -m bench.event_loops $(SAMPLE)

soak: setup ## Run a million events as fast as possible and watch the memory of every process (EVENTS=)
	@PYTHONPATH=tests $(BIN)/python -m bench.soak $(if $(EVENTS),--events $(EVENTS))

smoke: setup ## Start the mesh with docker compose, look at frames, tracks, audit trail, lag and metrics, stop it
	@$(BIN)/python tests/e2e/smoke.py

heal: setup ## Start the mesh with docker compose, fill JetStream's disk, free it, and see that the mesh heals by itself
	@$(BIN)/python tests/e2e/heal.py

JAEGER ?= jaeger
jaeger: setup ## Find one whole trace by its ce-id in a real Jaeger, all-in-one of version 1 (JAEGER=path)
	@$(BIN)/python tests/e2e/jaeger.py $(JAEGER)

CHROMIUM ?= chromium
PICTURES ?= docs
BROWSER := build/browser
screenshots: setup $(BROWSER)/.ready ## Try the keys of the trace page, and take the pictures of it and of `qiki top` (CHROMIUM=path, PICTURES=directory)
	@command -v "$(CHROMIUM)" >/dev/null || { echo "There is no $(CHROMIUM): install it, on Debian with apt-get install chromium, or say where it is: make screenshots CHROMIUM=path"; exit 1; }
	@PYTHONPATH=$(CURDIR)/tests:$(CURDIR)/$(BROWSER) $(CURDIR)/$(BIN)/python tests/e2e/screenshots.py "$$(command -v "$(CHROMIUM)")" "$(PICTURES)"

# Beside the environment, not in it: nothing else needs it, and it is large.
$(BROWSER)/.ready: requirements/browser.lock $(STAMP)
	@rm -rf $(BROWSER)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: --require-hashes --target $(BROWSER) -r requirements/browser.lock
	@touch $@

clean: ## Remove what was made here
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
