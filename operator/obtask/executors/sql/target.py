"""Owns one attempt's conversation with its server: the Secret, connecting, statements, their log, and masking."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from obtask.executors.base import Log
from obtask.executors.connections.connection import Connection, SqlSource
from obtask.executors.connections.overrides import sql_target
from obtask.executors.evaluation.evaluator import Variables
from obtask.executors.network.large_answers import Share
from obtask.executors.network.lookup import HostPolicy
from obtask.executors.sql import words
from obtask.executors.sql.answers import Result, SqlFault, SqlFaultKind, Zone, variables, zone_of
from obtask.executors.sql.session import TOO_LONG, SqlSession, connect
from obtask.executors.sql.statements import bind, identify, in_general, literal_text, program
from obtask.executors.sql.wire import CONNECT_SECONDS
from obtask.masking import sql as redaction
from obtask.masking.secrets import Parts, masked, without_end
from obtask.model.actions import SqlAction
from obtask.model.attempt import Attempt, Failed
from obtask.model.connections import ConnectionRef
from obtask.model.constraints import Scalar
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason
from obtask.model.values import OPENING
from obtask.rules.sql_text import placeholders

LONGEST_SECONDS = 8 * 24 * 3600  # for an attempt without a deadline
LONGEST_TEXT = 4096  # what a server says is cut to this before it is searched for secrets
GRACE_SECONDS = 10  # the server's own limit expires after ours, so that the reason shown is Timeout
# Syntax and rights: the same statement gets the same answer until a person has changed something.
HOPELESS = frozenset({TOO_LONG, "1044", "1045", "1064", "1142", "1143", "1149", "1227", "1370", "1698"})
SECONDS_PER_HOST = 5.0  # with several hosts, one that does not answer must leave time for the others
REFUSALS = frozenset({"1044", "1045", "1049"})  # about the user or the database: the other hosts would say the same


class SqlConversation:
    """One attempt's connection; after a loss it can be opened again."""

    def __init__(
        self,
        attempt: Attempt,
        action: SqlAction,
        ref: ConnectionRef,
        secret_args: Mapping[str, str],
        *,
        source: SqlSource,
        log: Log,
        clock: Callable[[], datetime],
        confirmed: Callable[[], Awaitable[None]],
        hosts: HostPolicy,
        share: Share,
    ) -> None:
        self._attempt = attempt
        self._action = action
        self._ref = ref
        self._source = source
        self._log = log
        self._clock = clock
        self._confirmed = confirmed
        self._hosts = hosts
        self._share = share
        self._session: SqlSession | None = None
        self._args: Mapping[str, Scalar] = {**action.args, **secret_args}
        asked = {name for text in _texts(action) for name in placeholders(text)}
        self.discreet = not asked.isdisjoint(secret_args)
        """True when statements contain values from Secrets: SQL can transform them into something that no mask recognises."""
        self._secrets: set[str] = set()
        for text in _texts(action):
            self._hide(*self._secrets_of(text))
        for value in secret_args.values():
            # A server may echo the literal, in which quotes and backslashes are doubled.
            self._hide(value, *(literal_text(value, backslash_escapes=escapes)[1:-1] for escapes in (True, False)))
        self._parts = Parts(secret_args.values())

    @property
    def lost(self) -> bool:
        """True when there is no connection."""
        return self._session is None or self._session.closed

    @property
    def in_transaction(self) -> bool:
        """True when what the last statements did is not committed."""
        return self._session is not None and self._session.in_transaction

    async def open(self) -> Failed | None:
        """Connect, and identify the session; return why that failed, if it did."""
        await self.close()
        secret = await self._source.connection(self._attempt.namespace, self._ref.secret_name)
        target = secret if isinstance(secret, Failed) else sql_target(self._ref, secret)
        if isinstance(target, Failed):
            return target
        self._hide(target.password)
        database = self._action.database or target.database
        name = program(self._attempt)
        found = await dial(target, self._log.write, database=database, program=name, hosts=self._hosts, share=self._share)
        if isinstance(found, SqlFault):
            return self._refused(found)
        self._session = found
        self._log.write(f"connected to {found.host}:{target.port} as {target.user}{found.security}, session {found.number}")
        return await self._introduce(found)

    async def close(self) -> None:
        """Close the connection, if there is one."""
        self.forget()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def forget(self) -> None:
        """Release the last result: the memory that it occupies may be given to others."""
        self._share.leave()

    async def ask(self, label: str, statement: str, *, quiet: bool = False) -> Result | SqlFault:
        """Run a statement with the action's args. It is logged with its duration, unless ``quiet``: for polling."""
        if self._session is None:
            return SqlFault(SqlFaultKind.LOST, "no connection")
        self.forget()
        if not quiet:
            self._log.write(f"{label}: {redaction.masked_statement(statement)}")
        await self._confirmed()
        began = self._clock()
        answer = await self._session.execute(bind(statement, self._args, self._session.escape, self._attempt.values))
        took = f"{(self._clock() - began).total_seconds() * 1000:.0f} ms"
        if isinstance(answer, SqlFault):
            answer = self._cleaned(answer, statement)
            self._log.write(f"{label}: failed after {took}: {_numbered(answer)}")
        elif not quiet:
            self._log.write(f"{label}: {words.counted(answer)}, {took}{_kept(answer)}")
        return answer

    async def variables(self, result: Result) -> Variables:
        """Return the variables that an expression sees; the server is asked for its time zone where that matters."""
        zone = Zone() if self._session is None else await zone_of(result, self._session.execute)
        return partial(variables, result, zone)

    def shown(self, result: Result) -> str:
        """Return a short form of a result, without values that may be derived from secrets; not masked yet."""
        return words.counted(result) if self.discreet else words.shown(result)

    def clean(self, text: str) -> str:
        """Return the text on one line with secrets masked, cut to 4 KiB."""
        shown = self._parts.mask(masked(redaction.masked_statement(text[:LONGEST_TEXT]), self._secrets))
        return one_line(shown if len(text) <= LONGEST_TEXT else without_end(shown, self._secrets))

    def failed(self, label: str, fault: SqlFault, *, asking: bool = False) -> Failed:
        """Return the attempt's failure for a fault. ``asking``: the statement changes nothing, so that a retry is safe."""
        if fault.kind is SqlFaultKind.STATEMENT:
            hopeless = fault.code in HOPELESS
            return Failed(FailureReason.SQL_ERROR, self.clean(f"{label}: {_numbered(fault)}"), fault.code, permanent=hopeless)
        text = f"connection lost during {label}: its outcome is unknown ({fault.message})"
        return Failed(FailureReason.CONNECTION_FAILED, self.clean(text), fault.code, permanent=not asking)

    async def _introduce(self, found: SqlSession) -> Failed | None:
        answer = await found.execute(identify(self._attempt, found.escape))
        if isinstance(answer, SqlFault):
            return self._refused(answer)
        # OceanBase stops every statement after 10 s, and every transaction (a statement is one, too) after 100 s in some versions, unless
        # told otherwise; other servers do not know the variables, and may say so.
        limit = self._seconds_left() * 1_000_000
        answer = await found.execute(f"SET ob_query_timeout = {limit}, ob_trx_timeout = {limit}")
        return self._refused(answer) if isinstance(answer, SqlFault) and answer.kind is not SqlFaultKind.STATEMENT else None

    def _seconds_left(self) -> int:
        if self._attempt.deadline is None:
            return LONGEST_SECONDS
        return max(1, int((self._attempt.deadline - self._clock()).total_seconds())) + GRACE_SECONDS

    def _refused(self, fault: SqlFault) -> Failed:
        reason = FailureReason.FORBIDDEN if fault.kind is SqlFaultKind.FORBIDDEN else FailureReason.CONNECTION_FAILED
        failed = Failed(reason, self.clean(fault.message), fault.code, permanent=fault.code in HOPELESS)
        self._log.write(failed.message)
        return failed

    def _cleaned(self, fault: SqlFault, statement: str) -> SqlFault:
        """Mask the fault's message: a syntax error quotes an arbitrary part of the statement, and half a secret is not recognised."""
        message = fault.message
        if self.discreet and fault.kind is SqlFaultKind.STATEMENT:
            message = redaction.without_quoted(message)
        elif self.discreet or self._secrets_of(statement):
            message = redaction.without_echo(message)
        return SqlFault(fault.kind, self.clean(message), fault.code)

    def _secrets_of(self, text: str) -> list[str]:
        """Return the passwords and keys of a SQL text; which of its values are some shows only when they are in their places."""
        inserted = redaction.secrets_in(bind(text, {}, in_general, self._attempt.values), {}) if OPENING in text else []
        return redaction.secrets_in(text, self._args) + inserted

    def _hide(self, *secrets: str) -> None:
        for secret in secrets:
            if secret:
                self._secrets.add(secret)
                self._log.hide(secret)


