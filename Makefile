# Everything runs in .venv, which is made once and again only when the files that decide it change.
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/installed

.PHONY: run test bench figures gpu-check litert lint clean

run: $(SETUP)  ## measure this machine: a few minutes
	$(BIN)/hwbench run --profile quick

# Two processes, file by file; a thread each, that waits without spinning, or they would hinder each other.
test: lint  ## lint, types, tests
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/pytest -n 2 --dist loadfile

lint: $(SETUP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(SETUP)  ## hold hwbench itself against its targets: about twenty minutes
	$(BIN)/python -m bench --quick

figures: $(SETUP)  ## draw the figures of README and docs anew, from results/
	$(BIN)/hwbench plot cost results/estimates/resnet50.json -o docs/cost.svg --force
	$(BIN)/hwbench plot pareto results/estimates/resnet50.json -o docs/pareto.svg --force
	$(BIN)/hwbench plot roofline results/20261125T190648Z-standard.json -o docs/roofline.svg --force
	$(BIN)/hwbench plot learning results/learning/digits-resnet18_small.json -o docs/learning-digits.svg --force

gpu-check: $(SETUP)  ## what fakes cannot tell, on a machine with an NVIDIA GPU: three minutes
	$(BIN)/python -m bench.gpu_check

litert: $(SETUP)  ## what converts networks to LiteRT: 330 MB, by lines of its own (see the file)
	$(BIN)/pip install --no-deps -r litert-converter.txt

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache

# torch first: what comes after it then stays on that build.
$(SETUP): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "hwbench needs Python 3.11 or later, \
	$(PYTHON) is %d.%d: make PYTHON=python3.11" % v[:2] or 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -c constraints.txt torch
	$(BIN)/pip install -c constraints.txt -e '.[all,test]'
	$(BIN)/python -m compileall -q hwbench kernels
	@touch $@
