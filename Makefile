# What runs without `make matrix`, and what of it `make test` runs
USUAL = not whole and not modern and not one_node
FAST = $(USUAL) and not (external or resilience or compatibility or compiled or slow or plain_asyncio) and (smoke or not both_composes) and not serial
FUZZ_SECONDS = 20
# What starts composectl as a process runs once more with several that serve.
WITH_WORKERS = $(USUAL) and not (both_composes or plain_asyncio or serial)
SAMPLE =

.PHONY: help demo check test test-all test-compiled test-rest release-check dist try-wheel newest-python audit lint venv bench picture fuzz stories matrix man

help:
	@echo "make demo      ten replicas of examples/echo behind its port"
	@echo "make check     lint and the unit tests, in two minutes"
	@echo "make test      lint and the tests on a real Docker Engine, in ten minutes"
	@echo "make test-compiled  the tests of the proxy in its compiled form, in ten minutes"
	@echo "make test-all  every test: both Composes, failures under load, tools of others, the compiled form"
	@echo "make release-check  every test, the whole matrix, and the failures under load at full length"
	@echo "make dist      the source distribution and the wheels, compiled and pure"
	@echo "make lint      ruff, mypy, import-linter"
	@echo "make audit     known vulnerabilities in what requirements/*.txt pins"
	@echo "make fuzz      an hour and a half of odd bytes for the proxy, the control API and x-balance"
	@echo "make bench     the proxy beside nginx, HAProxy, Go and Caddy, in a quarter of an hour"
	@echo "make stories   what Docker may do under 100,000 requests, and what is lost"
	@echo "make matrix    shapes of projects in three Composes on two engines, and a table of what came of it"
	@echo "make man       docs/composectl.1 and docs/reference/cli.md, from what the commands declare"
	@echo "make picture   docs/images/table*.svg, dashboard.png and day.svg, from real runs"

demo: venv
	@scripts/with-engine scripts/demo

check: lint
	@scripts/run-tests "$(FAST)" tests/unit tests/fuzz

test: lint
	@scripts/curl
	@scripts/compose-v1
	@scripts/compose-v2
	@scripts/with-engine scripts/run-tests "$(FAST)" tests

test-all: test test-rest try-wheel newest-python audit

# The proxy and the balancing in their compiled form
test-compiled: venv
	@scripts/wheels
	@scripts/compiled
	@PYTHONPATH=$(CURDIR)/.tools/compiled:$(CURDIR) scripts/run-tests "$(USUAL) and not interpreted" tests/unit/proxy tests/unit/balance -o pythonpath= $(SAMPLE)

# All that `make test` leaves out
test-rest: test-compiled
	@scripts/curl
	@scripts/compose-v1
	@scripts/compose-v2
	@scripts/compose-2.26
	@scripts/external
	@scripts/fuzz $(FUZZ_SECONDS)
	@COMPOSECTL_TIMES_EXAMPLES=4 scripts/run-tests "$(USUAL)" tests/unit/balance
	@scripts/with-engine scripts/run-tests "$(USUAL) and not ($(FAST))" tests $(SAMPLE)
	@COMPOSECTL_TESTED_WORKERS=2 scripts/with-engine scripts/run-tests "$(WITH_WORKERS)" tests/integration tests/e2e $(SAMPLE)
	@if [ "$$(id -u)" = 0 ]; then scripts/with-engine --modern scripts/run-tests "(smoke or modern) and not one_node" tests/compatibility && \
	scripts/with-engine --swarm scripts/run-tests "one_node and not whole" tests/compatibility; \
	else echo "not root: no test runs on a modern engine, or in a swarm" >&2; fi

release-check: test-all matrix stories

dist: venv
	@scripts/dist

try-wheel: dist
	@scripts/try-wheel

audit: venv
	@scripts/audit

newest-python: venv
	@scripts/newest-python
	@VENV=.tools/newest-python/venv scripts/run-tests "$(USUAL)" tests/unit

lint: venv
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports

fuzz: venv
	@COMPOSECTL_TIMES_EXAMPLES=100 .venv/bin/pytest tests/unit/proxy/test_odd_requests.py tests/unit/proxy/test_odd_responses.py
	@scripts/fuzz 900

bench: venv
	@bench/run

stories: venv
	@scripts/stories

matrix: venv
	@scripts/matrix

picture: venv
	@scripts/compose-v2
	@scripts/with-engine scripts/picture
	@scripts/with-engine scripts/table-pictures
	@scripts/with-engine scripts/dashboard-picture
	@scripts/with-engine scripts/day-picture

man: venv
	@scripts/man
	@scripts/reference

venv:
	@scripts/venv
