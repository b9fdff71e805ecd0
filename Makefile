# Two commands matter: `make demo` and `make test`. Each makes its own .venv.
PYTHON ?= python3.11
DANA_PYTHON ?= 3.12
BIN := .venv/bin
SOURCES := pyproject.toml README.md LICENSE $(shell find compiler templates -type f ! -name '*.pyc')
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# pip shows its progress on a terminal, and is quiet in scripts
QUIET := $(shell test -t 2 || echo --quiet)

# Generated modules satisfy every rule of ruff, also outside this project, but for a copyright notice (CPY001),
# what the formatter or another rule contradicts (COM812, D203, D213), the parameters, which the specification
# fixes (ARG001, PLR0913), and a package around the golden modules (INP001).
GENERATED := generated $(wildcard tests/policies/*/golden)
EVERY_RULE := --isolated --line-length 110 --target-version py311 --select ALL \
	--ignore ARG001,CPY001,COM812,D203,D213,INP001,PLR0913

.PHONY: demo test check coverage reference dist wheel editable smoke format bench peers dana images lock clean site workspace

demo: .venv/installed  ## watch a drift monitor learn from labels of its alerts
	@$(BIN)/poet demo

test: .venv/developed .venv/pythons  ## the whole suite, two processes, warnings as errors
	$(BIN)/python -m pytest

coverage: .venv/developed .venv/pythons  ## the suite with line and branch coverage of compiler/, and a floor
	$(BIN)/python -m pytest --cov=compiler/poet --cov=compiler/poet_runtime --cov-report=term --cov-report=html:build/coverage

check: .venv/developed  ## lint, types, typed uses of the public names, and wording
	$(BIN)/ruff check .
	$(BIN)/ruff check $(EVERY_RULE) $(GENERATED)
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --warnings
	$(BIN)/python -m tests.language
	$(BIN)/python -m tests.structure

dist: dist/built  ## the sdist, and the wheel that is made from it

dist/built: .venv/developed $(SOURCES)
	rm -rf dist
	$(BIN)/python -m build
	@touch $@

wheel: dist  ## let .venv use the built wheel in place of the checkout, until `make editable`
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall dist/*.whl

editable: .venv/developed
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall --editable .

smoke: dist  ## the built wheel in empty environments, on every Python that is installed here
	$(BIN)/python -m tests.smoke dist/*.whl

format: .venv/developed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/developed  ## every printed guarantee, simulated; learning on real data; what calls and the log cost
	$(BIN)/python benchmarks/noise.py --save
	$(BIN)/python benchmarks/window.py --save
	$(BIN)/python benchmarks/learning.py --save
	$(BIN)/python benchmarks/scenarios.py --save
	$(BIN)/python benchmarks/call.py --save
	$(BIN)/python benchmarks/growth.py --save
	$(BIN)/python benchmarks/log.py --save
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python benchmarks/serve.py --save

peers: .venv/developed  ## compare POET with other drift detectors, each in its own environment; write docs/benchmarks.md
	$(BIN)/python -m benchmarks.peers

dana: .venv/developed  ## the seed's emits by a real Dana program; needs uv, Python 3.12 and the network
	$(BIN)/python -m tests.run_dana $(DANA_PYTHON)

images: .venv/developed  ## the pictures of the documentation; needs Debian's chromium
	$(BIN)/python -m tests.screenshots

reference: .venv/developed  ## write docs/reference/ from docstrings, commands and schemas
	$(BIN)/python docs/reference.py

site: .venv/developed  ## the documentation as pages that open offline, in build/site
	$(BIN)/python docs/reference.py --site build/docs
	$(BIN)/zensical build --strict --clean

lock: .venv/developed  ## write down the versions that the suite passed with
	$(BIN)/python -m pip freeze --exclude-editable | sort -f > requirements.lock

.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(QUIET) --constraint requirements.lock --editable ".[compiler]"
	@touch $@

.venv/developed: .venv/installed
	$(BIN)/python -m pip install $(QUIET) --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install $(QUIET) --constraint requirements.lock --group dev
	@touch $@

# Other Pythons that are installed render the golden modules too: the bytes must be the same.
.venv/pythons: .venv/installed
	@for version in 3.12 3.13 3.14; do \
	  for python in $$(command -v python$$version) "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python$$version; do \
	    "$$python" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$$version')" 2>/dev/null || continue; \
	    "$$python" -m venv .venv/python$$version && \
	    .venv/python$$version/bin/python -m pip install --quiet --constraint requirements.lock jinja2 msgspec && \
	    .venv/python$$version/bin/python -m pip install --quiet --no-deps --editable . && break; \
	    rm -rf .venv/python$$version; \
	  done; \
	done; touch $@

clean:
	rm -rf .venv build dist .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis

workspace: .venv/installed  ## write generated/ and feedback_log/demo.jsonl again, from a run of the demo
	rm -rf build/demo && USER=demo $(BIN)/poet demo build/demo
	$(BIN)/python -c "from pathlib import Path; from poet.log import export_jsonl, open_log; \
	export_jsonl(open_log(Path('build/demo/feedback_log')), Path('feedback_log/demo.jsonl'))"
	rm -rf generated && cp -r build/demo/generated generated && rm -f generated/.lock
