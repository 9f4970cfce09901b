# Each target makes the virtual environment it needs, once; only Python 3.11 or newer has to be there.
#   make demo [ARGS="--words stop,go,left"]    make test [ARGS="tests/data -x"]    make lint    make test-oldest
PYTHON ?= python3
VENV ?= .venv
OLDEST_VENV ?= .venv-oldest
ARGS ?=
PIP_INSTALL := -m pip install -qq --disable-pip-version-check --no-compile
PYTEST := -m pytest -n auto --maxprocesses 4
TELL_INSTALL = @echo "Installing tenuto and what it needs into $(@D), once; PyTorch is large, this takes minutes."
TELL_OLD = echo "tenuto needs Python 3.11 or newer, and '$(PYTHON)' is not: make PYTHON=/path/to/python3.11 $@" >&2

.PHONY: demo test lint test-oldest clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed-demo
	$(VENV)/bin/tenuto demo $(ARGS)

test: $(VENV)/.installed-dev
	$(VENV)/bin/python $(PYTEST) $(ARGS)

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy --strict src

# The oldest PyTorch that pyproject.toml allows, with the torchvision that belongs to it.
test-oldest: $(OLDEST_VENV)/.installed-dev
	$(OLDEST_VENV)/bin/python $(PYTEST) $(ARGS)

%/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { $(TELL_OLD); exit 1; }
	$(PYTHON) -m venv $*
	@touch $@

$(VENV)/.installed-%: $(VENV)/.made pyproject.toml
	$(TELL_INSTALL)
	$(VENV)/bin/python $(PIP_INSTALL) --editable ".[$*]"
	@touch $@

$(OLDEST_VENV)/.installed-dev: $(OLDEST_VENV)/.made pyproject.toml
	$(TELL_INSTALL)
	$(OLDEST_VENV)/bin/python $(PIP_INSTALL) --editable ".[dev]" "torch==2.6.0" "torchvision==0.21.0"
	@touch $@

.PRECIOUS: %/.made $(VENV)/.installed-%

clean:
	rm -rf $(VENV) $(OLDEST_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
