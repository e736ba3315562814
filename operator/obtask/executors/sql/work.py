"""Owns the order of a sql action: unless, statements, expect, until. API.md section 2.1."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any

from obtask.executors.base import Executor, Log
from obtask.executors.connections.connection import SqlSource
from obtask.executors.dependencies import Dependencies
from obtask.executors.evaluation.evaluator import Expressions, first_fault
from obtask.executors.inprocess import Reporter
from obtask.executors.network.large_answers import LargeAnswers
from obtask.executors.network.lookup import ANYWHERE, HostPolicy, share_of
from obtask.executors.sql import words
from obtask.executors.sql.answers import Result, SqlFault, SqlFaultKind
from obtask.executors.sql.target import SqlConversation, secret_args
from obtask.executors.until import Arrived, Judge, NotYet, pauses, tell, untold
from obtask.masking.sql import masked_statement
from obtask.model.actions import SqlAction, SqlUnless, SqlUntil
from obtask.model.attempt import Attempt, Failed, Outcome, Succeeded
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason
from obtask.rules.expressions import ExpressionFault, Vocabulary, short
from obtask.rules.sql_faults import missing_args, session_state, sql_faults
from obtask.rules.sql_values import value_faults

SHOWN_STATEMENT = 80
UNCOMMITTED = "transaction left open: the server rolls back what it changed when the connection is closed; end the statements with COMMIT"


class SqlWork:
    """Carries out sql actions; a ``Work`` for ``InProcess``. The deadline is the caller's business.

    ``confirmed`` is awaited before every statement: it returns while no other operator can have taken over.
    """

    def __init__(
        self,
        connections: SqlSource,
        *,
        clock: Callable[[], datetime],
        confirmed: Callable[[], Awaitable[None]],
        expressions: Expressions,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        hosts: HostPolicy = ANYWHERE,
        large: LargeAnswers | None = None,
    ) -> None:
        self._confirmed = confirmed
        self._expressions = expressions
        self._hosts = hosts
        self._large = large or LargeAnswers()
        self._connections = connections
        self._clock = clock
        self._sleep = sleep

    async def __call__(self, attempt: Attempt, log: Log, report: Reporter) -> Outcome:
        """Run the attempt's statements and return how it ended."""
        action = attempt.action
        if not isinstance(action, SqlAction):
            raise TypeError(f"not a sql action: {type(action).__name__}")
        report.touched = False
        ref = action.connection or attempt.connection
        if ref is None:
            return Failed(FailureReason.NOT_FOUND, "no connection: set spec.connection or sql.connection")
        secrets = await secret_args(action, ref, attempt.namespace, self._connections)
        if isinstance(secrets, Failed):
            log.write(f"failed: {secrets.message}")
            return secrets
        wrong = _invalid(action, attempt.values)
        if wrong is not None:
            log.write(f"failed: {wrong.message}")
            return wrong
        conversation = SqlConversation(
            attempt,
            action,
            ref,
            secrets,
            source=self._connections,
            log=log,
            clock=self._clock,
            confirmed=self._confirmed,
            hosts=share_of(self._hosts, attempt.namespace),
            share=self._large.of(attempt.namespace),
        )
        end: Outcome | None = await first_fault(self._expressions, attempt.namespace, action, attempt.variables)
        if end is None:
            # A connection whose state is needed is not closed to make room for others: its attempt keeps its slot instead.
            pause = self._sleep if session_state(action) else report.pausing(self._sleep, conversation.close)
            try:
                judge = Judge(self._expressions, attempt.namespace, Vocabulary.SQL, conversation.discreet, attempt.variables)
                end = await _SqlRun(action, conversation, log, report, sleep=pause, judge=judge).carry_out()
            finally:
                await conversation.close()
        log.write(f"failed: {end.message}" if isinstance(end, Failed) else f"succeeded: {end.message}")
        return end


def build(of: Dependencies) -> Executor:
    """Return the executor of sql actions."""
    operator = of.operator
    work = SqlWork(
        of.secrets,
        clock=operator.clock,
        confirmed=operator.confirmed,
        expressions=of.expressions,
        sleep=operator.sleep,
        hosts=of.hosts,
        large=of.large,
    )
    return of.in_process(work)


