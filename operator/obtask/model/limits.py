"""Owns how much a task may say, so that the largest stays below 512 KiB in the API server. A part of the contract; API.md section 3."""

import json
from bisect import bisect_right
from typing import Final

from obtask.model.printable import printable

MESSAGE_CHARACTERS: Final = 512
TAIL_LINES: Final = 20
TAIL_BYTES: Final = 2048
CONDITION_CHARACTERS: Final = 4096
OBJECT_BYTES: Final = 512 * 1024
EXPRESSIONS_BYTES: Final = 64 * 1024  # all expressions of a task together: about 0.4 s of compiling
SPEC_BYTES: Final = 256 * 1024  # as the API server sends it: API.md section 2.2
DEEPEST_SPEC: Final = 64  # levels of objects and lists, the spec itself being the first
STATUS_BYTES: Final = 2 * OBJECT_BYTES  # what no operator writes
STAGE_CHARACTERS: Final = 64
EXTERNAL_CHARACTERS: Final = 56  # an obshell task of an agent with an IPv6 address has 45 and its number

# What all subtasks of a task may store together. The rest of the 512 KiB is for the spec, and for the names, times and
# references of the subtasks, some 800 bytes each: of many subtasks they leave less.
MESSAGES_BYTES: Final = 64 * 1024
TAILS_BYTES: Final = 32 * 1024
MANY: Final = 256
MESSAGES_LESS, TAILS_LESS = 128, 112  # bytes for each subtask above that

# What resource steps keep for restore: of one object, and of all of a task.
KEPT_OBJECT_BYTES: Final = 256 * 1024
KEPT_BYTES: Final = 16 * 1024 * 1024

# Each operator that has to make what another one only recorded adds its own.
NONCE_DIGESTS: Final = 8

# What is remembered of the commands of a task: how many, in how many bytes, and how much of each text.
HISTORY_ENTRIES: Final = 20
HISTORY_BYTES: Final = 6 * 1024
HISTORY_VERB_CHARACTERS: Final = 32
HISTORY_USER_CHARACTERS: Final = 253
HISTORY_REASON_CHARACTERS: Final = 128

# What actions give away: how many values, and how many bytes as JSON: of one value, and of all that a task stores.
OUTPUTS: Final = 16
OUTPUT_BYTES: Final = 4 * 1024
STORED_VALUES_BYTES: Final = 64 * 1024  # outputs, and the items of forEach
VALUES_LESS: Final = 64  # bytes for each subtask above MANY, which leave less room
ITEM_SHOWN_BYTES: Final = 256

STEPS: Final = 64
FOR_EACH_ITEMS: Final = 64
FOR_EACH_NAME: Final = 60  # its subtasks are named NAME-63 at most
PARALLEL_SUBTASKS: Final = 64
SUBTASKS: Final = 512  # of all steps
BLOCKERS: Final = 10  # that are shown, of the tasks in the way
PARAMETERS: Final = 64  # of a template, and of a task
PARAMETERS_BYTES: Final = 16 * 1024  # the values of a task as JSON, those that the template has as defaults among them
PATTERNS_CHARACTERS: Final = 2048  # of all parameters of a template
ATTEMPT_SECONDS: Final = 604800  # a week: of a step, and of a wait

CUT: Final = "…"


def message_room(subtasks: int) -> int:
    """Return how many bytes the message of each subtask may take in a task of that many subtasks."""
    return (MESSAGES_BYTES - MESSAGES_LESS * max(0, subtasks - MANY)) // subtasks


def tail_room(subtasks: int) -> int:
    """Return how many bytes the log tail of each subtask may take; what is longer belongs in a ConfigMap."""
    return (TAILS_BYTES - TAILS_LESS * max(0, subtasks - MANY)) // subtasks


def values_room(subtasks: int) -> int:
    """Return how many bytes the outputs and items of a task of that many subtasks may take."""
    return STORED_VALUES_BYTES - VALUES_LESS * max(0, subtasks - MANY)


def kept_room(subtasks: int) -> int:
    """Return how many bytes each of that many subtasks may keep for restore."""
    return min(KEPT_OBJECT_BYTES, KEPT_BYTES // max(subtasks, 1))


def stored_bytes(text: str) -> int:
    """Return how many bytes a text takes in the API server, which stores JSON and escapes what HTML could mistake."""
    escaped = sum(text.count(character) for character in "<>&\u2028\u2029")
    return len(json.dumps(text, ensure_ascii=False).encode(errors="replace")) + 5 * escaped - 2


def one_line(text: str, characters: int = MESSAGE_CHARACTERS, room: int | None = None) -> str:
    """Return the text as one printable line of at most that many characters and, if `room` is given, stored bytes."""
    line = printable(" ".join(text.split()))
    if len(line) <= characters and (room is None or stored_bytes(line) <= room):
        return line
    end = min(len(line), characters - len(CUT))
    if room is not None:
        end = bisect_right(range(end + 1), room - stored_bytes(CUT), key=lambda length: stored_bytes(line[:length])) - 1
    return line[: max(end, 0)] + CUT


def cut_in_the_middle(text: str, characters: int) -> str:
    """Return the text in at most that many characters: of a longer one its beginning, which says what failed, and its end: why."""
    if len(text) <= characters:
        return text
    before = (characters - len(CUT)) * 2 // 5
    after = characters - len(CUT) - before
    return f"{text[:before]}{CUT}{text[len(text) - after :]}"


def last_lines(text: str | None, room: int) -> str | None:
    """Return the last whole lines of a text that take at most that many bytes; None if there are none."""
    if text is None or stored_bytes(text) <= room:
        return text
    kept: list[str] = []
    for line in reversed(text.splitlines()):
        room -= stored_bytes(line) + len("\\n")
        if room < 0:
            break
        kept.append(line)
    return "\n".join(reversed(kept)) or None
