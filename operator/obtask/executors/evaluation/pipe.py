"""Owns what both sides of the pipe to an evaluation process know: the limits of one expression, how answers are written, and the framing.

A module of its own because the operator's side must not import CEL, which the process does.
"""

import json
import struct
from typing import Any

from obtask.model.values import Identifier
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind

# An expression that people write takes milliseconds, and a few times the memory of what it looks at.
MEBIBYTES = 128
CPU_SECONDS = 1  # counted by the kernel in whole seconds: up to 2 may pass
# Only for a process that hangs without using its CPU.
WALL_SECONDS = 60.0
PROCESSES = 2
ELEMENTS = 10_000  # of the library, which has no setting for it
FILES = 4  # the three pipes, and one more at a time
NICENESS = 5
LONGEST_TEXT = 4096  # characters of a text for people
LARGEST_VALUE = 256 * 1024  # bytes as JSON

LENGTH = struct.Struct(">I")
OUT_OF_MEMORY = 3

TOO_LONG = ExpressionFault(f"takes more than {CPU_SECONDS} s of CPU", ExpressionFaultKind.EXCEEDED)
TOO_LARGE = ExpressionFault(f"takes more than {MEBIBYTES} MiB of memory", ExpressionFaultKind.EXCEEDED)
TOO_DEEP = ExpressionFault("what it looks at is nested too deeply", ExpressionFaultKind.EXCEEDED)


def written(answer: Any) -> bytes:
    """Return an answer as it is sent: a value as JSON, names, or a fault."""
    match answer:
        case ExpressionFault():
            said: Any = [answer.message, answer.kind.value]
        case Identifier(name):
            said = {"name": name}
        case [Identifier(), *_]:
            said = {"names": [one.name for one in answer]}
        case _:
            said = {"answer": answer}
    return json.dumps(said).encode()


def read(octets: bytes) -> Any:
    """Return the answer that was sent."""
    match json.loads(octets):
        case [message, kind]:
            return ExpressionFault(message, ExpressionFaultKind(kind))
        case {"name": name}:
            return Identifier(name)
        case {"names": names}:
            return [Identifier(name) for name in names]
        case {"answer": answer}:
            return answer
        case _:
            raise ValueError("an evaluation process has an answer of its own")
