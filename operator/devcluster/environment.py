"""The environment of `make up`: control plane, SQL server, templates, operator, Task Center; their files are in .dev of a checkout."""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from devcluster import controlplane, processes, sqlserver, taskcenter
from devcluster.binaries import find_or_build
from devcluster.controlplane import ControlPlane
from devcluster.files import checkout, locked, write_private
from devcluster.leash import leash
from devcluster.processes import CommandLine, Process
from devcluster.progress import Report, reported, silent
from devcluster.sqlserver import SqlServer
from devcluster.taskcenter import TaskCenter

# Of the operator's interface, by which alone this package knows it: written here as a user of it would.
EXTENSION = "task.oceanbase.com/settings"
CONNECTION_TYPE = "task.oceanbase.com/connection"

OPERATOR_TIMEOUT = 30.0
OPERATOR_READY = "obtask: ready"

# It may be in the middle of somebody's task: it gets time to leave it in order.
OPERATOR_GRACE = 10.0


@dataclass(frozen=True, slots=True)
class Folders:
    """Where an environment keeps its files."""

    root: Path

    @property
    def dev(self) -> Path:
        """Everything of a checkout that is not under version control."""
        return self.root.resolve() / ".dev"

    @property
    def logs(self) -> Path:
        """The logs; they outlive `down`."""
        return self.dev / "log"

    @property
    def description(self) -> Path:
        """What runs and where, for people and tools; the truth about processes is in the state folders."""
        return self.dev / "environment.json"

    def state(self, part: str) -> Path:
        """Data and process records of one part."""
        return self.dev / "state" / part

    def alone(self) -> AbstractContextManager[int]:
        """Keep other `up` and `down` out."""
        return locked(self.dev / "lock", "another `up` or `down` is at work in this checkout; waiting for it")


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment that runs."""

    kubeconfig: Path
    operator_kubeconfig: Path
    kubectl: Path
    cluster: ControlPlane
    database: SqlServer
    operator: Process | None
    web: TaskCenter | None


def up(
    root: Path,
    *,
    operator: bool = True,
    web: bool = False,
    api_port: int | None = None,
    sql_port: int | None = None,
    report: Report = silent,
) -> Environment:
    """Start what does not run yet, and return when everything can be used; what runs already is left alone."""
    folders = Folders(root)
    binaries = find_or_build(report)
    with folders.alone():
        cluster = controlplane.ensure(binaries, folders.state("cluster"), folders.logs, api_port=api_port, report=report)
        database = sqlserver.ensure(folders.state("seekdb"), folders.logs, port=sql_port, report=report)
        with reported(report, "Secret seekdb in namespace default"):
            cluster.kubectl.apply([connection_secret(database)])
        with reported(report, "templates of the catalogue"):
            cluster.kubectl.apply_files([checkout() / "deploy/templates"])
        moved = _publish(folders, cluster, database)
        for part, wanted in (("operator", operator), ("web", True)):
            if moved or not wanted:
                # It would go on talking to the API server it was started for.
                _stop(folders, part, report)
        environment = Environment(
            kubeconfig=folders.dev / "kubeconfig",
            operator_kubeconfig=folders.dev / "operator.kubeconfig",
            kubectl=folders.dev / "bin/kubectl",
            cluster=cluster,
            database=database,
            operator=_operator(folders, report) if operator else None,
            web=taskcenter.ensure(folders.state("web") / "run", folders.logs, folders.dev / "kubeconfig", report) if web else None,
        )
        write_private(folders.description, json.dumps(describe(environment), indent=2).encode())
    return environment


def down(root: Path, *, report: Report = silent) -> None:
    """Stop everything, and remove everything but the logs; it may be called in any state, again and again."""
    folders = Folders(root)
    if not (folders.dev / "state").exists():
        return
    with folders.alone():
        for part in reversed(tuple(PARTS)):
            _stop(folders, part, report)
        for folder in ("state", "kubectl-cache"):
            shutil.rmtree(folders.dev / folder, ignore_errors=True)
        for file in ("kubeconfig", "operator.kubeconfig", "bin/kubectl", "environment.json"):
            (folders.dev / file).unlink(missing_ok=True)


@contextmanager
def leashed(root: Path) -> Iterator[None]:
    """Have everything of an environment stopped and removed when the block ends, and stopped when this process is killed in it."""
    with ExitStack() as leashes:
        for part in PARTS:
            leashes.enter_context(leash(Folders(root).state(part) / "run"))
        try:
            yield
        finally:
            down(root)


def connection_secret(database: SqlServer) -> dict[str, Any]:
    """Return the Secret by which tasks reach the SQL server."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "seekdb", "namespace": "default"},
        "type": CONNECTION_TYPE,
        "stringData": {
            "host": database.host,
            "port": str(database.port),
            "user": database.user,
            "password": database.password,
            "database": database.database,
        },
    }


