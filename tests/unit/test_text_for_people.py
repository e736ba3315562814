"""What others wrote reaches status, Events and the operator's log without control characters, overrides and forged lines."""

import json
import logging
from typing import Any

import pytest
from tests.support.builders import a_task, failed
from tests.support.world import World

from obtask.model.limits import one_line
from obtask.model.printable import printable, printable_lines
from obtask.model.status import TaskStatus
from obtask.process_log import JsonFormatter, TextFormatter
from obtask.rules.lock_keys import holder_name
from obtask.rules.observation import Taken

ODD = "a\x1b[31m\x07b\u202ec\u200bd\r\n2026-11-23T12:00:00Z forged\x85e\u2028f\x00g\x9bh"
NONE_OF = set("\x1b\x07\u202e\u200b\r\x85\u2028\x00\x9b")


def texts(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Return every text in JSON-ready data, with the name of its field."""
    match value:
        case str():
            return [(name, value)]
        case dict():
            return [found for key, inner in value.items() for found in texts(inner, key)]
        case list():
            return [found for inner in value for found in texts(inner, name)]
        case _:
            return []


def shows_nothing_odd(status: TaskStatus) -> None:
    """Fail if a text of the status could move a cursor, turn text around or begin a line."""
    for name, text in texts(status.dump()):
        assert not NONE_OF & set(text), (name, text)
        assert name == "logTail" or "\n" not in text, (name, text)


def test_a_stranger_in_a_lease_cannot_write_on_a_terminal() -> None:
    """Who holds the Lease is named in the message, the blockers and the conditions, with what is odd escaped."""
    world = World(a_task())
    world.run()
    lost = world.record_of(Taken(ODD)).status
    world = World(a_task())
    world.lease.holder = ODD
    world.run()

    shows_nothing_odd(lost)
    shows_nothing_odd(world.status)
    assert "\\x1b[31m" in (lost.message or "")
    assert holder_name(ODD) == printable(holder_name(ODD))
    assert len(holder_name("x" * 100_000)) <= 256


def test_a_failure_cannot_write_on_a_terminal() -> None:
    """Message, code and tail come from a target; a tail keeps its lines."""
    world = World(a_task().step("s"))
    world.run()
    world.fail("s", failed(message=ODD, code=ODD), tail=f"{ODD}\n\tnext")

    shows_nothing_odd(world.status)
    stored = world.status.dump()["failedSubtask"]
    assert stored["logTail"].endswith("\n\tnext")


def test_names_that_an_author_made_up_cannot_write_on_a_terminal() -> None:
    """The fault of a spec quotes the field's name."""
    world = World(a_task().with_spec())
    world.api.body["spec"]["steps"] = [{"name": "s", "http": {"url": "http://a", "headers": {ODD: "x"}}}]
    world.api.annotate(action=ODD)
    world.run()

    assert "spec.steps[0].http.headers" in (world.status.message or "")
    shows_nothing_odd(world.status)


def test_a_line_is_one_printable_line() -> None:
    """Whatever the character, it is shown as itself, a space or an escape."""
    for code in (*range(0x10000), 0xE0041):
        line = one_line(f"a{chr(code)}b")

        assert line.isprintable(), hex(code)
        assert printable(line) == line


def test_lines_stay_lines() -> None:
    """Tabs and line breaks of a text of several lines stay, nothing else that is odd."""
    assert printable_lines("a\tb\nc\x1bd\r\ne") == "a\tb\nc\\x1bd\\x0d\ne"


def a_record(message: str) -> logging.LogRecord:
    """Return a record with an exception, both with this text."""
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int(message)
    raised = (caught.type, caught.value, caught.tb)
    return logging.LogRecord("obtask.test", logging.WARNING, __file__, 1, "%s: refused", (message,), raised)


def test_the_operators_log_has_one_line_for_each_message() -> None:
    """In both formats; the lines of a traceback stand behind a margin."""
    text = TextFormatter().format(a_record(ODD))
    document = JsonFormatter().format(a_record(ODD))

    assert not NONE_OF & set(text + document)
    first, *rest = text.split("\n")
    assert "forged" in first
    assert all(line.startswith("  | ") for line in rest)
    assert "\n" not in document
    assert "\n" not in json.loads(document)["message"]
