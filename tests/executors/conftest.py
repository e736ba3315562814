"""Owns the real servers of the executor tests: a database per test; a namespace per test of the API server."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.executors.workplace import RUNNER, Workplace, furnished
from tests.kubectl import Kubectl
from tests.local import LOCAL

from obtask.devcluster.controlplane import ControlPlane
from obtask.devcluster.sqlserver import SqlServer
from obtask.executors.connections import Connection
from obtask.executors.sql.answers import Result
from obtask.executors.sql.session import Session, connect
from obtask.kube import api


@pytest.fixture(scope="session")
def server(seekdb: SqlServer) -> Connection:
    """Return the administrator's connection to a real seekdb."""
    return Connection(seekdb.host, seekdb.port, seekdb.user, seekdb.password)


@pytest.fixture
async def admin(server: Connection) -> AsyncIterator[Session]:
    """Return an administrator's session, to look at the server from outside of the attempt."""
    session = await connect(server, lambda _: None, hosts=LOCAL)
    assert isinstance(session, Session), session
    yield session
    await session.close()


@pytest.fixture
async def database(server: Connection, admin: Session) -> AsyncIterator[Connection]:
    """Return a connection to a database of the test's own; the administrator's session uses it, too."""
    name = f"t{uuid.uuid4().hex[:12]}"
    for statement in (f"create database {name}", f"use {name}"):
        assert isinstance(await admin.run(statement), Result)
    yield replace(server, database=name)
    assert isinstance(await admin.run(f"drop database {name}"), Result)


@pytest.fixture
async def workplace(control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> AsyncIterator[Workplace]:
    """Return a namespace with a task, and a service account that may change ConfigMaps, Secrets and Deployments there."""
    uid = furnished(kubectl, namespace, RUNNER)
    client = await api.connect(str(control_plane.operator_kubeconfig))
    acting = client.apart()
    yield Workplace(kubectl, namespace, uid, client, acting)
    await acting.close()
    await client.close()
