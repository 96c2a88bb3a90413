# `make` lists what there is. STACK=classic or STACK=onedl runs any of it on
# another set of versions, PYTHON=... names the interpreter that the
# environment is made of.
STACK ?= modern
PYTHON ?=
PYTEST_ARGS ?=
WHEELS ?=
EPOCHS ?=

ifeq ($(filter $(STACK),modern classic onedl),)
  $(error STACK is $(STACK); it can be modern, classic or onedl)
endif

VENV := $(if $(filter modern,$(STACK)),.venv,.venv-$(STACK))
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What an environment is made of; a later change of one repeats the set-up.
INPUTS := requirements/setup.sh requirements/$(STACK).txt setup.py \
	pyproject.toml interclr_plugin/version.py \
	$(if $(filter classic,$(STACK)),,requirements/common.txt)

help:
	@echo 'make demo    pre-train MoCo v2 and InterCLR on digits and compare them (EPOCHS=2)'
	@echo 'make test    run the tests (PYTEST_ARGS="-m \"not slow\"" leaves some out)'
	@echo 'make lint    check the style'
	@echo 'make docs    build the pages of docs/ into site/'
	@echo 'make setup   only make the environment, $(VENV), which all of these do'
	@echo 'make wheelhouse WHEELS=folder    fetch what make setup WHEELS=folder installs without a network'
	@echo 'make clean   remove the environments, the results and the caches'

demo: setup
	@$(BIN)/python demo/run.py $(if $(EPOCHS),--epochs $(EPOCHS) \
	    --work-dir work_dirs/demo-$(EPOCHS))

test: setup
	@test -t 1 || export COLUMNS=160; $(BIN)/python -m pytest $(PYTEST_ARGS)

lint: setup
	@$(BIN)/ruff check .

docs: $(VENV)/.docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'The pages are in site/: open site/index.html'

$(VENV)/.docs: requirements/docs.txt $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --no-deps -r requirements/docs.txt
	@touch $@

setup: $(READY)

# Nothing is repeated unless an input changed, another interpreter is asked
# for, or the one that the environment was made of is gone.
$(READY): $(INPUTS) $(shell \
	test -e $(READY) && $(BIN)/python -c '' 2> /dev/null && \
	{ test -z '$(PYTHON)' || test "$$(cat $(READY))" = '$(PYTHON)'; } \
	|| echo anew)
	@PYTHON='$(PYTHON)' WHEELS='$(WHEELS)' requirements/setup.sh $(STACK) $(VENV)

# For machines without a network that have PyTorch, whose wheels are left out:
# the same system, and a Python of the same version as PYTHON here. torchvision
# fits one release of PyTorch: TORCHVISION=0.24.1 for 2.9.1, and so on.
TORCHVISION ?= $(shell sed -n 's/^torchvision==//p' requirements/common.txt)
wheelhouse:
	@test -n '$(WHEELS)' || { echo 'error: name the folder: make wheelhouse WHEELS=folder' >&2; exit 1; }
	@mkdir -p '$(WHEELS)'
	@for file in common $(STACK); do \
	    sed '/^torch/d' requirements/$$file.txt > '$(WHEELS)'/$$file.txt; done
	@$(or $(PYTHON),python3) -m pip wheel --quiet --no-deps \
	    --wheel-dir '$(WHEELS)' -r '$(WHEELS)/$(STACK).txt' \
	    torchvision==$(TORCHVISION)
	@du -sh '$(WHEELS)'

anew:

clean:
	@rm -rf .venv .venv-classic .venv-onedl build site *.egg-info work_dirs \
	    .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help demo test lint docs setup wheelhouse clean anew
