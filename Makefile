# The commands of this project. `make help` lists them. Nothing is installed outside this folder and your cache folder.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
UV := $(shell command -v uv || echo $(CURDIR)/.dev/tools/bin/uv)
RUN := .venv/bin/python
INSTALLED := .venv/.installed
ON_PATH := .dev/bin/kubectl-obtask
PUT_ON_PATH := mkdir -p .dev/bin && ln -sf ../../.venv/bin/kubectl-obtask ../../.venv/bin/kubectl_complete-obtask .dev/bin/
OPERATOR ?= 1
E2E ?= node
WEB := operator/obtask/web
VENDOR := $(WEB)/static/vendor/htmx.min.js
ATTACK := $(RUN) -m pytest -n 0 -s --tb=short -rN tests/attack
# Keep compiled modules, whatever the caller says: pytest compiles every test of its own way, which takes longer than most of them.
export PYTHONDONTWRITEBYTECODE :=
export UV

.PHONY: pictures help demo up down status test test-fast e2e node-up node-down image dist check lint docs format explore chaos soak siege bench bench-web attack sbom supply-chain pins base-digest plugin web-assets messages generate clean

help:  ## List the commands
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(INSTALLED) $(ON_PATH)  ## Show real tasks running, waiting, failing, being retried, rolled back and skipped (DEMO=runbook: operations by templates)
ifeq ($(filter-out runbook,$(DEMO)),)
	@$(RUN) -m devcluster.demo $(if $(DEMO),--runbook)
else
	@echo "DEMO is runbook or not given, not $(DEMO)" >&2
	exit 2
endif

up: $(INSTALLED) $(ON_PATH)  ## Start a control plane, a SQL server, the operator (OPERATOR=0: without it) and the Task Center, left running
	@$(RUN) -m devcluster up $(if $(filter 0 no false,$(OPERATOR)),--no-operator,--operator)

down: $(INSTALLED)  ## Stop what `make up` started
	@$(RUN) -m devcluster down

status: $(INSTALLED)  ## Show what of `make up` is running
	@$(RUN) -m devcluster status

test: $(if $(TESTS),$(INSTALLED),check) $(ON_PATH)  ## Run all checks and all tests (TESTS=tests/unit: only those tests; JOBS=3: at a time)
	@$(RUN) -m pytest -n $(or $(JOBS),3) --dist worksteal $(or $(TESTS),--ignore=tests/attack)
	$(if $(TESTS),,$(ATTACK))

test-fast: $(INSTALLED)  ## Run what needs neither a control plane nor a SQL server nor patience: about two minutes, and nothing is built
	@$(RUN) -m pytest -n $(or $(JOBS),3) --dist worksteal -m "not (control_plane or seekdb or slow)" --ignore=tests/attack $(TESTS)

attack: $(INSTALLED)  ## Try every known attack on an installation, and print what became of each (ONLY=S3: these; FULL=1: the long ones, too)
	@$(ATTACK) $(if $(ONLY),--only=$(ONLY)) $(if $(FULL),--full)

e2e: $(INSTALLED)  ## Run the end-to-end suite on a real node (E2E=kind: on kind; E2E=kubeconfig KUBECONFIG=... E2E_IMAGE=...: on a cluster of yours)
ifeq ($(E2E),node)
	@$(RUN) -m devcluster.node run -- $(RUN) -m pytest -n 0 $(or $(TESTS),tests/e2e)
else ifeq ($(E2E),kind)
	@$(RUN) -m devcluster.kind $(RUN) -m pytest -n 0 $(or $(TESTS),tests/e2e)
else ifeq ($(E2E),kubeconfig)
	@$(RUN) -m pytest -n 0 $(or $(TESTS),tests/e2e)
else
	@echo "E2E is node (the default), kind or kubeconfig, not $(E2E)" >&2
	exit 2
endif

node-up: $(INSTALLED)  ## Start a real node (containerd, kubelet) with the operator's image, left running; needs Linux and root
	@$(RUN) -m devcluster.node up

