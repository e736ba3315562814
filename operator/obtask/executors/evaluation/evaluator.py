"""Owns the operator's side of evaluating expressions: asks the evaluation processes, and replaces those that have died."""

import asyncio
import pickle
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from obtask.executors.evaluation.pipe import LENGTH, OUT_OF_MEMORY, PROCESSES, TOO_DEEP, TOO_LARGE, TOO_LONG, WALL_SECONDS, read
from obtask.model.action_expressions import expressions as texts_of
from obtask.model.actions import Action
from obtask.model.attempt import Failed
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason
from obtask.model.values import mentioned
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind, Gives, Question, Vocabulary, question_about, short
from obtask.shares import Slots

Variables = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
"""The variables of an expression, or a ``functools.partial`` that makes them: in the process apart, so that an answer is parsed there."""


class Expressions(Protocol):
    """Answers questions about expressions, with a fair share for each namespace."""

    async def fault(self, namespace: str, question: Question) -> ExpressionFault | None:
        """Return why the expression does not compile, or None. Raises OSError when nobody can tell now."""

    async def holds(self, namespace: str, vocabulary: Vocabulary, text: str, variables: Variables) -> bool | ExpressionFault:
        """Return whether the expression holds for the variables, or why that cannot be told."""

    async def shown(self, namespace: str, vocabulary: Vocabulary, text: str, variables: Variables) -> str | ExpressionFault:
        """Return the text of at most 4,096 characters that the expression gives for the variables, or why it gives none."""

    async def value(self, namespace: str, vocabulary: Vocabulary, text: str, variables: Variables) -> Any:
        """Return the value that the expression gives for the variables, as JSON-ready data, or an ExpressionFault."""


async def first_fault(expressions: Expressions, namespace: str, action: Action, variables: Mapping[str, Any]) -> Failed | None:
    """Return the first expression of an action that does not compile, as the end of an attempt that has done nothing.

    ``variables``: those of values that the attempt has.
    """
    scope = frozenset(variables)
    for path, text in texts_of(action):
        try:
            wrong = await expressions.fault(namespace, question_about(action, path, text, mentioned(text) & scope))
        except OSError as error:
            return Failed(FailureReason.INVALID_EXPRESSION, one_line(f"{path} cannot be checked now: {error}; nothing was done"))
        if wrong is not None:
            message = f"{path}: {wrong.message}: {short(text)}; nothing was done"
            return Failed(FailureReason.INVALID_EXPRESSION, one_line(message), permanent=wrong.is_final())
    return None


# Isolated (-I): neither the working directory nor the operator's environment, with its credentials, is visible to it.
COMMAND = (sys.executable, "-I", "-m", "obtask.executors.evaluation.process")

# An expression that goes on for ever uses its CPU: this process got none.
NO_TIME = ExpressionFault(f"cannot be evaluated now: no answer within {WALL_SECONDS:g} s", ExpressionFaultKind.UNAVAILABLE)
NO_ANSWER = ExpressionFault("has no answer", ExpressionFaultKind.TYPE)
KILLED = frozenset({-signal.SIGKILL, -signal.SIGTERM})  # by the kernel, short of memory, or by a person: not what an expression does


@dataclass(frozen=True, slots=True)
class _Died:
    """The process ended without an answer."""

    code: int


