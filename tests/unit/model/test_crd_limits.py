"""How long texts are cut so that the largest task fits."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.largest import LONG_TEXT, largest_spec, largest_status

from obtask.model.limits import MESSAGE_CHARACTERS, OBJECT_BYTES, message_room, one_line, stored_bytes
from obtask.model.printable import printable
from obtask.model.reasons import FailureReason


@pytest.mark.parametrize("action", ["job", "obshell", "resource"])
@pytest.mark.parametrize(("steps", "subtasks"), [(8, 64), (64, 8), (4, 64), (64, 5), (6, 64), (64, 7)])
def test_largest_status_fits(steps: int, subtasks: int, action: str) -> None:
    """512 subtasks, all of them failed with the longest of everything, take less than 512 KiB together with their spec; fewer do, too."""
    written = {"spec": largest_spec(steps, subtasks), "status": largest_status(steps, subtasks, action).dump()}

    text = json.dumps(written, ensure_ascii=False, separators=(",", ":"))
    assert len(text.encode()) + 5 * (text.count("<") + text.count(">")) < OBJECT_BYTES


@given(text=st.text(max_size=2000), room=st.integers(3, 4000))
def test_one_line_fits(text: str, room: int) -> None:
    """Whatever a target answers, its message is one line within both limits, and is whole if it fits."""
    line = one_line(text, room=room)

    assert len(line) <= MESSAGE_CHARACTERS
    assert stored_bytes(line) <= room
    assert len(line.splitlines()) <= 1
    whole = printable(" ".join(text.split()))
    assert line == whole or line.endswith("…")


def test_cut_line_uses_its_room() -> None:
    """A line is cut no shorter than needed: of 128 bytes at most one character is lost."""
    assert stored_bytes(one_line(LONG_TEXT, room=message_room(512))) > message_room(512) - 6


def test_small_tasks_keep_whole_messages() -> None:
    """Up to 128 subtasks a message may have its 512 characters."""
    assert one_line("m" * MESSAGE_CHARACTERS, room=message_room(128)) == "m" * MESSAGE_CHARACTERS


def test_failed_subtask_cuts_its_message() -> None:
    """A failure with an endless message still makes a status that can be stored."""
    failed = largest_status(1, 1).failed_subtask

    assert failed is not None
    assert failed.reason is FailureReason.EXPECTATION_NOT_MET
    assert len(failed.message) == MESSAGE_CHARACTERS
