# Two commands for a fresh machine: `make demo` shows what inpaintlab does, `make test` that it works.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check format bench docs clean

help:
	@echo "make demo    train on drawn portraits for some minutes, evaluate, fill one, write a report"
	@echo "make test    install what the tests need and run them"
	@echo "make check   lint and types: ruff, mypy --strict"
	@echo "make format  let ruff put the code in shape"
	@echo "make bench   measurements of speed and memory (DATA=folder of images, RUN=trained run)"
	@echo "make docs    build the documentation into site/"

# A stamp is newer than pyproject.toml once that is installed: what users need, and what developers do.
$(VENV)/.base: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed: $(VENV)/.base
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

demo: $(VENV)/.base
	rm -rf runs/demo
	$(BIN)/python examples/demo.py runs/demo

test: $(VENV)/.installed
	$(BIN)/pytest -n auto

check: $(VENV)/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/loading.py $(DATA)
	$(if $(DATA),$(BIN)/python benchmarks/loading.py torchvision $(DATA))
	$(BIN)/python benchmarks/fill.py
	$(BIN)/python benchmarks/fill.py --exact 1600
	$(BIN)/python benchmarks/metadata.py
	$(BIN)/python benchmarks/engines.py
	$(BIN)/python benchmarks/layers.py
	$(BIN)/python benchmarks/partial_unet.py
	$(BIN)/python benchmarks/attention.py
	$(BIN)/python benchmarks/metrics.py
	$(BIN)/python benchmarks/networks.py --crop
	$(if $(DATA),$(BIN)/python benchmarks/overfit.py $(DATA))
	$(BIN)/python benchmarks/guards.py
	$(BIN)/python benchmarks/kills.py
	$(if $(DATA),$(BIN)/python benchmarks/guard_faults.py $(DATA))
	$(if $(RUN),$(BIN)/python benchmarks/evaluate.py $(RUN))
	$(if $(RUN),$(BIN)/python benchmarks/serve.py $(RUN))
	$(if $(RUN),$(if $(DATA),$(BIN)/python benchmarks/strategies.py $(RUN) $(DATA)))
	$(if $(DATA),$(BIN)/python benchmarks/photos.py $(DATA) --part development)
	$(if $(RUN),$(BIN)/python benchmarks/soak.py $(RUN))
	$(if $(RUN),$(BIN)/python benchmarks/fuzz.py $(RUN))
	$(if $(DATA),$(BIN)/python benchmarks/diagnose.py $(DATA))
	$(if $(DATA),$(BIN)/python benchmarks/objectives.py $(DATA))
	$(BIN)/python benchmarks/memory.py $(DATA)
	$(BIN)/python benchmarks/prepare.py $(DATA)

docs: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[docs]"
	$(BIN)/zensical build

clean:
	rm -rf $(VENV) site build .pytest_cache .mypy_cache .ruff_cache .hypothesis
