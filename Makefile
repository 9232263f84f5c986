# Two commands on a fresh machine: `make demo` and `make test`. Each makes its own environment from the locked requirements.

PYTHON ?= python3
RUN := .venv/bin
SPEED ?= 60
EMULATORS := tests/stores/emulators
RENDER := tests/dashboards/render
PAGE := build/render/index.html
KILLS ?= 500
# Many tests wait for real processes more than they work.
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo test emulators page lint dashboards render pictures rules readme bench bench-boards soak year lock clean

help: ## this list
	@grep -hE '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: .venv/runtime ## simulated calls of both vendors on http://localhost:10210/metrics
	$(RUN)/python -m exporter demo --speed $(SPEED)

test: .venv/dev emulators page ## all tests, with the coverage gate
	$(RUN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --cov --cov-report=term-missing:skip-covered $(ARGS)

emulators: $(EMULATORS)/node_modules/.package-lock.json ## Azurite, for the tests with object stores (needs npm)

page: $(PAGE) ## what draws the dashboards (needs npm)

lint: .venv/dev ## ruff and mypy
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

dashboards: .venv/dev ## write the dashboards' JSON anew
	$(RUN)/python -m dashboards

render: .venv/dev page ## draw the dashboards in Chromium, check what is drawn, keep it in build/pictures (needs npm)
	$(RUN)/python -m pytest tests/test_dashboards_drawn.py $(ARGS)

pictures: render ## draw the pictures of README.md anew
	for board in overview room peer exporter; do cp build/pictures/$$board-dark.png docs/$$board.png; done

rules: .venv/dev ## write the Prometheus operator's copy of the rules anew
	$(RUN)/python -m tests.prometheus_rule

readme: .venv/dev ## write the generated parts of README.md anew
	$(RUN)/python -m tests.readme

bench: .venv/dev ## what scraping and sending cost, against other libraries on the same samples
	$(RUN)/python -m tests.bench

bench-boards: .venv/dev ## how long Prometheus takes for every query of the dashboards, with 200 000 series
	$(RUN)/python -m tests.bench.boards

soak: .venv/dev ## kill the real process 500 times while it works, and compare with the documents (KILLS=N ARGS="--seed 2")
	$(RUN)/python -m tests.soak --kills $(KILLS) $(ARGS)

year: .venv/dev ## a simulated year of 2 million sessions: size of state and memory (takes an hour or two)
	$(RUN)/python -m tests.year $(ARGS)

lock: .venv/dev ## pin the newest allowed versions, with hashes (needs uv and npm)
	cd requirements && uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras --no-header runtime.in -o runtime.txt
	cd requirements && uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras --no-header dev.in -o dev.txt
	for each in $(EMULATORS) $(RENDER); do (cd $$each && rm -f package-lock.json && npm install --package-lock-only --omit-lockfile-registry-resolved); done

clean: ## forget the environment and all that was built
	rm -rf .venv build dist $(EMULATORS)/node_modules $(RENDER)/node_modules

.venv/runtime: requirements/runtime.txt
	$(PYTHON) -m venv .venv
	$(RUN)/python -m pip install --quiet --require-hashes -r requirements/runtime.txt
	@touch $@

.venv/dev: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(RUN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(RUN)/python -m pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@ .venv/runtime

# npm writes it when all is there. Without npm the tests that need Azurite are left out, and say so.
$(EMULATORS)/node_modules/.package-lock.json: $(EMULATORS)/package-lock.json
	@if command -v npm >/dev/null; then cd $(EMULATORS) && npm ci --loglevel=error; else echo "npm is not on PATH"; fi

$(RENDER)/node_modules/.package-lock.json: $(RENDER)/package-lock.json
	@if command -v npm >/dev/null; then cd $(RENDER) && npm ci --ignore-scripts --loglevel=error; else echo "npm is not on PATH"; fi

# The page that draws the dashboards. Without npm the tests that look at it are left out, and say so.
$(PAGE): $(RENDER)/node_modules/.package-lock.json $(wildcard $(addprefix $(RENDER)/,index.html vite.config.mjs src/* src/panels/*))
	@if command -v npm >/dev/null; then cd $(RENDER) && npm run --silent build; else echo "npm is not on PATH"; fi
