"""Owns the real servers of the executor tests: a database per test; a namespace per test of the API server."""

import secrets
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.component.executors.job_bench import Make
from tests.component.executors.workplace import RUNNER, Workplace, furnished
from tests.support.attempts import alone, wall_clock
from tests.support.kubectl import Kubectl
from tests.support.local import LOCAL
from tests.support.tasks import TaskClient

from devcluster.controlplane import ControlPlane
from devcluster.sqlserver import SqlServer
from obtask.executors.connections.connection import Connection
from obtask.executors.job.executor import JobExecutor
from obtask.executors.job.target import PodSecrets
from obtask.executors.job.work import JobTools
from obtask.executors.sql.answers import Result
from obtask.executors.sql.session import SqlSession, connect
from obtask.kube.client import Api
from obtask.kube.client import connect as connect_api
from obtask.kube.jobs import Jobs
from obtask.kube.objects import Objects
from obtask.rules.nonces import Nonces


@pytest.fixture(scope="session")
def server(seekdb: SqlServer) -> Connection:
    """Return the administrator's connection to a real seekdb."""
    return Connection(seekdb.host, seekdb.port, seekdb.user, seekdb.password)


@pytest.fixture
async def admin(server: Connection) -> AsyncIterator[SqlSession]:
    """Return an administrator's session, to look at the server from outside of the attempt."""
    session = await connect(server, lambda _: None, hosts=LOCAL)
    assert isinstance(session, SqlSession), session
    yield session
    await session.close()


@pytest.fixture
async def database(server: Connection, admin: SqlSession) -> AsyncIterator[Connection]:
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
    client = await connect_api(str(control_plane.operator_kubeconfig))
    acting = client.apart()
    yield Workplace(kubectl, namespace, uid, client, acting)
    await acting.close()
    await client.close()


@pytest.fixture
def tasks(control_plane: ControlPlane, namespace: str) -> TaskClient:
    """Return the tasks of the test's namespace; no operator runs."""
    return TaskClient(control_plane, namespace)


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[Api]:
    """Return the API as the operator's user."""
    connected = await connect_api(str(control_plane.operator_kubeconfig))
    yield connected
    await connected.close()


@pytest.fixture
async def make(api: Api) -> AsyncIterator[Make]:
    """Return a maker of executors: each of them knows nothing of the others, like operators one after the other."""
    made: list[JobExecutor] = []

    def one(nonces: Nonces | None = None) -> JobExecutor:
        tools = JobTools(Jobs(api), PodSecrets(Objects(api)), wall_clock, alone, 1.0, nonces or Nonces(secrets.token_bytes()))
        made.append(JobExecutor(tools))
        return made[-1]

    yield one
    for executor in made:
        await executor.close()
