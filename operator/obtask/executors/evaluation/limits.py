"""Owns what one evaluation may take, and how questions and answers are framed."""

import struct

# An expression that people write takes milliseconds and kilobytes.
MEBIBYTES = 256
CPU_SECONDS = 2
# Only for a process that hangs without using its CPU.
WALL_SECONDS = 60.0

LENGTH = struct.Struct(">I")
