"""The real thing: etcd, kube-apiserver, kube-controller-manager and seekdb, started, used and stopped."""

import http.client
import json
import os
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import aiomysql
import pytest

from devcluster import environment, processes, sqlserver, status
from devcluster.commands import run
from devcluster.controlplane import ControlPlane, control_plane
from devcluster.environment import Folders, down, up
from devcluster.errors import DevClusterError
from devcluster.kubectl import Kubectl
from devcluster.leash import leash
from devcluster.processes import Process
from devcluster.sqlserver import SqlServer, sql_server

pytestmark = pytest.mark.usefixtures("binaries")
LISTENING = "0A"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that is gone after the test: pytest would keep the databases in its own for three runs."""
    with tempfile.TemporaryDirectory(prefix="obtask-devcluster-") as name:
        yield Path(name)


STORY = """
import os, signal, sys
from pathlib import Path
from devcluster import environment
with environment.leashed(Path(sys.argv[1])):
    environment.up(Path(sys.argv[1]), operator=False)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_demo_that_is_killed_leaves_nothing_running(folder: Path) -> None:
    """Whoever is killed in the middle of the story has its servers stopped for it."""
    run([sys.executable, "-c", STORY, str(folder)], env=dict(os.environ), timeout=100)

    started = [process for part in environment.PARTS for process in processes.recorded(Folders(folder).state(part) / "run")]
    assert started
    deadline = time.monotonic() + 30
    while any(processes.is_alive(process) for process in started):
        assert time.monotonic() < deadline, "its servers still run"
        time.sleep(0.1)


async def test_a_control_plane_and_a_sql_server_for_tests(folder: Path) -> None:
    """Both can be used at once, refuse strangers, listen on 127.0.0.1 only, and are gone after the block."""
    with control_plane(folder / "cluster", audit=True) as cluster, sql_server(folder / "seekdb") as database:
        started = (*cluster.processes, *processes.recorded(folder / "seekdb/run"))
        assert len(started) == 5

        assert get(cluster, "/readyz", "kubeconfig") == 200
        assert get(cluster, "/api/v1/namespaces", "kubeconfig") == 200
        assert get(cluster, "/api/v1/namespaces", None) == 403
        operator_may_do_its_work_and_no_more(cluster)
        requests_are_audited(cluster)
        owned_objects_are_collected(cluster)

        assert await query(database, "select 40 + 2") == 42
        with pytest.raises(aiomysql.OperationalError, match="1045"):
            await aiomysql.connect(host=database.host, port=database.port, user="root", password="")

        assert {address for process in started for address in listening_addresses(process)} <= {"127.0.0.1"}
        assert not any(database.password in word for process in started for word in command_line_of(process))

    assert [process.name for process in started if processes.is_alive(process)] == []
    with sql_server(folder / "seekdb") as again:
        assert again.password == database.password
        assert await query(again, "select count(*) from information_schema.schemata where schema_name = 'test'") == 1


async def test_an_environment_goes_up_once_and_down_for_good(folder: Path) -> None:
    """A second `up` changes nothing; one after a crash restarts only what died; `down` leaves logs and nothing else."""
    try:
        first = up(folder, operator=False)
        version = ["get", "secret", "seekdb", "--output=jsonpath={.type} {.metadata.resourceVersion}"]
        secret = first.cluster.kubectl.run(version)
        assert secret.startswith("task.oceanbase.com/connection ")

        assert up(folder, operator=False) == first
        assert first.cluster.kubectl.run(version) == secret
        described = (folder / ".dev/environment.json").read_text()
        assert first.database.password not in described
        assert json.loads(described)["apiUrl"] == first.cluster.url
        assert Kubectl(first.kubectl, first.kubeconfig).run(["get", "namespaces", "--output=name"]).count("namespace/") >= 4

        apiserver, manager = first.cluster.processes[1:]
        kill(apiserver, first.database.process)
        third = up(folder, operator=False)
        assert third.cluster.processes[0] == first.cluster.processes[0]
        assert third.cluster.processes[1] != apiserver
        assert third.cluster.processes[2] == manager
        assert third.cluster.url == first.cluster.url
        assert third.cluster.kubectl.run(version) == secret
        assert third.database.port == first.database.port
        assert await query(third.database, "select 1") == 1
        assert all(component.running for component in status.components(folder))
    finally:
        found = [process for part in environment.PARTS for process in processes.recorded(Folders(folder).state(part) / "run")]
        down(folder)

    assert [process.name for process in found if processes.is_alive(process)] == []
    left = {str(path.relative_to(folder / ".dev")) for path in (folder / ".dev").rglob("*") if path.is_file()}
    assert {"log/etcd.log", "log/kube-apiserver.log", "log/seekdb-server.log"} < left
    assert {path for path in left if not path.startswith("log/")} == {"lock"}
    down(folder)