class _SqlRun:
    """One attempt while it runs."""

    def __init__(
        self,
        action: SqlAction,
        conversation: SqlConversation,
        log: Log,
        report: Reporter,
        *,
        sleep: Callable[[float], Awaitable[None]],
        judge: Judge,
    ) -> None:
        self._action = action
        self._conversation = conversation
        self._log = log
        self._tell = report
        self._sleep = sleep
        self._judge = judge
        self._ignored: list[str] = []

    async def carry_out(self) -> Outcome:
        self._report("connecting")
        refused = await self._conversation.open()
        if refused is not None:
            return refused
        early = await self._unless(self._action.unless) if self._action.unless is not None else None
        self._conversation.forget()
        if early is not None:
            return early
        last = await self._statements()
        if isinstance(last, Failed):
            return last
        if self._action.expect is not None:
            unmet = await self._expect(self._action.expect, last)
            if unmet is not None:
                return unmet
        outputs = await self._outputs(last)
        del last  # it may be large, and the wait long
        if isinstance(outputs, Failed):
            return outputs
        end = await self._until(self._action.until) if self._action.until is not None else Succeeded(self._done())
        return replace(end, outputs=outputs) if isinstance(end, Succeeded) else end

    async def _outputs(self, last: Result) -> dict[str, Any] | Failed:
        if not self._action.outputs:
            return {}
        found = await self._judge.outputs(self._action.outputs, await self._conversation.variables(last))
        return replace(found, message=self._conversation.clean(found.message)) if isinstance(found, Failed) else found

    async def _unless(self, unless: SqlUnless) -> Outcome | None:
        answer = await self._ask("the query of unless", unless.query)
        if isinstance(answer, SqlFault):
            return self._conversation.failed("the query of unless", answer, asking=True)
        done = await self._holds("unless.expect", unless.expect, answer)
        if isinstance(done, Failed):
            return done
        hint = words.of_expression(unless.expect, answer)
        if hint is not None and not done:
            self._log.write(f"unless.expect does not hold: {hint}")
        if not done:
            return None
        outputs = await self._outputs(answer)
        return outputs if isinstance(outputs, Failed) else Succeeded("already done", outputs=outputs)

    async def _statements(self) -> Result | Failed:
        """Run them all; the list is never empty."""
        number = len(self._action.statements)
        last = Result((), (), 0, 0)
        for position, statement in enumerate(self._action.statements, 1):
            label = f"statement {position} of {number}"
            self._tell.touched = True
            answer = await self._ask(label, statement)
            if isinstance(answer, SqlFault) and not self._is_ignored(answer):
                return words.of_failure(statement, self._conversation.failed(label, answer))
            if isinstance(answer, SqlFault):
                self._ignored.append(f"error {answer.code} of {label} counts as success")
                self._log.write(f"{self._ignored[-1]}: it is in ignoreErrors")
                answer = Result((), (), 0, 0)
            last = answer
        return Failed(FailureReason.SQL_ERROR, UNCOMMITTED, permanent=True) if self._conversation.in_transaction else last

    def _is_ignored(self, fault: SqlFault) -> bool:
        return fault.kind is SqlFaultKind.STATEMENT and not self._conversation.lost and int(fault.code or 0) in self._action.ignore_errors

    async def _expect(self, expression: str, last: Result) -> Failed | None:
        met = await self._holds("expect", expression, last)
        if isinstance(met, Failed):
            return met
        message = f"expect does not hold: {short(expression)}; saw {self._conversation.shown(last)}"
        failed = Failed(FailureReason.EXPECTATION_NOT_MET, self._conversation.clean(message))
        return None if met else words.with_hint(failed, words.of_expression(expression, last))

    async def _until(self, until: SqlUntil) -> Outcome:
        self._log.write(f"waiting until {until.expect}: asking every {until.interval_seconds} s: {masked_statement(until.query)}")
        before = ""
        for pause in pauses(until.interval_seconds, until.max_interval_seconds):
            looked = await self._look(until)
            self._conversation.forget()
            if isinstance(looked, Succeeded | Failed):
                return looked
            seen, told = looked
            if seen != before:
                self._log.write(f"not yet: {seen}")
            tell(self._tell, until, seen, told, self._conversation.clean)
            before = seen
            await self._sleep(pause)
        raise AssertionError("pauses have no end")

    async def _look(self, until: SqlUntil) -> Outcome | tuple[str, str | None]:
        """Poll once; return the end of the attempt, or what was seen and the task's own message about it."""
        answer: Result | SqlFault | Failed = await self._ask_here(until.query)
        if isinstance(answer, SqlFault) and answer.kind is SqlFaultKind.LOST:
            lacking = session_state(self._action)
            if lacking is not None:
                return self._stranded(answer, lacking)
            answer = await self._conversation.open() or await self._ask_here(until.query)
        if isinstance(answer, Failed):
            return answer if answer.reason is FailureReason.FORBIDDEN else (answer.message, None)
        if isinstance(answer, SqlFault):
            if answer.kind is SqlFaultKind.LOST:
                return self._conversation.clean(answer.message), None
            return self._conversation.failed("the query of until", answer, asking=True)
        seen = self._conversation.clean(self._conversation.shown(answer))
        found = await self._judge.look(until, await self._conversation.variables(answer), seen)
        hint = words.of_expression(until.expect, answer)
        match found:
            case Arrived():
                return Succeeded(f"{self._done()}; {seen}")
            case Failed():
                failed = replace(found, message=self._conversation.clean(found.message))
                return words.with_hint(failed, hint or words.of_fault(failed.message, answer))
            case NotYet(note=note, text=told):
                # rows[0] of no rows: nothing is there yet, which needs no explanation
                notes = "; ".join(filter(None, (note if answer.total else None, hint)))
                return self._conversation.clean(f"{seen} ({notes})" if notes else seen), told

    async def _ask_here(self, query: str) -> Result | SqlFault:
        """Poll over the existing connection, which may have been idle for long."""
        if self._conversation.lost:
            return SqlFault(SqlFaultKind.LOST, "it was closed")
        return await self._conversation.ask("the query of until", query, quiet=True)

    def _stranded(self, fault: SqlFault, lacking: str) -> Failed:
        text = f"connection lost while waiting, after {self._done()} ran: a new one would lack {lacking} ({fault.message})"
        return Failed(FailureReason.CONNECTION_FAILED, self._conversation.clean(text), fault.code)

    async def _ask(self, label: str, statement: str) -> Result | SqlFault:
        self._report(f"{label} is running: {one_line(masked_statement(statement), SHOWN_STATEMENT)}")
        return await self._conversation.ask(label, statement)

    async def _holds(self, field: str, expression: str, result: Result) -> bool | Failed:
        answer = await self._judge.holds(expression, await self._conversation.variables(result))
        if not isinstance(answer, ExpressionFault):
            return answer
        failed = untold(field, answer, expression, self._conversation.shown(result))
        return words.with_hint(replace(failed, message=self._conversation.clean(failed.message)), words.of_fault(failed.message, result))

    def _done(self) -> str:
        return "; ".join([_counted(self._action.statements), *self._ignored])

    def _report(self, text: str) -> None:
        self._tell(self._conversation.clean(text))


def _invalid(action: SqlAction, values: Mapping[str, Any]) -> Failed | None:
    """Return what is wrong with the action itself, before anything runs."""
    for field, fault in chain(sql_faults(action, computed=bool(values)), missing_args(action), value_faults(action, values)):
        text = one_line(f"{_label(field, len(action.statements))}: {fault}; nothing was run")
        return Failed(FailureReason.INVALID_EXPRESSION, text)
    return None


def _label(field: str, statements: int) -> str:
    """Return the name of a field as people know it: statement 2 of 3, the query of until."""
    if field.startswith("statements["):
        return f"statement {int(field.removeprefix('statements[').removesuffix(']')) + 1} of {statements}"
    return f"the query of {field.removesuffix('.query')}" if field.endswith(".query") else field


def _counted(statements: list[str]) -> str:
    count = "1 statement" if len(statements) == 1 else f"{len(statements)} statements"
    nothing = words.comments_alone(statements)
    return f"{count}; {nothing}" if nothing else count