def describe(environment: Environment) -> Mapping[str, Any]:
    """Return what may be written down about an environment: no password, no key."""
    started = [*environment.cluster.processes, environment.database.process]
    started += [environment.operator] if environment.operator else []
    started += [environment.web.process] if environment.web else []
    return {
        "kubeconfig": str(environment.kubeconfig),
        "operatorKubeconfig": str(environment.operator_kubeconfig),
        "kubectl": str(environment.kubectl),
        "apiUrl": environment.cluster.url,
        "sql": {
            "host": environment.database.host,
            "port": environment.database.port,
            "user": environment.database.user,
            "database": environment.database.database,
        },
        "processes": [{"name": process.name, "pid": process.pid, "log": str(process.log)} for process in started],
    }


def _publish(folders: Folders, cluster: ControlPlane, database: SqlServer) -> bool:
    """Put what people use where they expect it; tell whether the operator's way to the API server has changed."""
    link = folders.dev / "bin/kubectl"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() or link.readlink() != cluster.kubectl.program:
        link.unlink(missing_ok=True)
        link.symlink_to(cluster.kubectl.program)
    write_private(folders.dev / "kubeconfig", with_settings(cluster.kubeconfig.read_bytes(), database))
    operators, wanted = folders.dev / "operator.kubeconfig", with_settings(cluster.operator_kubeconfig.read_bytes(), database)
    changed = not operators.exists() or operators.read_bytes() != wanted
    write_private(operators, wanted)
    return changed


def with_settings(kubeconfig: bytes, database: SqlServer) -> bytes:
    """Return a kubeconfig by which an operator may reach the SQL server on this machine, and, as without it, everything elsewhere."""
    config = yaml.safe_load(kubeconfig)
    settings = {"OBTASK_ALLOWED_HOSTS": f"0.0.0.0/0,::/0,{database.host}:{database.port}"}
    for entry in config["clusters"]:
        entry["cluster"]["extensions"] = [{"name": EXTENSION, "extension": settings}]
    text: str = yaml.safe_dump(config, sort_keys=False)
    return text.encode()


def _operator(folders: Folders, report: Report) -> Process | None:
    if find_spec("obtask.__main__") is None:
        report("no operator in this checkout yet (obtask/__main__.py)", None)
        return None
    argv = [sys.executable, "-m", "obtask", "run", "--kubeconfig", folders.dev / "operator.kubeconfig"]
    began = time.monotonic()
    command = CommandLine("operator", tuple(map(str, argv)), folders.state("operator") / "run", folders.logs / "operator.log")
    known = processes.running(command)
    process = known or processes.start(command)
    processes.wait_until(lambda: OPERATOR_READY in process.log.read_text(errors="replace"), process, OPERATOR_TIMEOUT)
    report("operator already runs" if known else "operator", None if known else time.monotonic() - began)
    return process


def _stop(folders: Folders, part: str, report: Report) -> None:
    found = processes.recorded(folders.state(part) / "run")
    running = [process for process in found if processes.is_alive(process)]
    if running:
        with reported(report, f"{', '.join(process.name for process in running)} stopped"):
            PARTS[part](folders.state(part))
    for process in found:
        # seekdb insists on logging beside its data, which `down` removes.
        if not process.log.is_relative_to(folders.logs) and process.log.exists():
            shutil.copy(process.log, folders.logs / f"{process.name}.log")


def _stop_in_order(state: Path) -> None:
    processes.stop(processes.recorded(state / "run"), OPERATOR_GRACE)


# Each part with how it is stopped, in the order in which they need each other.
PARTS: Mapping[str, Callable[[Path], None]] = {
    "cluster": controlplane.stop,
    "seekdb": sqlserver.stop,
    "operator": _stop_in_order,
    "web": _stop_in_order,
}
