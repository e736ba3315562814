"""Owns the order of an http action: request, expect, until. API.md section 2.1."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from yarl import URL

from obtask.executors.base import Executor, Log
from obtask.executors.connections.connection import HttpSecretSource
from obtask.executors.dependencies import Dependencies
from obtask.executors.evaluation.evaluator import Expressions, first_fault
from obtask.executors.http.answers import HttpAnswer, HttpRefused, Unreached, variables
from obtask.executors.http.requests import (
    OWN_HEADERS,
    PLAIN_WARNING,
    Request,
    host_header_refusal,
    identity_headers,
    parsed,
    request,
    secret_headers,
)
from obtask.executors.http.target import HttpConversation
from obtask.executors.http.words import shown
from obtask.executors.inprocess import Reporter
from obtask.executors.network.large_answers import LargeAnswers
from obtask.executors.network.lookup import HostPolicy, share_of
from obtask.executors.network.sessions import close_session, open_session
from obtask.executors.until import Arrived, Judge, pauses, tell
from obtask.masking import http as redaction
from obtask.masking.body import secrets_of
from obtask.masking.words import SHORT
from obtask.model.actions import HttpAction, HttpUntil
from obtask.model.attempt import Attempt, Failed, Outcome, Succeeded
from obtask.model.contract import HttpMethod
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason
from obtask.rules.expressions import ExpressionFault, Vocabulary, short

POLL_SECONDS = 30.0
LONGEST_SENT = 4 * 1024 * 1024  # of which a megabyte is kept: chunks, headers and interim answers count, too


class HttpWork:
    """Carries out http actions; a ``Work`` for ``InProcess``. The deadline is the caller's business.

    ``confirmed`` is awaited before every request that may change something: it returns while no other operator can have taken over.
    """

    def __init__(
        self,
        secrets: HttpSecretSource,
        *,
        clock: Callable[[], datetime],
        confirmed: Callable[[], Awaitable[None]],
        hosts: HostPolicy,
        tls: ssl.SSLContext,
        expressions: Expressions,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        poll_seconds: float = POLL_SECONDS,
        large: LargeAnswers | None = None,
    ) -> None:
        self._secrets = secrets
        self._clock = clock
        self._confirmed = confirmed
        self._hosts = hosts
        self._tls = tls
        self._expressions = expressions
        self._sleep = sleep
        self._poll_seconds = poll_seconds
        self._large = large or LargeAnswers()

    async def __call__(self, attempt: Attempt, log: Log, report: Reporter) -> Outcome:
        """Send the attempt's request and return how it ended."""
        action = attempt.action
        if not isinstance(action, HttpAction):
            raise TypeError(f"not an http action: {type(action).__name__}")
        report.touched = False
        share = self._large.of(attempt.namespace)
        session = open_session(share_of(self._hosts, attempt.namespace), self._tls, share, LONGEST_SENT)
        try:
            conversation = HttpConversation(session, log=log, report=report, clock=self._clock, confirmed=self._confirmed, share=share)
            end = await self._carry_out(attempt, action, conversation, log, report)
        finally:
            share.leave()
            await close_session(session)
        log.write(f"failed: {end.message}" if isinstance(end, Failed) else f"succeeded: {end.message}")
        return end

    async def _carry_out(self, attempt: Attempt, action: HttpAction, conversation: HttpConversation, log: Log, report: Reporter) -> Outcome:
        urls = [parsed(text) for text in (action.url, *([action.until.url] if action.until else []))]
        usable = [url for url in urls if url is not None]
        if len(usable) < len(urls):
            return Failed(
                FailureReason.CONNECTION_FAILED, "the URL cannot be used: it names no host, or no port that there is; nothing was sent"
            )
        broken = await first_fault(self._expressions, attempt.namespace, action, attempt.variables)
        invalid = broken or _own_headers(action) or self._forbidden(action, usable)
        if invalid is not None:
            return invalid
        secret = await secret_headers(action, attempt.namespace, self._secrets, usable)
        if isinstance(secret, Failed):
            return secret
        if secret.secrets and any(url.scheme == "http" for url in usable):
            log.write(PLAIN_WARNING)
        conversation.hide(*(text for text in secrets_of(action.body) if len(text) >= SHORT), *secret.values.values())
        conversation.hide(*(secret.body.values if secret.body is not None else ()))
        who = identity_headers(attempt)
        first = request(action.method, usable[0], action, secret, who)
        poll = request(HttpMethod.GET, usable[-1], action, secret, who, with_body=False)
        for url, asked in zip((usable[0], usable[-1]), (first, poll), strict=True):
            conversation.hide(*redaction.url_secrets(url), *redaction.header_secrets(dict(asked.headers)))
        judge = Judge(self._expressions, attempt.namespace, Vocabulary.HTTP, around=attempt.variables)
        run = _HttpRun(action, conversation, log, report, sleep=report.pausing(self._sleep), judge=judge, poll_seconds=self._poll_seconds)
        return await run.carry_out(first, poll)

    def _forbidden(self, action: HttpAction, urls: Sequence[URL]) -> Failed | None:
        """Return the failure of a task whose URL or Host header names a refused host."""
        refusals = (self._hosts.refusal(url.host or "", url.port) for url in urls)
        refused = next(filter(None, refusals), None) or host_header_refusal(self._hosts, action.headers, urls)
        return Failed(FailureReason.FORBIDDEN, one_line(f"{refused}; nothing was sent")) if refused else None


