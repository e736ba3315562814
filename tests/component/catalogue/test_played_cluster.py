"""The played cluster itself: what passes on to the real server, what its rules do, and whom it lets in."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from tests.component.catalogue.relay import relay
from tests.component.catalogue.stage import Fault, How, Stage
from tests.component.catalogue.stand import PASSWORD
from tests.support.local import LOCAL

from devcluster.ports import LOOPBACK
from devcluster.sqlserver import SqlServer
from obtask.executors.connections.connection import Connection, Tls
from obtask.executors.sql.answers import Result, SqlFault, SqlFaultKind
from obtask.executors.sql.session import SqlSession, connect

ALTER = "ALTER RESOURCE UNIT `u_orders` MAX_CPU = 8, MIN_CPU = 4,\n MEMORY_SIZE = 8589934592, LOG_DISK_SIZE = 25769803776"
MAX_CPU = "SELECT MAX_CPU FROM oceanbase.DBA_OB_UNIT_CONFIGS WHERE NAME = 'u_orders'"


@dataclass(frozen=True)
class Played:
    """The cluster, how to reach it, and a session there."""

    stage: Stage
    target: Connection
    session: SqlSession


async def opened(target: Connection) -> SqlSession:
    """Log in."""
    session = await connect(target, lambda _: None, hosts=LOCAL)
    assert isinstance(session, SqlSession), session
    return session


@pytest.fixture
async def played(seekdb: SqlServer) -> AsyncIterator[Played]:
    """Return a played cluster."""
    admin = await opened(Connection(seekdb.host, seekdb.port, seekdb.user, seekdb.password))
    stage = Stage(admin, "stage_alone", PASSWORD)
    await stage.build()
    await stage.reset()
    async with relay(seekdb, stage) as port:
        target = Connection(LOOPBACK, port, "root@sys", PASSWORD, tls=Tls.DISABLED)
        session = await opened(target)
        yield Played(stage, target, session)
        await session.close()
    await stage.drop()
    await admin.close()


async def test_a_statement_changes_what_queries_see(played: Played) -> None:
    """The rule of a statement changes the rows, however the statement is laid out; the answer has the types of the real server."""
    before = await played.session.run(MAX_CPU)
    assert isinstance(await played.session.run(ALTER), Result)
    after = await played.session.run(MAX_CPU)

    assert isinstance(before, Result)
    assert isinstance(after, Result)
    assert [str(rows[0][0]) for rows in (before.rows, after.rows)] == ["4.00", "8.00"]
    assert played.stage.changes == [" ".join(ALTER.split())]


async def test_what_no_rule_knows_is_an_error(played: Played) -> None:
    """Neither a statement without a rule nor a query that the real parser refuses gets an answer, nor a view that nobody described."""
    answers = [await played.session.run(sql) for sql in ("ALTER TENANT x LOCK", "SELECT FROM", "SELECT 1 FROM oceanbase.NO_VIEW")]

    assert [answer.code for answer in answers if isinstance(answer, SqlFault)] == ["1064", "1064", "1146"]


async def test_a_rule_refuses(played: Played) -> None:
    """A statement that the cluster cannot carry out ends in the error of the rule, and changes nothing."""
    refused = await played.session.run(ALTER.replace("u_orders", "u_none"))

    assert isinstance(refused, SqlFault)
    assert (refused.code, refused.message) == ("4649", "resource unit 'u_none' not exist")
    assert played.stage.changes == []


async def test_the_cluster_goes_on_by_itself(played: Played) -> None:
    """What a statement starts goes on with each pause, and comes to its end."""
    counted = "SELECT COUNT(*) FROM oceanbase.GV$OB_TABLET_COMPACTION_PROGRESS"
    await played.session.run("ALTER SYSTEM MINOR FREEZE TENANT = 'orders'")
    seen = []
    while played.stage.busy:
        seen.append((await played.stage.ask(counted))[0][0])
        await played.stage.pause()

    assert [*seen, (await played.stage.ask(counted))[0][0]] == [3, 2, 0]


async def test_only_who_knows_the_password_comes_in(played: Played) -> None:
    """Another password than that of the user is refused, as a server refuses it."""
    played.stage.passwords["root@orders"] = ""
    refused = await connect(replace(played.target, password="wrong"), lambda _: None, hosts=LOCAL)  # noqa: S106
    other = await opened(replace(played.target, user="root@orders", password=""))

    assert isinstance(refused, SqlFault)
    assert refused.code == "1045"
    await other.close()


async def test_an_answer_is_lost(played: Played) -> None:
    """The planned fault strikes the step that it is for: the statement is carried out, and nobody learns it."""
    played.stage.faults = [Fault("resize", How.LOST)]
    await played.session.run("SET @OBTASK_STEP='resize', @OBTASK_DIRECTION='Forward'")
    asked = await played.session.run(MAX_CPU)
    lost = await played.session.run(ALTER)

    assert isinstance(asked, Result)
    assert isinstance(lost, SqlFault)
    assert lost.kind is SqlFaultKind.LOST
    assert str((await played.stage.ask(MAX_CPU))[0][0]) == "8.00"