node-down: $(INSTALLED)  ## Remove the node of `make node-up`
	@$(RUN) -m devcluster.node down

image: $(INSTALLED) web-assets sbom  ## Build the operator's image without Docker, and print its sizes; with the list of what is in it (make sbom)
	@$(RUN) -m devcluster.node image

sbom: $(INSTALLED)  ## Write what the operator consists of to .dev/sbom.cdx.json (CycloneDX), from uv.lock, with hashes
	@mkdir -p .dev
	$(UV) export --locked --no-dev --extra web --quiet --format cyclonedx1.5 --output-file .dev/sbom.cdx.json
	echo "the operator's packages, versions and hashes: .dev/sbom.cdx.json"

pictures: $(INSTALLED)  ## Draw the pictures of `kubectl obtask watch` and of the Task Center in the documents anew
	$(RUN) -m tests.support.watching
	PICTURES=docs/guides/pictures $(RUN) -m pytest -n 0 tests/browser/test_pictures.py

plugin: $(INSTALLED) $(ON_PATH)  ## Build the plugin for kubectl as one file, dist/kubectl-obtask: any Python from 3.11 on runs it
	@rm -rf .dev/plugin dist/plugin
	mkdir -p .dev/plugin
	$(UV) export --locked --quiet --package kubectl-obtask --extra tui --no-dev --no-emit-project --output-file .dev/plugin.txt >/dev/null
	$(UV) pip install --quiet --require-hashes --target .dev/plugin --requirements .dev/plugin.txt
	$(UV) build --quiet --wheel --package kubectl-obtask --out-dir dist/plugin
	$(RUN) -m zipfile --extract dist/plugin/*.whl .dev/plugin
	# Machine code cannot be loaded from an archive; where it is missing, PyYAML does without.
	find .dev/plugin -name '*.so' -delete
	$(RUN) -m zipapp --compress --python '/usr/bin/env python3' --main kubectl_obtask.__main__:main --output dist/kubectl-obtask .dev/plugin
	chmod 755 dist/kubectl-obtask
	$(RUN) -m documents.krew dist
	ls dist/kubectl-obtask dist/kubectl-obtask.tar.gz dist/obtask.yaml

web-assets: $(VENDOR)  ## Bring the scripts of the Task Center with npm, as pinned (Node from the PATH, or a package of PyPI)

messages: $(INSTALLED)  ## Collect the texts of the Task Center, put new ones into its translations, and compile them
	@mkdir -p .dev
	.venv/bin/pybabel --quiet extract -F operator/obtask/web/locale/babel.cfg -k N_ -k _ --no-location --sort-output --omit-header --width 1000 -o .dev/obtask.pot operator/obtask/web
	for file in operator/obtask/web/locale/*/LC_MESSAGES/obtask.po; do
	  language=$$(basename $$(dirname $$(dirname $$file)))
	  .venv/bin/pybabel --quiet update -i .dev/obtask.pot -o $$file -l $$language --ignore-pot-creation-date --no-fuzzy-matching --ignore-obsolete --width 1000
	  .venv/bin/pybabel --quiet compile -i $$file -o $${file%.po}.mo
	done

dist: $(INSTALLED) web-assets  ## Build the wheel and the source distribution into dist/
	@rm -rf dist
	$(UV) build --quiet --out-dir dist
	ls dist

pins: $(INSTALLED)  ## Renew the versions and hashes of tools and published programs; needs the projects' release sites
	@for tool in uv go node; do
	  sed -E 's/==.*//;q' deploy/pins/$$tool.txt | $(UV) pip compile - --quiet --upgrade --generate-hashes --no-header --no-annotate > .dev/pins
	  mv .dev/pins deploy/pins/$$tool.txt
	done
	$(RUN) -m devcluster pins > .dev/pins
	{ sed '/^[^#]/d' deploy/devcluster/releases.sha256; cat .dev/pins; } > .dev/releases
	mv .dev/releases deploy/devcluster/releases.sha256

