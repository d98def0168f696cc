# The front door. Each target is one line over install.py or the `course` command, so without make the same
# line does the same: see README.md. On a fresh clone, `make run-all` and `make test` first set everything up.

PYTHON  ?= python3
LATEST  ?=
LOWEST  ?=
TORCH   ?=
PROFILE ?= fast
JOBS    ?= 0
ARGS    ?=

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PY     := $(BIN)/python
COURSE := $(BIN)/course
READY  := .venv/.ready
DATA   := data/cache/.ready

# Kernels come from this .venv, never from a kernel of the same name that is installed elsewhere.
export JUPYTER_PREFER_ENV_PATH = 1

.DEFAULT_GOAL := help
.PHONY: help setup run-all test e2e lab handouts claims data checkpoints bench doctor upgrade
.DELETE_ON_ERROR:

help: ## says what there is
	@echo "Usage: make TARGET [PROFILE=fast|full] [JOBS=2] [ARGS='01 --seed 3'] [PYTHON=python3.12]"
	@echo "       make setup [LATEST=1 | LOWEST=1] [TORCH=cpu | auto]"
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  \1	\2/p' Makefile | expand -t 16

setup: $(READY) $(DATA) ## makes .venv, installs the course, fetches the fast data (the other targets do it for you)

run-all: setup ## runs the chapters, e.g. make run-all ARGS='01 --force'
	@$(COURSE) run --profile $(PROFILE) --jobs $(JOBS) $(ARGS)

test: export COURSE_STRICT = 1
test: export OMP_NUM_THREADS = 1
test: setup ## lint, format, types, then all tests and every notebook with its outputs compared
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -n $(patsubst 0,2,$(JOBS)) --dist loadfile --ignore=tests/e2e \
		--nbval-lax --nbval-current-env --nbval-cell-timeout=600 tests notebooks $(ARGS)

e2e: setup ## opens handouts, JupyterLab and the service in a real browser, e.g. make e2e ARGS='--whole 01'
	@$(COURSE) run --jobs $(JOBS)
	COURSE_REQUESTS=10000 $(PY) -m pytest -n $(patsubst 0,2,$(JOBS)) --dist loadgroup \
		tests/e2e tests/test_service_contract.py $(ARGS)

lab: setup ## opens JupyterLab on the lessons
	@$(COURSE) lab $(ARGS)

handouts: setup ## writes the executed chapters as pages, both editions, e.g. make handouts ARGS='01'
	@$(COURSE) handouts --profile $(PROFILE) $(ARGS)

claims: setup ## measures the bands of the claims again, e.g. make claims ARGS='01 --seeds 5'
	@$(COURSE) claims $(ARGS)

data: $(READY) ## fetches and verifies the data, e.g. make data PROFILE=full
	@$(COURSE) data --profile $(PROFILE) $(ARGS)

checkpoints: setup ## makes the shipped checkpoints again
	@$(COURSE) checkpoints $(ARGS)

bench: setup ## measures ways to the same result side by side, as ratios
	@$(PY) benchmarks/input_pipeline.py
	@$(PY) benchmarks/transfer.py
	@$(PY) benchmarks/service.py
	@$(PY) benchmarks/eight_bits.py

doctor: $(READY) ## checks this machine and says how to repair it
	@$(COURSE) doctor $(ARGS)

upgrade: $(READY) ## moves constraints.txt to the newest versions, then tests: keep it only if they pass
	@$(PYTHON) install.py --upgrade
	@$(MAKE) test

# Without a word about versions, what is up to date stays as it is; LATEST=0 goes back to the proven ones.
VERSIONS := $(if $(filter-out 0,$(LATEST)),--latest) $(if $(filter-out 0,$(LOWEST)),--lowest) \
	$(if $(TORCH),--torch $(TORCH))
ifneq ($(LATEST)$(LOWEST)$(TORCH),)
.PHONY: $(READY)
endif

$(READY): pyproject.toml requirements.txt requirements-dev.txt deploy/requirements.txt constraints.txt
	@$(PYTHON) install.py packages $(strip $(VERSIONS))

$(DATA): $(READY) data/assets.toml
	@$(PYTHON) install.py data
	@mkdir -p $(@D) && touch $@
