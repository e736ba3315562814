"""Owns what one evaluation may take, and how questions and answers are framed."""

import struct

# An expression that people write takes milliseconds, and a few times the memory of what it looks at.
MEBIBYTES = 128
CPU_SECONDS = 1
# Only for a process that hangs without using its CPU.
WALL_SECONDS = 60.0
PROCESSES = 2

LENGTH = struct.Struct(">I")
OUT_OF_MEMORY = 3
