# Two commands: make quickstart, make test. Each sets up what it needs in .venv from the locked versions.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
INPUTS := requirements.lock

.PHONY: quickstart test style types lock clean

quickstart: $(READY)
	$(BIN)/python -m launch.quickstart

test: $(READY)
	$(BIN)/python -m pytest -q -n auto

style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/pyright

$(READY): $(INPUTS)
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"error: Python 3.11 or newer is needed; {sys.executable} is {v[0]}.{v[1]}. Another one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

# The lock holds exact versions and hashes for every supported Python and platform; needs uv.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --group dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) quickstart
