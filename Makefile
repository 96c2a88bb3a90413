# `make` lists what there is. STACK=classic runs any of it on the other set of
# versions, PYTHON=... names the interpreter that the environment is made of.
STACK ?= modern
PYTEST_ARGS ?=

ifeq ($(STACK),modern)
  VENV := .venv
  OLDEST := 3.10
  NEWEST := 3.12
else ifeq ($(STACK),classic)
  VENV := .venv-classic
  OLDEST := 3.8
  NEWEST := 3.11
else
  $(error STACK is $(STACK); it can be modern or classic)
endif

BIN := $(VENV)/bin
READY := $(VENV)/.ready
REQUIREMENTS := requirements/$(STACK).txt
# What an environment is made of; a later change of one repeats the set-up.
INPUTS := Makefile $(REQUIREMENTS) setup.py pyproject.toml \
	interclr_plugin/startup.py interclr_plugin/version.py

help:
	@echo 'make demo    pre-train MoCo v2 and InterCLR on digits and compare them'
	@echo 'make test    run the tests (PYTEST_ARGS="-m \"not slow\"" leaves some out)'
	@echo 'make lint    check the style'
	@echo 'make docs    build the pages of docs/ into site/'
	@echo 'make setup   only make the environment, $(VENV), which all of these do'
	@echo 'make clean   remove the environments, the results and the caches'

demo: setup
	@$(BIN)/python demo/run.py

test: setup
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: setup
	@$(BIN)/ruff check .

docs: $(VENV)/.docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'The pages are in site/: open site/index.html'

$(VENV)/.docs: requirements/docs.txt $(READY)
	$(BIN)/python -m pip install --no-deps -r requirements/docs.txt
	@touch $@

setup: $(READY)

# Without the mark, what lies there is half-finished: it is made anew. With an
# old one, pip brings it up to date; the mark is away for that time.
$(READY): $(INPUTS)
	@if [ ! -e $@ ]; then $(find_python); \
	    echo "Setting up $(VENV) with $$python, a few minutes the first time"; \
	    "$$python" -m venv --clear $(VENV); fi
	@rm -f $@
	$(BIN)/python -m pip install --no-deps -r $(REQUIREMENTS)
	$(BIN)/python -m pip install torch torchvision
	$(BIN)/python -m pip install --no-deps --no-build-isolation -e .
	@touch $@

# A name on the PATH can be a shim that does not start: ask each to run.
define find_python
	for python in $(PYTHON) python3 python3.12 python3.11 python3.10 \
	        python3.9 python3.8 none; do \
	    if [ $$python = none ]; then \
	        echo 'No Python $(OLDEST) to $(NEWEST) with venv was found;' \
	            'name one: make setup PYTHON=/path/to/python' >&2; exit 1; fi; \
	    "$$python" -c 'import sys, venv, ensurepip; v = sys.version_info[:2]; \
	        low, high = "$(OLDEST) $(NEWEST)".split(); \
	        key = lambda text: tuple(map(int, text.split("."))); \
	        sys.exit(not key(low) <= v <= key(high))' 2>/dev/null && break; \
	done
endef

clean:
	rm -rf .venv .venv-classic build site *.egg-info work_dirs \
	    .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help demo test lint docs setup clean