def build(of: Dependencies) -> Executor:
    """Return the executor of http actions."""
    work = HttpWork(
        of.secrets,
        clock=of.operator.clock,
        confirmed=of.operator.confirmed,
        hosts=of.hosts,
        tls=of.tls,
        expressions=of.expressions,
        sleep=of.operator.sleep,
        large=of.large,
    )
    return of.in_process(work)


class _HttpRun:
    """One attempt while it runs."""

    def __init__(
        self,
        action: HttpAction,
        conversation: HttpConversation,
        log: Log,
        report: Reporter,
        *,
        sleep: Callable[[float], Awaitable[None]],
        judge: Judge,
        poll_seconds: float,
    ) -> None:
        self._action = action
        self._conversation = conversation
        self._log = log
        self._report = report
        self._sleep = sleep
        self._judge = judge
        self._poll_seconds = poll_seconds

    async def carry_out(self, first: Request, poll: Request) -> Outcome:
        answer = await self._conversation.ask(first)
        if isinstance(answer, HttpRefused):
            return Failed(FailureReason.FORBIDDEN, self._clean(answer.message))
        if isinstance(answer, Unreached):
            # The server may have acted on it: it is not repeated without a person.
            unknown = answer.sent and not first.safe
            return Failed(FailureReason.CONNECTION_FAILED, self._clean(answer.message), permanent=unknown)
        unmet = await self._unmet(answer)
        if unmet is not None:
            return unmet
        done = f"HTTP {answer.status}"
        outputs = await self._judge.outputs(self._action.outputs, partial(variables, answer))
        del answer  # it may be large, and the wait long
        if isinstance(outputs, Failed):
            return replace(outputs, message=self._clean(outputs.message))
        end = await self._until(self._action.until, poll, done) if self._action.until is not None else Succeeded(done)
        return replace(end, outputs=outputs) if isinstance(end, Succeeded) else end

    async def _unmet(self, answer: HttpAnswer) -> Failed | None:
        """Return why the answer is not what was expected."""
        code, expression = str(answer.status), self._action.expect
        if expression is None:
            return None if answer.ok else Failed(FailureReason.HTTP_STATUS, self._shown(answer), code)
        met = await self._judge.holds(expression, partial(variables, answer))
        if met is True:
            return None
        why = f"{met.message}: " if isinstance(met, ExpressionFault) else "does not hold: "
        message = self._clean(f"expect: {why}{short(expression)}; saw {self._shown(answer)}")
        if answer.stopped is not None:
            return Failed(FailureReason.HTTP_STATUS, self._shown(answer), code)
        final = isinstance(met, ExpressionFault) and met.is_final(as_expected=answer.ok)
        untold = isinstance(met, ExpressionFault) and (answer.ok or final)
        reason = FailureReason.INVALID_EXPRESSION if untold else FailureReason.EXPECTATION_NOT_MET
        return Failed(reason, message, code, permanent=final)

    async def _until(self, until: HttpUntil, poll: Request, done: str) -> Outcome:
        polled = self._conversation.clean(redaction.shown_url(poll.url))
        self._log.write(f"waiting until {until.expect}: asking every {until.interval_seconds} s: GET {polled}")
        before = ""
        for pause in pauses(until.interval_seconds, until.max_interval_seconds):
            looked = await self._look(until, poll)
            self._conversation.forget()
            if isinstance(looked, Failed):
                return looked
            if isinstance(looked, Succeeded):
                return Succeeded(one_line(f"{done}; {looked.message}"))
            seen, told = looked
            if seen != before:
                self._log.write(f"not yet: {seen}")
            tell(self._report, until, seen, told, self._clean)
            before = seen
            await self._sleep(pause)
        raise AssertionError("pauses have no end")

    async def _look(self, until: HttpUntil, poll: Request) -> Outcome | tuple[str, str | None]:
        """Poll once; return the end of the attempt, or what was seen and the task's own message about it."""
        try:
            async with asyncio.timeout(self._poll_seconds):
                answer = await self._conversation.ask(poll, quiet=True)
        except TimeoutError:
            return f"no answer within {self._poll_seconds:g} s", None
        if isinstance(answer, HttpRefused):
            return Failed(FailureReason.FORBIDDEN, self._clean(answer.message))
        if isinstance(answer, Unreached):
            return self._clean(answer.message), None
        seen = self._shown(answer)
        found = await self._judge.look(until, partial(variables, answer), seen, as_expected=answer.ok)
        if isinstance(found, Arrived):
            return Succeeded(seen)
        if isinstance(found, Failed):
            return replace(found, message=self._clean(found.message))
        # The resource may not exist yet: no reason to give up on a request that was carried out.
        return self._clean(f"{seen} ({found.note})") if found.note and answer.ok else seen, found.text

    def _shown(self, answer: HttpAnswer) -> str:
        return self._clean(shown(answer, self._conversation.beginning))

    def _clean(self, text: str) -> str:
        return one_line(self._conversation.clean(text))


def _own_headers(action: HttpAction) -> Failed | None:
    """Return the failure of a task that sets a header it may not set, before anything is sent."""
    if any(header.name.strip().lower() == "host" for header in action.headers_from):
        return Failed(FailureReason.FORBIDDEN, 'header "Host" cannot come from a Secret, where nobody sees it; nothing was sent')
    for name in [*action.headers, *(header.name for header in action.headers_from)]:
        if name.lower() in OWN_HEADERS:
            return Failed(FailureReason.FORBIDDEN, one_line(f'header "{name}" is set by the HTTP client itself; nothing was sent'))
    return None
