"""Owns the played cluster of the catalogue's tests, one for each worker, with its obshell agent and evaluation processes."""

import os
from collections.abc import AsyncIterator

import pytest_asyncio
from tests.component.catalogue.agent import played_agent
from tests.component.catalogue.objects import PlayedObjects, definitions, rights
from tests.component.catalogue.rehearsal import Rehearsal, rehearsed
from tests.component.catalogue.relay import relay
from tests.component.catalogue.stage import Stage
from tests.component.catalogue.stand import PASSWORD, House, evaluation
from tests.support.local import LOCAL

from devcluster.controlplane import ControlPlane
from devcluster.sqlserver import SqlServer
from obtask.executors.connections.connection import Connection
from obtask.executors.sql.session import SqlSession, connect
from obtask.kube.client import connect as reach


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(seekdb: SqlServer, control_plane: ControlPlane) -> AsyncIterator[House]:
    """Return where templates are rehearsed. Its tests share one event loop."""
    namespace = f"catalogue-{os.getpid()}"
    control_plane.kubectl.run(("create", "namespace", namespace))
    control_plane.kubectl.apply([*definitions(), *rights(namespace)])
    api = await reach(str(control_plane.kubeconfig))
    connection = Connection(seekdb.host, seekdb.port, seekdb.user, seekdb.password)
    admin = await connect(connection, lambda _: None, hosts=LOCAL)
    assert isinstance(admin, SqlSession), admin
    try:
        stage = Stage(admin, f"stage_{os.getpid()}", PASSWORD)
        await stage.build()
        async with relay(seekdb, stage) as port, evaluation() as evaluator:
            with played_agent(stage) as agent:
                yield House(stage, evaluator, port, agent, PlayedObjects(stage, api, namespace), namespace)
    finally:
        await api.close()
        await admin.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def known() -> dict[str, Rehearsal]:
    """Return the rehearsals that there were."""
    return {}


@pytest_asyncio.fixture(loop_scope="session")
async def rehearsal(house: House, known: dict[str, Rehearsal], name: str) -> Rehearsal:
    """Return the rehearsal of a template, after every case of its scenario was played once."""
    if name not in known:
        known[name] = await rehearsed(house, name)
    house.stage.seen.clear()
    return known[name]
