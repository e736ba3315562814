"""Owns the attacked cluster: an API server, the chart by Helm, its operator, a neighbour, and a fresh namespace for each attack."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.attack import people
from tests.attack.running import MuteResolver, RunningOperator, settings_of, write_kubeconfig
from tests.attack.session import TABLE, Answer, Body, Session
from tests.attack.window import Window, percentile, watching
from tests.support.chart.installed import Release
from tests.support.neighbour import Neighbour, move_in

from devcluster.controlplane import ControlPlane, control_plane
from devcluster.sqlserver import SqlServer

SYSTEM, NEIGHBOUR = "obtask-system", "team-b"
NAME = "obtask-operator"
TASK_PATH = "/apis/task.oceanbase.com/v1alpha1/namespaces/{}/obtasks"
# What the operator may reach: the servers of the attacks are on this machine; a name needs the resolver that never answers.
HOSTS = ["127.0.0.1", "*.attacker.test"]
VALUES: Body = {"replicas": 0, "fullnameOverride": NAME, "settings": {"allowedHosts": HOSTS}}
QUIET_SECONDS = 4.0
PATIENCE = 30.0
CALM_SECONDS = 8.0
POLL = 0.05
FINISHED = ("Succeeded", "RolledBack", "Skipped", "Cancelled", "Rejected")
ENDED = (*FINISHED, "Failed")


def until(holds: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Ask until the answer is true or the time is over; return the last answer."""
    deadline = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < deadline:
        time.sleep(POLL)
    return found


