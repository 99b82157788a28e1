# make quickstart: a first result. make check, test, test-all: see CONTRIBUTING.md. Each sets up what it needs in .venv,
# from the locked versions.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SMOKE := tests/test_config.py tests/test_floors.py tests/commands/test_quickstart.py

.PHONY: setup quickstart check style types smoke test test-all faults docs lock clean

setup: $(READY)
	@echo "The commands are in $(VENV): source $(BIN)/activate, then motion-jax --help"

quickstart: $(READY)
	$(BIN)/motion-jax quickstart
	@echo
	@echo "The commands are in $(VENV): run 'source $(BIN)/activate' first, or write $(BIN)/motion-jax"

check: style types smoke

style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/pyright --pythonpath $(BIN)/python  # of its own it asks whichever python is on the path

smoke: $(READY)
	$(BIN)/python -m pytest -q -n auto --dist loadfile $(SMOKE)

test: $(READY)
	$(BIN)/python -m pytest -q -n auto --dist loadfile -m "not slow"

# What `make test` leaves out: the slow tests, among them that of the wheel, with programs compiled as users compile them.
test-all: $(READY)
	XLA_FLAGS=--xla_cpu_multi_thread_eigen=false $(BIN)/python -m pytest -q -n auto --dist loadfile -m slow

# The long form of tests/faults: prints how often each fault was tried and survived. About a quarter of an hour on two cores.
faults: $(READY)
	$(BIN)/python -m tests.faults

docs: $(VENV)-docs/.ready
	$(VENV)-docs/bin/mkdocs build --strict --quiet

$(VENV)-docs/.ready: docs/requirements.lock
	$(PYTHON) -m venv --clear $(VENV)-docs
	$(VENV)-docs/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r docs/requirements.lock
	@touch $@

$(READY): $(VENV)/.locked pyproject.toml
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"error: Python 3.11 or newer is needed; {sys.executable} is {v[0]}.{v[1]}. Another one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) --require-hashes -r requirements.lock
	@touch $@

# The lock holds exact versions and hashes for every supported Python and platform; needs uv.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --group dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) $(VENV)-docs dist site quickstart
