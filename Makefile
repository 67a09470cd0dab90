# The menu is what `make` prints; each line of it is the comment behind a target.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
TESTS  := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile
PIP    := $(BIN)/python -m pip -qq --disable-pip-version-check

# One environment serves the demo and the tests. The package is installed in place, so a change in src/ needs no
# second installation; these files say what is installed, and only a change of pyproject.toml makes them stale.
RUN_READY  := $(VENV)/.ready-to-run
TEST_READY := $(VENV)/.ready-to-test

# Where the training of retrato-mini works, and the emoji art it draws (licences in mini/LICENCES.md).
WORK         ?= mini/work
NODE_MODULES ?= $(WORK)/node_modules
EMOJI        := @iconify-json/noto@1.2.9 @iconify-json/fluent-emoji-flat@1.2.6 @lobehub/fluent-emoji-3d@1.1.0
export NODE_MODULES

.PHONY: menu demo test test-all check docs bench browser chromium emoji mini
.DEFAULT_GOAL := menu

menu:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUN_READY)  ## learn a person from the bundled photos and draw them: demo/report.html
	$(BIN)/retrato demo --out demo

# Several files of tests at once, each in one process with one thread: the small models of tests gain nothing by more.
# `make test PYTEST="-n 0 -k name"` runs them one by one.
test test-all: export OMP_NUM_THREADS = 1
test: $(TEST_READY)  ## run the tests, but for a few that take long
	$(TESTS) -m "not slow" $(PYTEST)

test-all: $(TEST_READY)  ## run all tests, as CI does
	$(TESTS) $(PYTEST)

check: $(TEST_READY)  ## lint, formatting, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(TEST_READY)  ## write the pages that follow from the code anew, then the site: site/index.html
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

bench: $(RUN_READY)  ## time the main job and print a line for benchmarks/RESULTS.md
	$(BIN)/python benchmarks/main_job.py

browser: $(TEST_READY) chromium  ## test the studio in a browser; pictures of it: tests/browser/screenshots
	$(BIN)/python -m pytest tests/browser $(PYTEST)

# Debian's own browser, where there is none yet. Without it `make test` leaves the tests in a browser out, and says so.
chromium:
	@command -v chromium >/dev/null || { $(AS_ROOT) apt-get update -qq && $(AS_ROOT) apt-get install -qq -y --no-install-recommends chromium; }

# The dataset is the same each time it is drawn and each training goes on where it stopped, so after an interruption
# the same command goes on. What the steps do stands at the top of each file in mini/.
mini: $(TEST_READY) emoji  ## train retrato-mini again, from drawings to a model folder: hours
	$(BIN)/python -m mini.dataset 24000 --work $(WORK)
	$(BIN)/python -m mini.dataset 10000 --per-person 5 --work $(WORK)/people
	$(BIN)/python -m mini.tokens --work $(WORK)
	$(BIN)/python -m mini.train_autoencoder --work $(WORK)
	$(BIN)/python -m mini.encode --work $(WORK)
	$(BIN)/python -m mini.train_diffusion --work $(WORK)
	$(BIN)/python -m mini.export --work $(WORK) --out $(WORK)/draft
	$(BIN)/python -m mini.train_decoder --model $(WORK)/draft --work $(WORK)
	$(BIN)/python -m mini.train_scorer --work $(WORK)
	$(BIN)/python -m mini.train_captioner --work $(WORK)
	$(BIN)/python -m mini.dataset 16000 --hard --work $(WORK)/hard
	$(BIN)/python -m mini.train_judge --work $(WORK)
	cp $(WORK)/judge.safetensors mini/judge.safetensors
	$(BIN)/python -m mini.export --work $(WORK) --out src/retrato/model/mini
	$(BIN)/python -m mini.evaluate --model src/retrato/model/mini

$(RUN_READY): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("$(PYTHON) is Python %d.%d, retrato needs 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.12" % v[:2])'
	@echo "Installing retrato, torch and diffusers into $(VENV): once, minutes"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"
	$(PIP) install --editable .
	@touch $@

$(TEST_READY): $(RUN_READY)
	$(PIP) install --group dev
	@touch $@

# The drawings of emoji. Without them `make test-all` leaves the test of these steps out, and says so.
emoji: $(NODE_MODULES)

$(NODE_MODULES):
	npm install --no-fund --no-audit --ignore-scripts --prefix $(dir $@) $(EMOJI)