def test_a_killed_front_does_not_keep_the_port_or_the_data(folder: Path) -> None:
    """The server survives the program in front of it for some seconds; a new start takes over the folder at once."""
    with leash(folder / "run"):
        first = sqlserver.ensure(folder, folder / "log")
        kill(first.process)
        second = sqlserver.ensure(folder, folder / "log")

    assert (second.port, second.password) == (first.port, first.password)
    assert second.process != first.process


def test_the_command_line_says_what_runs(folder: Path) -> None:
    """Where nothing was started, `down` succeeds, and `status` says so, also by its exit code."""
    root = ("--root", folder)
    stopped = command_line("down", *root)
    shown = command_line("status", *root)
    as_json = command_line("status", *root, "-o", "json")

    assert (stopped.returncode, stopped.stdout) == (0, "Nothing is left running.\n")
    assert (shown.returncode, shown.stdout) == (3, "Nothing was started here; `make up` does it.\n")
    assert (as_json.returncode, json.loads(as_json.stdout)) == (3, {"processes": []})
    assert not (folder / ".dev").exists()


def command_line(*words: str | Path) -> CompletedProcess[str]:
    """Run python -m devcluster."""
    return run([sys.executable, "-m", "devcluster", *words], env=os.environ)


def kill(*victims: Process) -> None:
    """Kill processes and wait until they are gone."""
    for victim in victims:
        os.kill(victim.pid, signal.SIGKILL)
    processes.stop(victims)


def operator_may_do_its_work_and_no_more(cluster: ControlPlane) -> None:
    """Check some rights of the operator's user."""
    operator = Kubectl(cluster.kubectl.program, cluster.operator_kubeconfig)
    operator.run(["get", "leases", "--all-namespaces"])
    operator.run(["create", "configmap", "log"])
    for denied in (["get", "secrets"], ["delete", "pod", "any"], ["delete", "secret", "any"], ["delete", "namespace", "default"]):
        with pytest.raises(DevClusterError, match=r'\(Forbidden\).* User "obtask-operator" cannot'):
            operator.run(denied)


def requests_are_audited(cluster: ControlPlane) -> None:
    """Check that a request is in the audit log as soon as it is answered."""
    assert cluster.audit_log is not None
    cluster.kubectl.run(["create", "namespace", "audited"])
    entries = [json.loads(line) for line in cluster.audit_log.read_text().splitlines()]
    created = [entry for entry in entries if entry["verb"] == "create" and entry["objectRef"].get("name") == "audited"]
    assert [(entry["user"]["username"], entry["responseStatus"]["code"]) for entry in created] == [("obtask-admin", 201)]


def owned_objects_are_collected(cluster: ControlPlane) -> None:
    """Check that the garbage collector works: what a deleted object owned goes, too."""
    kubectl = cluster.kubectl
    kubectl.run(["create", "configmap", "owner"])
    uid = kubectl.run(["get", "configmap", "owner", "--output=jsonpath={.metadata.uid}"])
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    kubectl.apply(
        [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned", "namespace": "default", "ownerReferences": [owner]}}]
    )
    kubectl.run(["delete", "configmap", "owner"])
    kubectl.run(["wait", "--for=delete", "configmap/owned", "--timeout=20s"])


def get(cluster: ControlPlane, path: str, client: str | None) -> int:
    """Ask the API server for a path, with the certificate of a client or as nobody; return the HTTP status."""
    pki = cluster.kubeconfig.parent / "pki"
    context = ssl.create_default_context(cafile=pki / "ca.crt")
    if client:
        context.load_cert_chain(pki / f"{client}.crt", pki / f"{client}.key")
    connection = http.client.HTTPSConnection(cluster.url.removeprefix("https://"), context=context, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


async def query(database: SqlServer, sql: str) -> object:
    """Return the first value of a query's first row."""
    connection = await aiomysql.connect(
        host=database.host, port=database.port, user=database.user, password=database.password, db=database.database
    )
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(sql)
            return (await cursor.fetchone())[0]
    finally:
        connection.close()


def command_line_of(process: Process) -> list[str]:
    """Return what everybody on the machine can see of a process (Linux only)."""
    return Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")


def listening_addresses(process: Process) -> set[str]:
    """Return the TCP addresses a process listens on, as the kernel tells it (Linux only)."""
    links = [str(link.readlink()) for link in Path(f"/proc/{process.pid}/fd").iterdir()]
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process.pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in inodes:
                address = fields[1].split(":")[0]
                addresses.add(".".join(str(byte) for byte in reversed(bytes.fromhex(address))) if table == "tcp" else address)
    return addresses