class Evaluator:
    """Compiles and evaluates in processes apart, which are started when they are first needed. Belongs to one event loop."""

    def __init__(self) -> None:
        self._slots = Slots(PROCESSES)
        self._idle: list[Process] = []

    async def fault(self, namespace: str, question: Question) -> ExpressionFault | None:
        """Return why the expression does not compile, or None: too much time or memory, too. Raises OSError when nobody can tell now."""
        answer = await self._asked(namespace, (question.vocabulary, question.gives, question.text, question.scope))
        if isinstance(answer, ExpressionFault) and answer.kind is ExpressionFaultKind.UNAVAILABLE:
            raise OSError(answer.message)
        return answer if isinstance(answer, ExpressionFault) else None

    async def holds(self, namespace: str, vocabulary: Vocabulary, text: str, variables: Variables) -> bool | ExpressionFault:
        """Return whether the expression holds for the variables, or why that cannot be told: too much time or memory, too."""
        answer = await self._evaluated(namespace, vocabulary, Gives.CONDITION, text, variables)
        return answer if isinstance(answer, bool | ExpressionFault) else NO_ANSWER

    async def shown(self, namespace: str, vocabulary: Vocabulary, text: str, variables: Variables) -> str | ExpressionFault:
        """Return the text that the expression gives for the variables, or why it gives none: too much time or memory, too."""
        answer = await self._evaluated(namespace, vocabulary, Gives.TEXT, text, variables)
        return answer if isinstance(answer, str | ExpressionFault) else NO_ANSWER

    async def value(self, namespace: str, vocabulary: Vocabulary, text: str, variables: Variables) -> Any:
        """Return the value that the expression gives, or why it gives none, an ExpressionFault: too much time or memory, too."""
        return await self._evaluated(namespace, vocabulary, Gives.VALUE, text, variables)

    async def _evaluated(self, namespace: str, vocabulary: Vocabulary, gives: Gives, text: str, variables: Variables) -> Any:
        try:
            return await self._asked(namespace, (vocabulary, gives, text, frozenset(), variables))
        except RecursionError:
            return TOO_DEEP
        except OSError as error:
            return ExpressionFault(f"cannot be evaluated now: {error}", ExpressionFaultKind.UNAVAILABLE)

    async def close(self) -> None:
        """End the processes."""
        while self._idle:
            await _end(self._idle.pop())

    async def _asked(self, namespace: str, parts: tuple[Any, ...]) -> Any:
        """Put a question to a process that may have answered others; only one that has not is blamed on the question when it ends."""
        async with self._slots.of(namespace):
            question = pickle.dumps(parts)  # not before: those that wait for their turn would hold as many copies of what they look at
            answer = await self._put(self._idle.pop(), question) if self._idle else _Died(0)
            if isinstance(answer, _Died):
                answer = await self._put(await _started(), question)
        return _blamed(answer.code) if isinstance(answer, _Died) else answer

    async def _put(self, process: Process, question: bytes) -> Any:
        """Put a question to a process; one that was not heard out would give its answer to the next question, and is ended."""
        try:
            async with asyncio.timeout(WALL_SECONDS):
                answer = await _ask(process, question)
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await process.wait()
            # The time of earlier questions does not count, so that this is the question's own.
            return TOO_LONG if code == -signal.SIGXCPU else _Died(code)
        except TimeoutError:
            await _end(process)
            return NO_TIME
        except BaseException:
            await _end(process)
            raise
        self._idle.append(process)
        return answer


def _blamed(code: int) -> ExpressionFault:
    # A library that gets no memory aborts.
    if code in (OUT_OF_MEMORY, -signal.SIGABRT):
        return TOO_LARGE
    if code in KILLED:
        return ExpressionFault(
            f"cannot be evaluated now: the evaluation was ended by somebody (signal {-code})", ExpressionFaultKind.UNAVAILABLE
        )
    return ExpressionFault(f"the evaluation ended with code {code}", ExpressionFaultKind.EXCEEDED)


async def _started() -> Process:
    # In a session of its own, so that signals to the operator's group do not reach it. It ends when the pipe is closed.
    return await asyncio.create_subprocess_exec(*COMMAND, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, start_new_session=True)


async def _ask(process: Process, question: bytes) -> Any:
    if process.stdin is None or process.stdout is None:
        raise TypeError("the process has no pipes")
    process.stdin.write(LENGTH.pack(len(question)) + question)
    await process.stdin.drain()
    size = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))[0]
    return read(await process.stdout.readexactly(size))


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
