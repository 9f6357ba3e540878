# The contributor's whole interface; `make help` lists it.
PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out

.DEFAULT_GOAL := help
.PHONY: help demo test check format lint types layers slow bench bench-published train evaluate clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

# torch first and pinned: asked for by range, pip may choose a build of several gigabytes
$(BIN)/.torch:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "prismaudio needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	@touch $@

$(BIN)/.installed: $(BIN)/.torch pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(BIN)/.tested: $(BIN)/.torch pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ $(BIN)/.installed

$(BIN)/.developed: $(BIN)/.torch pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(BIN)/.tested $(BIN)/.installed

demo: $(BIN)/.installed ## sound for a bundled camera video and a rendered scene, into out/
	$(BIN)/prismaudio demo $(OUT)

test: $(BIN)/.tested ## the default tests, CPU only
	$(BIN)/python -m pytest

check: $(BIN)/.developed lint types layers test ## all a change must pass

format: $(BIN)/.developed ## rewrite the layout of the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(BIN)/.developed
	$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(BIN)/.developed
	$(BIN)/mypy

layers: $(BIN)/.developed
	$(BIN)/lint-imports

slow: $(BIN)/.tested ## the full-size parity tests and other long checks: minutes, 9 GB of memory, 6 GB of disk
	$(BIN)/python -m pytest -m slow

evaluate: $(BIN)/.tested ## 200 held-out scenes with confidence intervals, into out/evaluation.json
	@mkdir -p $(OUT)
	$(BIN)/prismaudio evaluate stage --count 200 --out $(OUT)/evaluation.json --force

bench: $(BIN)/.tested ## seconds and memory of every stage for a 9 s clip, into out/benchmark.json
	@mkdir -p $(OUT)
	$(BIN)/python -m benchmarks.generate --out $(OUT)/benchmark.json

bench-published: $(BIN)/.tested ## every stage of the published size, or of a small one without CUDA, into out/published.json
	@mkdir -p $(OUT)
	$(BIN)/python -m benchmarks.stages --out $(OUT)/published.json

train: $(BIN)/.tested ## the whole embedded model from the corpus, into runs/embedded; continues an interrupted run
	$(BIN)/prismaudio train all --out runs/embedded

clean: ## remove what these targets made, the virtual environment excepted
	rm -rf $(OUT) build dist .pytest_cache .mypy_cache .ruff_cache
