"""Owns what compiling or evaluating one expression may take, and how questions and answers are framed."""

import struct

# An expression that people write takes milliseconds, and a few times the memory of what it looks at.
MEBIBYTES = 128
CPU_SECONDS = 1  # counted by the kernel in whole seconds: up to 2 may pass
# Only for a process that hangs without using its CPU.
WALL_SECONDS = 60.0
PROCESSES = 2
FILES = 4  # the three pipes, and one more at a time
NICENESS = 5

LENGTH = struct.Struct(">I")
OUT_OF_MEMORY = 3
