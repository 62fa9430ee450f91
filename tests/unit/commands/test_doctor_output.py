"""What was found, as lines and as JSON."""

import json

from composectl.commands.doctor import Check, are_well, as_json, as_text

WELL = Check("compose", True, "`docker compose` 2.40.3")
MISSING = Check("engine", False, "none answers", "start it")
LACKING = Check("ports", False, "from 1024 on", "be root", is_needed=False)


def test_each_is_a_line_with_a_mark_and_a_hint_below_it() -> None:
    assert as_text([WELL, MISSING], "utf-8") == (
        "✓ compose  `docker compose` 2.40.3\n✗ engine   none answers\n           hint: start it\n"
    )


def test_where_the_marks_cannot_be_written_others_stand() -> None:
    for encoding in ("ascii", "latin-1", "unheard-of"):
        assert as_text([WELL, MISSING], encoding).startswith("+ compose  `docker compose` 2.40.3\n- engine ")


def test_h18_texts_of_others_cannot_steer_the_terminal() -> None:
    lying = Check("engine", False, "20.10\x1b[2J\n✓ compose", "\x1b]0;title\x07do\n")
    assert as_text([lying], "utf-8") == "✗ engine  20.10 ✓ compose\n          hint: do \n"


def test_only_what_is_needed_must_be_well() -> None:
    assert are_well([WELL, LACKING])
    assert not are_well([WELL, MISSING])


def test_the_keys_for_machines() -> None:
    payload = json.loads(json.dumps(as_json([WELL, MISSING, LACKING])))
    assert (payload["version"], payload["is_well"]) == (1, False)
    assert payload["checks"][1:] == [
        {"what": "engine", "is_well": False, "found": "none answers", "hint": "start it", "is_needed": True},
        {"what": "ports", "is_well": False, "found": "from 1024 on", "hint": "be root", "is_needed": False},
    ]
