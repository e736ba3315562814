"""Owns what both sides of the pipe to an evaluation process know: the limits of one expression, and the framing of messages.

A module of its own because the operator's side must not import CEL, which the process does.
"""

import struct

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

LENGTH = struct.Struct(">I")
OUT_OF_MEMORY = 3

TOO_LONG = ExpressionFault(f"takes more than {CPU_SECONDS} s of CPU", ExpressionFaultKind.EXCEEDED)
TOO_LARGE = ExpressionFault(f"takes more than {MEBIBYTES} MiB of memory", ExpressionFaultKind.EXCEEDED)
TOO_DEEP = ExpressionFault("what it looks at is nested too deeply", ExpressionFaultKind.EXCEEDED)
