"""Owns telling two suspended reconciles apart: by where each function of the reconcile stands, and by what it still needs.

Two reconciles that stand at the same place and need the same values go on in the same way, however they came there. What a function needs
is what lies on its stack (half an expression, the iterator of a ``for`` loop), and the variables that an instruction from here on
loads. Which those are is told from the bytecode, on the safe side: everything that comes after this place, and the whole of every
loop around it. The stack is what the garbage collector sees of the coroutine besides its variables.
"""

import dataclasses
import dis
import gc
from collections.abc import Coroutine, Generator, Iterator, Mapping
from enum import Enum
from functools import cache
from types import BuiltinFunctionType, CellType, CodeType, CoroutineType, FunctionType
from typing import Any

from pydantic import BaseModel

from obtask.model.task import Task

Frames = tuple[tuple[object, ...], ...]

# A look at a task after a refused write, which ends the reconcile: nothing is done with the answer but to take note of it.
LOOK_AFTER_REFUSAL = ["Engine._updated", "Engine.read_again", "Tasks.get", "SuspendedRequests.send"]


def frames_of(reconcile: Coroutine[Any, Any, object]) -> Frames:
    """Return where a suspended reconcile stands."""
    found: list[tuple[object, ...]] = []
    inner: object = reconcile
    while isinstance(inner, CoroutineType) and (frame := inner.cr_frame) is not None:
        code = inner.cr_code
        variables = frame.f_locals
        needed = tuple((name, _frozen(variables[name])) for name in _needed(code, frame.f_lasti) if name in variables)
        # In this order: the coroutine's own things, last of them its code; its variables; its stack, last of it what it waits for.
        seen = gc.get_referents(inner)
        begin = len(seen) - seen[::-1].index(code) + len(variables)
        known = (variables.get("self"), inner.cr_await)
        stack = tuple(_frozen(value) for value in seen[begin:] if not any(value is one for one in known))
        found.append((code.co_qualname, frame.f_lasti, needed, stack))
        inner = inner.cr_await
    return tuple(found)


def takes_note(frames: Frames) -> bool:
    """Return whether a suspended reconcile only waits for an answer to take note of it."""
    return [frame[0] for frame in frames[-4:]] == LOOK_AFTER_REFUSAL


@cache
def _needed(code: CodeType, place: int) -> tuple[str, ...]:
    """Return the names that are loaded by an instruction that may come after this place."""
    instructions = list(dis.get_instructions(code))
    begin = place
    for one in reversed(instructions):
        if one.opcode in dis.hasjrel and isinstance(one.argval, int) and one.offset >= begin > one.argval:
            begin = one.argval
    loads = {str(one.argval) for one in instructions if one.offset >= begin and "LOAD" in one.opname}
    return tuple(sorted(loads - {"self", "__class__"}))


def _frozen(value: object) -> object:
    match value:
        case None | str() | int() | bool() | Enum():
            return value
        case Task():
            # Also one that is put together of what is about to be stored.
            return (value.metadata.model_dump_json(), value.status.model_dump_json())
        case BaseModel():
            return (type(value).__name__, value.model_dump_json())
        case Mapping():
            return tuple(sorted((str(key), _frozen(item)) for key, item in value.items()))
        case list() | tuple():
            return tuple(_frozen(item) for item in value)
        case Iterator() if not isinstance(value, Generator):
            return _frozen(value.__reduce__())
        case CellType():
            # Of a variable that has no value yet: one that has is among the variables.
            return ""
        case BuiltinFunctionType() | FunctionType(__closure__=None):
            return value.__qualname__
        case _ if dataclasses.is_dataclass(value):
            fields = (getattr(value, field.name) for field in dataclasses.fields(value))
            return (type(value).__name__, *(_frozen(item) for item in fields))
        case _:
            return repr(value) if type(value).__repr__ is not object.__repr__ else _unknown(value)


def _unknown(value: object) -> object:
    raise TypeError(f"a reconcile holds a {type(value).__name__}, and nobody can tell whether it is the same as another")
