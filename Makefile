# The everyday targets. Each sets up what it needs: a .venv made from requirements.txt.
PYTHON ?= python3.11
MODEL = pocket
CHAPTER =
PARAMETERS =
JOBS = $(shell nproc 2>/dev/null || echo 2)

KNOWN = PYTHON MODEL CHAPTER PARAMETERS JOBS
GIVEN = $(foreach name,$(.VARIABLES),$(if $(filter command%line,$(subst $() ,%,$(origin $(name)))),$(name)))
STRAY = $(filter-out $(KNOWN),$(GIVEN))
ifneq ($(strip $(STRAY)),)
$(error there is no variable $(strip $(STRAY)); make knows $(KNOWN))
endif

BOOK = .venv/bin/python -m lib.book
.PHONY: help book chapter test clean

help:
	@echo "make book [MODEL=…]             run every chapter, build site/<model>/index.html"
	@echo "make test                       the same set-up, then every test"
	@echo "make chapter CHAPTER=02 [MODEL=… PARAMETERS='n_sequences=8']   run one chapter"
	@echo "make clean                      remove runs/ and site/"

.venv/ready: requirements.txt pyproject.toml
	@echo "making .venv from requirements.txt"
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

book: .venv/ready
	@$(BOOK) make book --model '$(MODEL)' --parameters '$(PARAMETERS)' --jobs $(JOBS)

chapter: .venv/ready
	@$(BOOK) make chapter --chapter '$(CHAPTER)' --model '$(MODEL)' --parameters '$(PARAMETERS)' --jobs $(JOBS)

test: .venv/ready
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@$(BOOK) make book
	@.venv/bin/python -m pytest --jaxtyping-packages=lib,beartype.beartype tests
	@OMP_NUM_THREADS=1 .venv/bin/python -m tests.rerun

clean:
	rm -rf runs site
