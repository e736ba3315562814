"""Owns the operator's side of evaluating expressions: asks the process apart, one question at a time, and replaces it when it is gone."""

import asyncio
import json
import pickle
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from obtask.executors.evaluation.limits import CPU_SECONDS, LENGTH, MEBIBYTES, WALL_SECONDS
from obtask.rules.expressions import ExpressionFault, Vocabulary

Holds = Callable[[Vocabulary, str, Mapping[str, Any]], Awaitable[bool | ExpressionFault]]
"""Says whether an expression holds for variables, or why that cannot be told: rules.expressions.holds, carried out somewhere."""

# Isolated: neither the current folder nor the environment of the operator, with its credentials, is any of its business.
COMMAND = (sys.executable, "-I", "-m", "obtask.executors.evaluation.process")

TOO_LONG = ExpressionFault(f"takes more than {CPU_SECONDS} s to evaluate")
TOO_LARGE = ExpressionFault(f"takes more than {MEBIBYTES} MiB to evaluate")


class Evaluator:
    """Evaluates expressions in a process apart, which is started when it is first needed. Belongs to one event loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._process: Process | None = None

    async def holds(self, vocabulary: Vocabulary, text: str, variables: Mapping[str, Any]) -> bool | ExpressionFault:
        """Return whether the expression holds for the variables, or why that cannot be told: too much time or memory, too."""
        question = pickle.dumps((vocabulary.value, text, dict(variables)))
        async with self._turn:
            try:
                process, self._process = await self._running(), None
            except OSError as error:
                return ExpressionFault(f"cannot be evaluated now: {error}")
            try:
                async with asyncio.timeout(WALL_SECONDS):
                    answer = await _ask(process, question)
                self._process = process
            except (asyncio.IncompleteReadError, ConnectionError):
                answer = TOO_LONG if await process.wait() == -signal.SIGXCPU else TOO_LARGE
            except TimeoutError:
                answer = TOO_LONG
            finally:
                # One that was not heard out would give its answer to the next question.
                if self._process is None:
                    await _end(process)
            return answer

    async def close(self) -> None:
        """End the process."""
        async with self._turn:
            if self._process is not None:
                process, self._process = self._process, None
                await _end(process)

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            return await asyncio.create_subprocess_exec(*COMMAND, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={})
        return self._process


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
