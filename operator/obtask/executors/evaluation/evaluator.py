"""Owns the operator's side of evaluating expressions: asks processes apart, and replaces those that are gone."""

import asyncio
import json
import pickle
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from obtask.executors.evaluation.limits import CPU_SECONDS, LENGTH, MEBIBYTES, OUT_OF_MEMORY, PROCESSES, WALL_SECONDS
from obtask.rules.expressions import ExpressionFault, Vocabulary

Holds = Callable[[Vocabulary, str, Mapping[str, Any]], Awaitable[bool | ExpressionFault]]
"""Says whether an expression holds for variables, or why that cannot be told: rules.expressions.holds, carried out somewhere."""

# Isolated: neither the current folder nor the environment of the operator, with its credentials, is any of its business.
COMMAND = (sys.executable, "-I", "-m", "obtask.executors.evaluation.process")

TOO_LONG = ExpressionFault(f"takes more than {CPU_SECONDS} s to evaluate", exceeded=True)
TOO_LARGE = ExpressionFault(f"takes more than {MEBIBYTES} MiB to evaluate", exceeded=True)
TOO_DEEP = ExpressionFault("what it looks at is nested too deeply", exceeded=True)


@dataclass(frozen=True, slots=True)
class _Died:
    """The process ended without an answer, for a reason that need not be the question's."""

    code: int


class Evaluator:
    """Evaluates expressions in processes apart, which are started when they are first needed. Belongs to one event loop."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(PROCESSES)
        self._idle: list[Process] = []

    async def holds(self, vocabulary: Vocabulary, text: str, variables: Mapping[str, Any]) -> bool | ExpressionFault:
        """Return whether the expression holds for the variables, or why that cannot be told: too much time or memory, too."""
        try:
            question = pickle.dumps((vocabulary.value, text, dict(variables)))
        except RecursionError:
            return TOO_DEEP
        async with self._slots:
            try:
                answer = await self._put(question)
                if isinstance(answer, _Died):
                    # Somebody may have ended an idle process, a machine short of memory for example.
                    answer = await self._put(question)
            except OSError as error:
                return ExpressionFault(f"cannot be evaluated now: {error}")
        return ExpressionFault(f"the evaluation ended with code {answer.code}", exceeded=True) if isinstance(answer, _Died) else answer

    async def close(self) -> None:
        """End the processes."""
        while self._idle:
            await _end(self._idle.pop())

    async def _put(self, question: bytes) -> bool | ExpressionFault | _Died:
        """Put a question to a process; one that was not heard out would give its answer to the next question, and is ended."""
        process = self._idle.pop() if self._idle else await _started()
        try:
            async with asyncio.timeout(WALL_SECONDS):
                answer = await _ask(process, question)
        except (asyncio.IncompleteReadError, ConnectionError):
            return _verdict(await process.wait())
        except TimeoutError:
            await _end(process)
            return TOO_LONG
        except BaseException:
            await _end(process)
            raise
        self._idle.append(process)
        return answer


def _verdict(code: int) -> ExpressionFault | _Died:
    if code == -signal.SIGXCPU:
        return TOO_LONG
    # A library that gets no memory aborts.
    return TOO_LARGE if code in (OUT_OF_MEMORY, -signal.SIGABRT) else _Died(code)


async def _started() -> Process:
    # In a session of its own: a signal to the operator's group is not meant for it. It ends when nobody can ask any more.
    return await asyncio.create_subprocess_exec(*COMMAND, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, start_new_session=True)


async def _ask(process: Process, question: bytes) -> bool | ExpressionFault:
    if process.stdin is None or process.stdout is None:
        raise TypeError("the process has no pipes")
    process.stdin.write(LENGTH.pack(len(question)) + question)
    await process.stdin.drain()
    size = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))[0]
    said = json.loads(await process.stdout.readexactly(size))
    return said if isinstance(said, bool) else ExpressionFault(said["fault"])


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