def _texts(action: SqlAction) -> list[str]:
    return [*action.statements, *(query.query for query in (action.unless, action.until) if query)]


def _numbered(fault: SqlFault) -> str:
    return f"error {fault.code}: {fault.message}" if fault.code else fault.message


def _kept(result: Result) -> str:
    cut = f"; expressions see the first {len(result.rows)} rows only" if result.total > len(result.rows) else ""
    doubled = words.doubled_columns(result)
    return f"{cut}; {doubled}" if doubled else cut


def hosts_of(target: Connection) -> list[str]:
    """Return the hosts of a connection, at least one."""
    return [host for part in target.host.split(",") if (host := part.strip())] or [target.host]


async def dial(
    target: Connection, tell: Callable[[str], None], *, database: str | None, program: str, hosts: HostPolicy, share: Share
) -> SqlSession | SqlFault:
    """Return a session with the first host that accepts the login, or why none did. ``tell`` is called for each one that did not."""
    names = hosts_of(target)
    seconds = CONNECT_SECONDS if len(names) == 1 else SECONDS_PER_HOST
    faults: list[SqlFault] = []
    for name in names:
        at_host = replace(target, host=name)
        found = await connect(at_host, tell, database=database, program=program, seconds=seconds, hosts=hosts, share=share)
        if isinstance(found, SqlSession):
            return found
        if len(names) == 1 or found.kind is SqlFaultKind.FORBIDDEN or found.code in REFUSALS:
            return found
        tell(found.message)
        faults.append(found)
    return SqlFault(
        SqlFaultKind.CONNECT, f"none of {len(names)} hosts let us in: {'; '.join(fault.message for fault in faults)}", faults[-1].code
    )


async def secret_args(action: SqlAction, ref: ConnectionRef, namespace: str, source: SqlSource) -> Mapping[str, str] | Failed:
    """Return the values of ``argsFrom`` by name, or why one of them cannot be used: nothing was sent then."""
    if not action.args_from:
        return {}
    secret = await source.connection(namespace, ref.secret_name)
    target = secret if isinstance(secret, Failed) else sql_target(ref, secret)
    if isinstance(target, Failed):
        return target
    values = {}
    for name, arg in action.args_from.items():
        of = arg.secret_key_ref
        value = await source.value(namespace, of.name, of.key, target.host.split(","))
        if isinstance(value, Failed):
            return value
        values[name] = value
    return values
