.PHONY: help demo test lint venv bench picture

help:
	@echo "make demo      ten replicas of examples/echo behind its port"
	@echo "make test      everything, from lint to end-to-end on a real Docker Engine"
	@echo "make lint      ruff, mypy, import-linter"
	@echo "make bench     the proxy beside nginx"
	@echo "make picture   docs/table.svg, from a real run"

demo: venv
	@scripts/with-engine scripts/demo

test: lint
	@scripts/compose-v1
	@scripts/compose-v2
	@scripts/with-engine .venv/bin/pytest

lint: venv
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports

bench: venv
	@bench/run

picture: venv
	@scripts/compose-v2
	@scripts/with-engine scripts/picture

venv:
	@scripts/venv
