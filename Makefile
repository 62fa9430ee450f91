.PHONY: help demo test lint venv bench picture fuzz stories matrix man

help:
	@echo "make demo      ten replicas of examples/echo behind its port"
	@echo "make test      everything, from lint to end-to-end on a real Docker Engine"
	@echo "make lint      ruff, mypy, import-linter"
	@echo "make fuzz      an hour of odd bytes on both sides of the proxy"
	@echo "make bench     the proxy beside nginx, HAProxy, Go and Caddy, in a quarter of an hour"
	@echo "make stories   what Docker may do under 100,000 requests, and what is lost"
	@echo "make matrix    shapes of projects in three Composes on two engines, and a table of what came of it"
	@echo "make man       docs/composectl.1 and docs/reference/cli.md, from what the commands declare"
	@echo "make picture   docs/images/table.svg and docs/images/dashboard.png, from real runs"

demo: venv
	@scripts/with-engine scripts/demo

test: lint
	@scripts/compose-v1
	@scripts/compose-v2
	@scripts/compose-2.26
	@scripts/external
	@scripts/fuzz 20
	@scripts/with-engine .venv/bin/pytest
	@if [ "$$(id -u)" = 0 ]; then scripts/with-engine --modern .venv/bin/pytest -m 'smoke or modern' tests/compatibility; \
	else echo "not root: no test is run on a modern engine" >&2; fi
	@scripts/compiled
	@PYTHONPATH=$(CURDIR)/.tools/compiled .venv/bin/pytest -m 'not interpreted' tests/unit/proxy tests/unit/balance

lint: venv
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports

fuzz: venv
	@COMPOSECTL_TIMES_EXAMPLES=100 .venv/bin/pytest tests/unit/proxy/test_odd_requests.py tests/unit/proxy/test_odd_responses.py
	@scripts/fuzz 1200

bench: venv
	@bench/run

stories: venv
	@scripts/stories

matrix: venv
	@scripts/matrix

picture: venv
	@scripts/compose-v2
	@scripts/with-engine scripts/picture
	@scripts/with-engine scripts/dashboard-picture

man: venv
	@scripts/man
	@scripts/reference

venv:
	@scripts/venv
