# `make` alone lists the targets. Every target except `clean` first creates the environment in .venv if it is missing,
# incomplete or older than pyproject.toml. Example: make reproduce-figures PROFILE=smoke JOBS=4

PROFILE ?= quick
RESULTS ?= results
# nproc would report OMP_NUM_THREADS if that is set.
JOBS ?= $(shell env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
PYTHON ?= python3
# A folder with CIFAR as images, used instead of torchvision's download.
DATA ?=
# How many runs `make verify` trains again.
RUNS ?= 5
# The owner and name of the wandb project, and whether `make sync` only lists what it would upload.
ENTITY ?=
PROJECT ?= scalefree
DRY_RUN ?= false

# A variable given on the command line that nothing reads is a mistake, such as profile= in place of PROFILE=.
READ := PROFILE RESULTS JOBS PYTHON DATA RUNS ENTITY PROJECT DRY_RUN EXTRAS SHELL
UNREAD := $(strip $(foreach name,$(filter-out $(READ),$(.VARIABLES)),$(if $(filter command,$(origin $(name))),$(name))))
ifneq ($(UNREAD),)
$(error nothing reads $(UNREAD)=; the variables are $(filter-out EXTRAS SHELL,$(READ)))
endif

# What the targets below need (pyproject.toml, optional-dependencies); `atlas` adds more.
EXTRAS := dev,sweeps,dashboards,export
PYTHONS := $(shell sed -n 's/^requires-python = "\(.*\)"/\1/p' pyproject.toml)
READY := .venv/.installed
FROM = $(if $(DATA),dataset_root="$(DATA)")

.DEFAULT_GOAL := help
.PHONY: help setup test lint reproduce-figures benchmark verify status report atlas dashboard-offline sync dashboard clean always

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "with PROFILE=$(PROFILE) RESULTS=$(RESULTS) JOBS=$(JOBS) PYTHON=$(PYTHON) DATA=$(DATA)"
	@echo "PROFILE: what to train; RESULTS: the store; JOBS: runs at a time; DATA: a folder with CIFAR, instead of its download"

# The targets. Each runs a script once $(READY) is up to date; the text after ## is its line in the list.

setup: $(READY) ## Create the environment in .venv (the other targets do this if needed)
	@echo "The environment is ready: .venv, $$(.venv/bin/python --version)"

test: $(READY) ## Run all tests
	@OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n "$(JOBS)" --dist worksteal

lint: $(READY) ## Check style, types and the direction of imports
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/python -m mypy
	@.venv/bin/lint-imports --no-logo

reproduce-figures: $(READY) ## Train the profile's missing runs, then draw its figures
	@.venv/bin/python scripts/reproduce.py profile="$(PROFILE)" results_dir="$(RESULTS)" jobs="$(JOBS)" $(FROM)

benchmark: $(READY) ## Measure this machine: a plain script, the plain loop, and each step of the fast path
	@.venv/bin/python scripts/benchmark.py results_dir="$(RESULTS)" $(FROM)

verify: $(READY) ## Train RUNS of the profile's runs again and compare them with their records
	@.venv/bin/python scripts/verify.py profile="$(PROFILE)" runs="$(RUNS)" results_dir="$(RESULTS)" jobs="$(JOBS)" \
		$(FROM)

status: $(READY) ## Show which of the profile's runs are done, partial, failed or missing
	@.venv/bin/python scripts/status.py profile="$(PROFILE)" results_dir="$(RESULTS)" jobs="$(JOBS)"

report: $(READY) ## Write the profile's report: one HTML page in RESULTS/report/
	@.venv/bin/python scripts/report.py profile="$(PROFILE)" results_dir="$(RESULTS)"

atlas: $(READY) ## Measure the scale-freeness of every optimizer of torch and pytorch_optimizer
	@.venv/bin/python -c 'import pytorch_optimizer' 2>/dev/null || \
		.venv/bin/python -m pip install --quiet --editable ".[atlas]"
	@.venv/bin/python scripts/defect.py results_dir="$(RESULTS)" jobs="$(JOBS)"

dashboard-offline: $(READY) ## Show the runs in the terminal, in wandb's viewer; no account needed
	@.venv/bin/python scripts/dashboard_offline.py results_dir="$(RESULTS)"

sync: $(READY) ## Upload finished offline runs to wandb, each once (DRY_RUN=true lists them)
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python scripts/sync.py results_dir="$(RESULTS)" dry_run="$(DRY_RUN)"

dashboard: $(READY) ## Create or update the wandb workspaces of ENTITY=... PROJECT=...
	@.venv/bin/python scripts/dashboard.py entity="$(ENTITY)" project="$(PROJECT)"

clean: ## Remove caches and build output, but not .venv or any results
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage build dist outputs multirun
	rm -rf src/scalefree.egg-info
	find src scripts tests -type d -name __pycache__ -prune -exec rm -rf {} +

# The environment. Its stamp is written only when everything is installed, with the time at which that began. It is
# valid only while .venv's Python works, finds the package in this folder (which may have been moved) and has
# everything that pyproject.toml names, except what `make atlas` adds.

SOUND := $(shell .venv/bin/python -I -c 'import os, re, scalefree; from importlib.metadata import distribution, requires; \
	[distribution(re.match("[A-Za-z0-9._-]+", line)[0]) for line in requires("scalefree") if "atlas" not in line]; \
	print(os.path.samefile(scalefree.__file__, "src/scalefree/__init__.py"))' 2>/dev/null)
ifneq ($(SOUND),True)
$(READY): always
endif

$(READY): pyproject.toml
	@if [ -e $@ ] && [ "$(SOUND)" = True ]; then \
		echo "pyproject.toml has changed: updating .venv"; \
	else \
		if [ -L .venv ]; then \
			echo "error: .venv is a link to $$(readlink .venv), which make would have to erase; remove the link" >&2; \
			exit 1; \
		fi; \
		"$(PYTHON)" -c 'import sys; low, high = [tuple(map(int, bound.lstrip("<>=").split("."))) \
			for bound in sys.argv[1].split(",")]; sys.exit(not low <= sys.version_info[:2] < high)' \
			"$(PYTHONS)" 2>/dev/null || { \
			echo "error: scalefree needs Python $(PYTHONS); PYTHON=$(PYTHON) is $$("$(PYTHON)" --version 2>&1)"; \
			echo "Install one (python.org, conda, pyenv, uv) and name it, for example make PYTHON=python3.12"; \
			exit 1; \
		} >&2; \
		echo "Creating the environment in .venv with $$("$(PYTHON)" --version): takes 2 to 6 minutes and 6 GB"; \
		rm -f $@; \
		"$(PYTHON)" -m venv --clear .venv; \
	fi
	@rm -f $@
	@touch .venv/.installing
	@.venv/bin/python -m pip install --quiet --upgrade pip
	@.venv/bin/python -m pip install --quiet --editable ".[$(EXTRAS)]"
	@mv .venv/.installing $@
