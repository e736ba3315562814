"""Templates on the real server itself, with nothing played but the views that it lacks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio
from tests.component.catalogue.scenario import Asked, task_spec, template
from tests.component.catalogue.stand import House, Stand, shown
from tests.support.local import LOCAL

from devcluster.sqlserver import SqlServer
from obtask.executors.connections.connection import Connection
from obtask.executors.sql.answers import Result
from obtask.executors.sql.session import SqlSession, connect
from obtask.kube.api import Json
from obtask.model.contract import Phase

pytestmark = pytest.mark.asyncio(loop_scope="session")

LACKING = {
    "GV$OB_PARAMETERS": "SELECT '127.0.0.1' SVR_IP, 2882 SVR_PORT, SCOPE, NAME, VALUE, EDIT_LEVEL FROM oceanbase.V$OB_PARAMETERS",
    "GV$OB_PROCESSLIST": "SELECT ID, USER, DB, 'sys' TENANT, COMMAND, TIME FROM oceanbase.V$OB_PROCESSLIST",
    "DBA_OB_SERVERS": "SELECT '127.0.0.1' SVR_IP, 2882 SVR_PORT, 'z1' ZONE, 'ACTIVE' STATUS, NOW() START_SERVICE_TIME FROM DUAL",
    "DBA_OB_TENANTS": "SELECT 1 TENANT_ID, 'sys' TENANT_NAME FROM DUAL",
    "GV$OB_TABLET_COMPACTION_PROGRESS": "SELECT '' SVR_IP, 0 SVR_PORT, 0 TENANT_ID, '' TYPE FROM DUAL WHERE FALSE",
}
FROZEN = "SELECT MAX(FROZEN_SCN) SCN FROM oceanbase.DBA_OB_FREEZE_INFO"
MERGED = f"SELECT m.STATUS, m.LAST_SCN = f.SCN, f.SCN FROM oceanbase.DBA_OB_MAJOR_COMPACTION m, ({FROZEN}) f"
WATERMARK = "SELECT VALUE FROM oceanbase.V$OB_PARAMETERS WHERE NAME = 'trace_log_slow_query_watermark'"


class Patient(Stand):
    """An operator that really waits, if only shortly: what it waits for takes the server its time."""

    news_seconds = 240.0  # a merge

    async def _sleep(self, seconds: float) -> None:
        self.clock.forward(seconds)
        await asyncio.sleep(min(seconds, 0.5))


@dataclass(frozen=True)
class Real:
    """The server, and a session of root there."""

    house: House
    target: Connection
    admin: SqlSession

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows of a query."""
        answer = await self.admin.run(query)
        assert isinstance(answer, Result), answer
        return list(answer.rows)

    def stand(self, name: str, kind: type[Stand] = Stand) -> Stand:
        """Return an operator for one template."""
        stand = kind(self.house, template(name))
        target = self.target
        stand.secret("real", host=target.host, port=str(target.port), user=target.user, password=target.password, tls="disabled")
        return stand

    def spec(self, name: str, parameters: Json, tenant: str | None = None) -> Json:
        """Return a task of the template that goes to the server."""
        return task_spec(template(name), Asked(tenant=tenant, parameters=parameters)) | {"connection": {"secretName": "real"}}


@pytest_asyncio.fixture(loop_scope="session")
async def real(house: House, seekdb: SqlServer) -> AsyncIterator[Real]:
    """Return the real server with the views that it lacks."""
    target = Connection(seekdb.host, seekdb.port, seekdb.user, seekdb.password)
    admin = await connect(target, lambda _: None, hosts=LOCAL)
    assert isinstance(admin, SqlSession), admin
    for view, query in LACKING.items():
        assert isinstance(made := await admin.run(f"CREATE OR REPLACE VIEW oceanbase.{view} AS {query}"), Result), made
    try:
        yield Real(house, target, admin)
    finally:
        for view in LACKING:
            await admin.run(f"DROP VIEW oceanbase.{view}")
        await admin.close()


def assert_phase(stand: Stand, phase: Phase) -> None:
    """Fail with what the task says if it rests in another phase."""
    assert stand.status.phase is phase, shown(stand.status)


async def test_parameters_are_changed_and_come_back(real: Real) -> None:
    """A parameter gets its new value; when another one is refused by the server, a rollback brings the former value back."""
    [(before,)] = await real.rows(WATERMARK)
    stand = real.stand("set-cluster-parameters")
    await stand.begin("first", real.spec("set-cluster-parameters", {"parameters": {"trace_log_slow_query_watermark": "7s"}}))
    assert_phase(stand, Phase.SUCCEEDED)
    [(after,)] = await real.rows(WATERMARK)

    wrong = {"trace_log_slow_query_watermark": "9s", "syslog_level": "NO-SUCH-LEVEL"}
    await stand.begin("second", real.spec("set-cluster-parameters", {"parameters": wrong}))
    assert_phase(stand, Phase.FAILED)
    assert stand.status.failed_subtask is not None
    assert stand.status.failed_subtask.code == "4147"
    await stand.command("rollback")
    assert_phase(stand, Phase.ROLLED_BACK)
    [(rolled_back,)] = await real.rows(WATERMARK)

    await real.admin.run(f"ALTER SYSTEM SET trace_log_slow_query_watermark = '{before}'")
    assert (after, rolled_back) == ("7s", "7s")


async def test_a_session_is_ended(real: Real) -> None:
    """The session of the user is ended, and nobody else's; one that is gone by then counts as ended."""
    await real.rows("DROP USER IF EXISTS 'played_victim'@'%'")
    await real.rows("CREATE USER 'played_victim'@'%' IDENTIFIED BY 'v1ctim'")
    victim = await connect(replace(real.target, user="played_victim", password="v1ctim"), lambda _: None, hosts=LOCAL)  # noqa: S106
    assert isinstance(victim, SqlSession), victim
    stand = real.stand("kill-sessions")
    await stand.begin("first", real.spec("kill-sessions", {"tenant": "sys", "user": "played_victim", "minSeconds": 0}))

    assert_phase(stand, Phase.SUCCEEDED)
    assert not isinstance(await victim.run("SELECT 1"), Result)
    assert isinstance(await real.admin.run("SELECT 1"), Result)
    await victim.close()
    await real.rows("DROP USER 'played_victim'@'%'")


async def test_memory_is_frozen(real: Real) -> None:
    """The server carries a minor freeze out."""
    stand = real.stand("minor-freeze")
    await stand.begin("first", real.spec("minor-freeze", {}))

    assert_phase(stand, Phase.SUCCEEDED)


@pytest.mark.timeout(300)
async def test_a_major_compaction_is_awaited(real: Real) -> None:
    """The task of an account of the tenant ends when the freeze that it has asked for is merged, and not before."""
    [(_, _, before)] = await real.rows(MERGED)
    stand = real.stand("major-compaction-in-tenant", Patient)
    await stand.begin("first", real.spec("major-compaction-in-tenant", {}, tenant="sys"))

    assert_phase(stand, Phase.SUCCEEDED)
    [(status, merged, after)] = await real.rows(MERGED)
    assert (status, merged) == ("IDLE", 1)
    assert int(str(after)) > int(str(before))