base-digest:  ## Print the build argument that pins the base image; needs Docker and its registry
	@docker buildx imagetools inspect python:3.11-slim --format '--build-arg BASE=python:3.11-slim@{{.Manifest.Digest}}'

check: lint docs supply-chain  ## Lint, types, layers, generated files, documents, licences

lint: $(INSTALLED)  ## Lint, types, layers, generated files
	@.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache | tail -n 8
	$(RUN) -m generate --check

docs: $(INSTALLED)  ## Build the documentation site into .dev/site; broken links and forgotten pages are errors
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet
	echo "the site: .dev/site/index.html"

supply-chain: $(INSTALLED)  ## Check licences of what is shipped, and known vulnerabilities where their database can be reached
	@$(RUN) -m tests.support.supply_chain

format: $(INSTALLED)  ## Format the code
	@.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

generate: $(INSTALLED)  ## Generate what follows from the code: CRDs, lists and rights in the chart, Argo CD's settings, the reference
	@$(RUN) -m generate

explore: $(INSTALLED)  ## Try every order of API calls, crashes and pauses (JOBS=2: at a time)
	@$(RUN) -m tests.exploration --deep --jobs $(or $(JOBS),2)

chaos: $(INSTALLED)  ## Inject thousands of faults between operator and API server, and check every promise
	@$(RUN) -m devcluster build
	$(RUN) -m tests.chaos

soak: $(INSTALLED)  ## Run tasks for MINUTES=60 and check that the memory of the operator does not grow
	@$(RUN) -m devcluster build
	$(RUN) -m tests.bench.soak --minutes $(or $(MINUTES),60)

siege: $(INSTALLED)  ## Run every hostile target side by side for MINUTES=10, beside a neighbour, and check memory and latency
	@$(RUN) -m devcluster build
	$(RUN) -m tests.bench.siege --minutes $(or $(MINUTES),10)

bench: $(INSTALLED)  ## Measure throughput, hand-over, writes, CPU and memory (SCENARIO=kinds, memory, neighbour, peer, plugin or tenants: only that)
	@$(RUN) -m devcluster build
	$(RUN) -m tests.bench --scenario $(or $(SCENARIO),all)

bench-web: $(INSTALLED) web-assets  ## Measure the Task Center with 10,000 tasks, also in a browser (ONLY="log seen": these parts; TASKS=500: with fewer)
	@$(RUN) -m devcluster build
	$(RUN) -m tests.bench --scenario web $(if $(ONLY),--only $(ONLY)) $(if $(TASKS),--web-tasks $(TASKS))

clean: $(INSTALLED)  ## Stop everything and remove .dev and .venv
	@$(RUN) -m devcluster down
	$(RUN) -m devcluster.node down
	rm -rf .dev .venv

$(INSTALLED): pyproject.toml operator/kubectl_obtask/pyproject.toml uv.lock | $(UV)
	@$(UV) sync --locked --quiet
	$(PUT_ON_PATH)
	touch $@

$(VENDOR): deploy/web-assets.sh $(addprefix $(WEB)/assets/,package.json package-lock.json) | $(UV)
	@deploy/web-assets.sh $(CURDIR) $(UV)

# kubectl finds a plugin by its name on the PATH; .dev may have been removed since the installation.
$(ON_PATH): | $(INSTALLED)
	@$(PUT_ON_PATH)

$(CURDIR)/.dev/tools/bin/uv:
	@echo "Installing uv into .dev/tools"
	mkdir -p .dev
	if $(PYTHON) -m venv .dev/tools >/dev/null 2>&1; then
	  .dev/tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/pins/uv.txt
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then
	  $(PYTHON) -m pip install --quiet --disable-pip-version-check --target .dev/tools --require-hashes -r deploy/pins/uv.txt
	else
	  echo "Python 3.11 with venv or pip is needed (Debian: apt-get install python3-venv), or uv on the PATH" >&2
	  exit 1
	fi
