"""Each file of the corpus, be it written by hand or found by the fuzzer, is judged in every run of the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import judge_commands, judge_http2, judge_requests, judge_responses, judge_x_balance

CORPUS = Path(__file__).parent / "corpus"
JUDGES = {
    "requests": judge_requests.judge_blindly,
    "responses": judge_responses.judge_blindly,
    "commands": judge_commands.judge_blindly,
    "x_balance": judge_x_balance.judge_blindly,
    **judge_http2.JUDGES,
}
CASES = [(judge, file) for kind, judge in JUDGES.items() for file in sorted((CORPUS / kind).iterdir())]


@pytest.mark.parametrize(("judge", "file"), CASES, ids=[f"{file.parent.name}/{file.name}" for _, file in CASES])
def test_the_corpus_is_read_as_its_judge_reads_it(judge: Callable[[bytes], None], file: Path) -> None:
    judge(file.read_bytes())
