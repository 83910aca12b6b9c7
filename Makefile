# Every target that needs Python works in .venv, which `make install` fills.
PYTHON ?= python3
# Installed before the rest: a plain `torch` would bring the newest CUDA build. Set TORCH=torch for just that.
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
# One process a core, one thread a process.
TEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install demo test ci format format-check lint types contracts golden golden-check wheel-check images constraints bench clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ostinato needs Python 3.11 or newer; set PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

install: $(VENV)/.installed ## Make .venv with every extra

demo: install ## An example through the whole DAG on this machine (two minutes), ending with where to look
	$(BIN)/ostinato run examples/penguins/config.yaml --dataset examples/penguins/penguins.csv --output_directory results/demo

test: install ## All tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile

ci: install format-check lint types contracts test golden-check wheel-check ## Everything that CI checks

format: install ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

format-check: install
	$(BIN)/ruff format --check .

lint: install ## Lint the code
	$(BIN)/ruff check .

types: install ## Check types (mypy strict)
	$(BIN)/mypy

contracts: install ## Check which layer imports which
	$(BIN)/lint-imports --no-logo

golden: install ## Make the golden files anew (compiled pipelines, components, JSON schema, reference of the config)
	$(BIN)/python tests/golden/regenerate.py

golden-check: install
	$(BIN)/python tests/golden/regenerate.py --check

wheel-check: install ## Build the wheel, install it alone, and validate a config with it
	bash tests/wheel_check.sh $(BIN)/python

ENGINE ?= $(shell command -v docker || command -v podman)
REGISTRY ?= localhost
VERSION ?= $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' shared/ostinato/__init__.py)
# --build-arg of docker build, for example PYTHON_IMAGE=… TORCH_INDEX=…
BUILD_ARGS ?=

images: ## Build both images with docker or podman: REGISTRY/ostinato-data:VERSION, REGISTRY/ostinato-train:VERSION
	@test -n "$(ENGINE)" || { echo "make images needs docker or podman"; exit 2; }
	for image in data train; do \
	  $(ENGINE) build -f images/$$image/Containerfile -t $(REGISTRY)/ostinato-$$image:$(VERSION) \
	    --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
	    $(foreach argument,$(BUILD_ARGS),--build-arg $(argument)) . || exit 1; \
	done

LOCK := $(BIN)/uv pip compile pyproject.toml --python-version 3.11 --no-header --no-annotate --quiet --no-emit-package torch
constraints: install ## Lock what the images hold anew: images/*/constraints.txt
	$(LOCK) --extra data --extra trainer --output-file images/data/constraints.txt
	$(LOCK) --extra train --extra mlflow --extra model-registry --output-file images/train/constraints.txt
	# What torch brings itself: another one for each of its builds.
	sed -i -E '/^(cuda-|nvidia-|triton==)/d' images/train/constraints.txt

bench: install ## Benchmarks, as ratios measured side by side; wants a quiet machine
	$(BIN)/python -m benchmarks

clean: ## Remove what the other targets made
	rm -rf $(VENV) dist results .ostinato .mypy_cache .pytest_cache .ruff_cache .hypothesis