@dataclass
class Tenant:
    """A namespace of an attacked tenant, with all its users."""

    ground: "Ground"
    namespace: str

    def as_(self, user: str) -> Session:
        """Return a session of this user."""
        return Session(self.ground.cluster, user)

    def path(self, resource: str, name: str = "", group: str = "") -> str:
        """Return the path of a resource of the namespace; "apps/v1" is a group."""
        root = f"/apis/{group}" if group else "/api/v1"
        return f"{root}/namespaces/{self.namespace}/{resource}" + (f"/{name}" if name else "")

    def task_path(self, name: str = "") -> str:
        """Return the path of a task, or of all."""
        return TASK_PATH.format(self.namespace) + (f"/{name}" if name else "")

    def manifest(self, name: str, *steps: Body, **spec: Any) -> Body:
        """Return a task to be created."""
        full = {"type": "Cluster", "cluster": name, "maintenance": "None", "steps": list(steps) or [step("a", wait={"seconds": 0})], **spec}
        return {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": {"name": name}, "spec": full}

    def create(self, user: str, name: str, *steps: Body, **spec: Any) -> Answer:
        """Create a task as a user."""
        return self.as_(user).send("POST", self.task_path(), self.manifest(name, *steps, **spec))

    def make(self, user: str, name: str, *steps: Body, **spec: Any) -> None:
        """Create a task that must be taken: where it is refused, the attack would prove nothing."""
        answer = self.create(user, name, *steps, **spec)
        assert answer.ok, f"task {name} was not taken: {answer.said}"

    def secret(self, name: str, kind: str = "task.oceanbase.com/connection", **data: str) -> None:
        """Make a Secret as the namespace's administrator does; a connection unless told otherwise."""
        body = {"metadata": {"name": name}, "type": kind, "stringData": {key.replace("_", "-"): value for key, value in data.items()}}
        answer = self.ground.admin.send("POST", self.path("secrets"), body)
        assert answer.ok, answer.said

    def cells(self, name: str) -> Body:
        """Return the columns of a task as kubectl shows them, whatever its spec holds."""
        answer = self.ground.admin.send("GET", self.task_path(name), accept=TABLE)
        if not answer.ok:
            return {}
        table = answer.body()
        names = [column["name"].lower() for column in table["columnDefinitions"]]
        return dict(zip(names, table["rows"][0]["cells"], strict=True))

    def phase(self, name: str) -> str:
        """Return a task's phase."""
        return str(self.cells(name).get("phase") or "Pending")

    def ended(self, name: str, seconds: float = PATIENCE, phases: tuple[str, ...] = ENDED) -> str:
        """Wait until a task has ended or failed; return its phase then."""
        until(lambda: self.phase(name) in phases, seconds)
        return self.phase(name)

    def status(self, name: str) -> Body:
        """Return the status of a task."""
        found: Body = self.ground.admin.get(self.task_path(name)).get("status", {})
        return found

    def command(self, user: str, name: str, verb: str) -> Answer:
        """Give a command as a user."""
        return self.as_(user).send("PATCH", self.task_path(name), {"metadata": {"annotations": {"task.oceanbase.com/action": verb}}})

    def log(self, name: str) -> str:
        """Return everything that the operator shows of a task: status, Events, kept ConfigMaps."""
        status = self.ground.admin.send("GET", self.task_path(name)).text.partition('"status":')[2]
        return "\n".join([status, *(self.ground.admin.send("GET", self.path(resource)).text for resource in ("events", "configmaps"))])

    def remove(self) -> None:
        """Delete everything; what only the operator could finish is let go by force."""
        admin = self.ground.admin
        with suppress(OSError):
            admin.send("DELETE", self.task_path())
        with suppress(OSError):
            if not until(lambda: not self._names(), 5):
                for name in self._names():
                    admin.send("PATCH", self.task_path(name), {"metadata": {"finalizers": None}})
        with suppress(OSError):
            admin.send("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def _names(self) -> list[str]:
        rows = self.ground.admin.send("GET", self.task_path(), accept=TABLE)
        return [row["object"]["metadata"]["name"] for row in rows.body()["rows"]] if rows.ok else []


def step(name: str, **fields: Any) -> Body:
    """Return a step."""
    return {"name": name, **fields}


@dataclass
class Ground:
    """Everything that attacks share."""

    cluster: ControlPlane
    operator: RunningOperator
    token: str
    neighbour: Neighbour
    seekdb: SqlServer
    folder: Path
    resolver: str
    quiet: float = 0.0
    window: Window | None = None

    def __post_init__(self) -> None:
        """Count the tenants."""
        self._numbers = count(1)

    @property
    def admin(self) -> Session:
        """The admin of the cluster."""
        return Session(self.cluster)

    @property
    def operators_own(self) -> Session:
        """Whoever has stolen the operator's token."""
        return Session(self.cluster, token=self.token)

    @contextmanager
    def tenant(self) -> Iterator[Tenant]:
        """Have a fresh namespace in which everybody has their rights."""
        found = Tenant(self, f"team-a-{next(self._numbers)}")
        self.cluster.kubectl.run(["create", "namespace", found.namespace])
        self.cluster.kubectl.apply(people.tenants(found.namespace))
        last = Session(self.cluster, "dave")
        until(lambda: last.can("skip", "task.oceanbase.com", "obtasks", found.namespace))
        try:
            yield found
        finally:
            found.remove()

    def harm(self, *, latency: bool = True) -> str:
        """Return what has gone wrong for others since this attack began."""
        return self.window.harm(latency=latency) if self.window else ""

    @property
    def hopeless(self) -> bool:
        """Whether there is no point in waiting for more of this attack."""
        return self.window is not None and self.window.hopeless

    @contextmanager
    def watched(self) -> Iterator[Window]:
        """Look at the operator and the neighbour while the block lasts; afterwards the operator runs, whatever happened."""
        with watching(self.operator, self.neighbour, self.quiet) as window:
            self.window = window
            yield window
        self.window = None

    def recover(self) -> None:
        """Wait until nothing is left of an attack; start the operator anew if something is, or if the attack ended it."""
        if self.operator.alive and until(self._calm, CALM_SECONDS):
            return
        self.operator.kill()
        self.operator.start()
        until(self._calm, CALM_SECONDS)

    def _calm(self) -> bool:
        last = self.neighbour.took[-1:]
        waits = self.neighbour.latencies(time.monotonic() - 0.5)
        return bool(last) and max((seconds for _, seconds in last), default=9.0) < 1 and max(waits, default=9.0) < 1

    @contextmanager
    def interruption(self) -> Iterator[None]:
        """In this block the operator need not answer every probe: it is restarted, or the attack judges that itself."""
        if self.window:
            self.window.restarted = True
        yield
        if self.window:
            self.window.restarted = False

    def measure_quiet(self) -> None:
        """Note how the neighbour fares while nobody attacks."""
        began = time.monotonic()
        until(lambda: time.monotonic() - began > QUIET_SECONDS and len(self.neighbour.latencies(began)) > 5)
        self.quiet = max(self.quiet, percentile(self.neighbour.latencies(began), 99))


@contextmanager
def attacked_cluster(folder: Path, seekdb: SqlServer, log: Path) -> Iterator[Ground]:
    """Run everything as long as the block lasts."""
    resolver = MuteResolver()
    with control_plane(folder / "cluster") as cluster:
        admin = Session(cluster)
        deployment = _install(cluster)
        token = write_kubeconfig(folder / "operator.kubeconfig", admin, SYSTEM, NAME)
        muted = resolver.address if resolver.start() else ""
        operator = RunningOperator(folder, folder / "operator.kubeconfig", settings_of(deployment), muted, log)
        try:
            assert operator.start(), operator.logged()[-2000:]
            with move_in(cluster, NEIGHBOUR, seekdb).running() as neighbour:
                ground = Ground(cluster, operator, token, neighbour, seekdb, folder, muted)
                ground.measure_quiet()
                yield ground
        finally:
            operator.stop()
            resolver.stop()


def _install(cluster: ControlPlane) -> Body:
    """Replace what a local control plane knows of us by the chart; return its Deployment. Waits until the policies are at work."""
    kubectl = cluster.kubectl
    kubectl.run(["delete", "clusterrole,clusterrolebinding", NAME])
    kubectl.run(["delete", "crd", "--all"])
    kubectl.run(["create", "namespace", SYSTEM])
    objects = Release(cluster, SYSTEM).install(VALUES)
    kubectl.run(["wait", "crd", "--all", "--for=condition=Established", "--timeout=60s"])
    for namespace in (NEIGHBOUR, "team-a"):
        kubectl.run(["create", "namespace", namespace])
    eve = people.role(SYSTEM, "eve", people.RULES["eve"], people.user("eve"))
    kubectl.apply([*people.tenants("team-a"), *eve])
    _policies_work(Session(cluster, "alice"))
    (deployment,) = (body for body in objects if body["kind"] == "Deployment")
    return json.loads(json.dumps(deployment))  # type: ignore[no-any-return] # a copy of what Helm printed


def _policies_work(alice: Session) -> None:
    path = TASK_PATH.format("team-a")
    spec = {"type": "Cluster", "cluster": "x", "maintenance": "None", "steps": [{"name": "a", "wait": {"seconds": 0}}]}
    annotations = {"task.oceanbase.com/action": "nonsense"}
    task = {
        "apiVersion": "task.oceanbase.com/v1alpha1",
        "kind": "OBTask",
        "metadata": {"name": "x", "annotations": annotations},
        "spec": spec,
    }
    assert until(lambda: "unknown command" in alice.send("POST", path, task, dryRun="All").text, 90), "the policies are not at work"
