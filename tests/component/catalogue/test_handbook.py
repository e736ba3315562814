"""The handbook's commands are typed as they are printed: on the real control plane, with an operator, against the played cluster."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.component.catalogue.agent import PlayedAgent, played_agent
from tests.component.catalogue.relay import relay
from tests.component.catalogue.scenario import template
from tests.component.catalogue.stage import Stage
from tests.component.catalogue.stand import OBSHELL_SECRET, PASSWORD, SECRET
from tests.support.beside import beside
from tests.support.local import LOCAL
from tests.support.operators import operator_settings, operator_thread
from tests.support.reader import RUN, read
from tests.support.tasks import TaskClient

from devcluster.controlplane import ControlPlane
from devcluster.ports import LOOPBACK
from devcluster.sqlserver import SqlServer
from obtask.executors.connections.connection import Connection
from obtask.executors.sql.session import SqlSession, connect

HANDBOOK = Path("docs/handbook")
ACT_SECONDS = 0.2
STANDBY = "INSERT INTO oceanbase.DBA_OB_TENANTS (TENANT_ID, TENANT_NAME, TENANT_TYPE, STATUS, TENANT_ROLE, SWITCHOVER_STATUS, SYNC_SCN)"
SOURCE = "INSERT INTO oceanbase.CDB_OB_LOG_RESTORE_SOURCE (TENANT_ID, ID, TYPE, VALUE)"
NOW = "time_to_usec(NOW(6)) * 1000"

# What the cluster of a page is like before it; the templates whose tasks its reader makes, in their order.
PAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "resize-a-tenant": ((), ("resize-tenant",)),
    "back-up-and-restore": (("DELETE FROM oceanbase.CDB_OB_ARCHIVE_DEST",), ("setup-backup", "backup-tenant", "restore-tenant")),
    "switch-over": (
        (
            f"{STANDBY} VALUES (1012, 'orders_sb', 'USER', 'NORMAL', 'STANDBY', 'NORMAL', {NOW})",
            f"{SOURCE} VALUES (1012, 1, 'SERVICE', 'IP_LIST=10.0.0.1:2881')",
            f"UPDATE oceanbase.DBA_OB_TENANTS SET SYNC_SCN = {NOW} WHERE TENANT_ID = 1002",
        ),
        ("switchover-tenant",),
    ),
    "add-and-delete-a-server": ((), ("add-server", "delete-server")),
    "restart-a-zone": ((), ("rolling-restart-zone",)),
    "upgrade-a-cluster": ((), ("upgrade-cluster",)),
}


class Living(Stage):
    """A played cluster that goes on by itself, while others ask."""

    def __init__(self, admin: SqlSession, database: str, password: str) -> None:
        super().__init__(admin, database, password)
        self.over = False

    async def live(self) -> None:
        """Do what is to be done, act by act; logs are archived as they are written."""
        while not self.over:
            await asyncio.sleep(ACT_SECONDS)
            await self.run((f"UPDATE oceanbase.CDB_OB_ARCHIVELOG SET CHECKPOINT_SCN = {NOW} WHERE STATUS = 'DOING'",))
            if self.busy:
                await self.pause()


@dataclass(frozen=True, slots=True)
class Played:
    """Where the played cluster listens."""

    stage: Stage
    port: int
    agent: PlayedAgent


@asynccontextmanager
async def living(server: SqlServer, given: Sequence[str]) -> AsyncIterator[Played]:
    """Have a played cluster live until the block ends."""
    admin = await connect(Connection(server.host, server.port, server.user, server.password), lambda _: None, hosts=LOCAL)
    assert isinstance(admin, SqlSession), admin
    stage = Living(admin, f"handbook_{os.getpid()}", PASSWORD)
    await stage.build()
    await stage.reset(*given)
    life = asyncio.create_task(stage.live())
    try:
        async with relay(server, stage) as port:
            with played_agent(stage) as agent:
                yield Played(stage, port, agent)
    finally:
        stage.over = True  # a cancelled statement would cost the session
        await asyncio.gather(life, return_exceptions=True)
        await stage.drop()
        await admin.close()


def test_every_page_is_read() -> None:
    """Each page with commands is one of the test below, and has its commands run."""
    pages = {path.stem for path in HANDBOOK.glob("*.md") if ".zh." not in path.name} - {"index"}

    assert pages == set(PAGES)
    assert set(PAGES) == {block.document.stem for block in RUN if block.document.parent == HANDBOOK}


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("binaries")
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page(page: str, control_plane: ControlPlane, namespace: str, seekdb: SqlServer, tmp_path: Path) -> None:
    """Typed one after the other, they lead to tasks of the catalogue that have all succeeded."""
    given, used = PAGES[page]
    tasks = TaskClient(control_plane, namespace)
    control_plane.kubectl.apply([template(name) for name in used])
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/kubectl").symlink_to(control_plane.kubectl.program)
    with beside(living(seekdb, given)) as played:
        for name in (SECRET, "standby-sys"):
            tasks.create_secret(name, host=LOOPBACK, port=str(played.port), password=PASSWORD, tls="disabled")
        tasks.create_secret(OBSHELL_SECRET, url=played.agent.url, password=played.agent.password)
        with operator_thread(operator_settings(control_plane.operator_kubeconfig, namespace)):
            read(HANDBOOK / f"{page}.md", tmp_path, tmp_path / "tools", control_plane, namespace)
        troubles = list(played.stage.troubles)

    made = tasks.api.get(f"/apis/task.oceanbase.com/v1alpha1/namespaces/{namespace}/obtasks")["items"]
    assert sorted(task["status"]["template"]["name"] for task in made) == sorted(used)
    assert {task["status"]["phase"] for task in made} == {"Succeeded"}
    assert troubles == []
