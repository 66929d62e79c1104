# Set-up, demo, its site and tests. Each target does all of its own set-up in .venv; PYTHON=python3.12 picks another interpreter.

PYTHON ?= python3
BIN := .venv/bin
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
INSTALLED := .venv/.installed
PEERS := .venv/.peers-installed

CHROMIUM := .venv/.chromium-looked-for
SLURM := .venv/.slurm-looked-for

.PHONY: setup demo site docs lint test quick wheels interface bench bench-quick clean

setup: $(INSTALLED)

PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

# torch first and alone: its pinned build is then there before other requirements are resolved
$(INSTALLED): pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
	@echo "set-up: 3 steps, 3 to 8 minutes"
	@echo "1/3  an environment for Python packages in .venv, of `$(PYTHON) --version` (seconds)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "2/3  torch, the largest of them (1 to 3 minutes)"
	@$(PIP) install --progress-bar on -c constraints.txt torch
	@echo "3/3  what plmtasks, its plugins and their tests need, as constraints.txt pins it: 150 packages (2 to 5 minutes)"
	@$(PIP) install --progress-bar on -c constraints.txt -e '.[run,store,dev]' $(PLUGINS:%=-e ./%)
	@touch $@
	@echo "set up; this shell knows the command plmtasks after:  . $(BIN)/activate"

# trains and evaluates the built-in tiny models on every task's sample data
demo: setup
	$(BIN)/python -m plmtasks demo

# the demo's results as pages, shown in a browser; needs no network
site: setup
	test -d demo/results || $(BIN)/python -m plmtasks demo
	$(BIN)/python -m plmtasks leaderboard demo/results --site site --open

# the site's tests use Debian's Chromium; where it cannot be installed, they are skipped and say so
$(CHROMIUM): $(INSTALLED)
	command -v chromium >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
		echo "chromium could not be installed: the site's tests are skipped"
	touch $@

# tests bring up a Slurm of their own in network namespaces; where its packages cannot be installed, they are skipped and say so
$(SLURM): $(INSTALLED)
	command -v slurmctld >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			slurmctld slurmd slurm-client munge iproute2 >/dev/null; } || \
		echo "Slurm could not be installed: its tests are skipped"
	touch $@

# the documentation as pages, in build/docs
docs: setup
	$(BIN)/mkdocs build --strict

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -n 2
	$(BIN)/lint-imports

# two test processes of one thread each; the tests of a file stay together, and the dear files do not come last. They start hundreds
# of processes, which compile nothing that one before them did, whatever the shell says of it
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: lint $(CHROMIUM) $(SLURM)
	$(PYTEST)

# what takes less than a second each: for while one writes
quick: setup
	$(PYTEST) -q -m "not slow and not network"

# wheels of the core and of every plugin, in dist/; what an earlier build left behind would be in them too
wheels: setup
	rm -rf dist build $(PLUGINS:%=%/build)
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist . $(PLUGINS:%=./%)
	rm -rf build $(PLUGINS:%=%/build)

# the record of the public interface, which the change log is compared with (docs/plugins/stability.md)
interface: setup
	$(BIN)/python tests/interface.py

# what plmtasks is compared with
$(PEERS): $(INSTALLED) benchmarks/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r benchmarks/requirements.txt
	touch $@

# the table of comparisons, in under two hours on two cores; ROW=name measures one row
bench: $(PEERS)
	$(BIN)/python benchmarks/run.py $(ROW)

# part of the work of a cheap half of the rows, in under ten minutes
bench-quick: $(PEERS)
	$(BIN)/python benchmarks/run.py --quick $(ROW)

clean:
	rm -rf .venv site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name '*.egg-info' -type d -prune -exec rm -rf {} +
