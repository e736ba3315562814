"""Whatever one object contains, nobody else notices: not at the start, not while the operator runs, not when it lists anew. API.md 2.2."""

import copy
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.apiserver import EVENTS, LEASES, OBTASKS, ApiServer, api_server
from tests.support.chart.installed import eventually
from tests.support.operators import OperatorProcess
from tests.support.tasks import TaskClient, wait_step
from tests.system.poison import STATUSES, harmless, lease, poison, rows, too_much

from devcluster.controlplane import ControlPlane, control_plane
from obtask.model.schema import custom_resource_definitions
from obtask.names import FINALIZER

pytestmark = pytest.mark.usefixtures("binaries")
MOST_MIB = 400
SOON = 20.0
BEFORE, MEANWHILE, NEIGHBOUR = "poison-before", "poison-meanwhile", "neighbour"
REJECTED = [name for name, _ in too_much()]
ODD = [name for name, _ in harmless()]


@dataclass(frozen=True, slots=True)
class Seen:
    """What kubectl shows of a task."""

    phase: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Place:
    """An operator that watches two namespaces full of poison, and the neighbour's tasks."""

    cluster: ControlPlane
    operator: OperatorProcess
    api: ApiServer
    neighbour: TaskClient
    pid: int

    def neighbour_succeeds(self, name: str) -> None:
        """See a task of the neighbour succeed within seconds."""
        begun = time.monotonic()
        self.neighbour.create(name, maintenance="Global", steps=[wait_step("s")])
        self.neighbour.wait_let_go(name, "Succeeded", seconds=SOON)
        assert time.monotonic() - begun < SOON

    def seen(self, namespace: str) -> dict[str, Seen]:
        """Return what kubectl would show of the tasks of a namespace; nothing of what they contain is sent."""
        return {row["Name"] or "": Seen(row["Phase"] or "", row["Reason"] or "", row["Message"] or "") for row in rows(self.api, namespace)}

    def see(self, namespace: str, names: Iterable[str], holds: Callable[[Seen], bool]) -> dict[str, Seen]:
        """Wait until something holds for all these tasks; return what is seen of them."""
        deadline = time.monotonic() + 30
        while True:
            seen = {name: found for name, found in self.seen(namespace).items() if name in names}
            wrong = {name: found for name, found in seen.items() if not holds(found)}
            if not wrong:
                return seen
            assert time.monotonic() < deadline, wrong
            time.sleep(0.3)

    def told(self, namespace: str, reason: str) -> set[str]:
        """Return the tasks about which there is an Event with this reason."""
        events = self.api.get(EVENTS.format(namespace))["items"]
        return {event["involvedObject"]["name"] for event in events if event["reason"] == reason}

    def mib(self) -> int:
        """Return the largest resident size that the operator ever had."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.operator.pid}/status").read_text())
        assert found is not None
        return int(found[1]) // 1024


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return an API server that stores any status: that of a newer operator, or of a broken one."""
    with control_plane(tmp_path_factory.mktemp("poison") / "cluster") as running:
        crd = copy.deepcopy(custom_resource_definitions()[0])
        version = crd["spec"]["versions"][0]
        status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
        anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"phase": {"type": "string"}}}
        version["schema"]["openAPIV3Schema"]["properties"]["status"] = anything | {"default": status["default"]}
        running.kubectl.apply([crd])
        places = ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in (BEFORE, MEANWHILE, NEIGHBOUR))
        running.kubectl.apply(list(places))
        yield running


@pytest.fixture(scope="module")
def place(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Return an operator that was started when the poison was there, and was given as much while it ran."""
    api, log = api_server(cluster), tmp_path_factory.mktemp("operator") / "log"
    poison(api, BEFORE)
    operator = OperatorProcess(cluster.operator_kubeconfig, NEIGHBOUR, log)
    operator._words += ["--namespace", BEFORE, "--namespace", MEANWHILE]
    operator.start()
    try:
        found = Place(cluster, operator, api, TaskClient(cluster, NEIGHBOUR), operator.pid)
        found.neighbour_succeeds("at-the-start")
        poison(api, MEANWHILE)
        found.neighbour_succeeds("meanwhile")
        yield found
    finally:
        operator.kill()


@pytest.mark.parametrize("namespace", [BEFORE, MEANWHILE])
def test_a_spec_beyond_the_limits_is_rejected(place: Place, namespace: str) -> None:
    """A task whose spec is too large or too deep ends Rejected; its message and an Event say why."""
    for name, seen in place.see(namespace, REJECTED, lambda seen: seen.phase == "Rejected").items():
        assert seen.reason == "InvalidSpec", name
        assert re.search(r"spec nests more than 64 deep|spec has \d+ bytes, more than 256 KiB", seen.message), (name, seen)
    eventually(lambda: place.told(namespace, "InvalidSpec") >= set(REJECTED), "the Events")


@pytest.mark.parametrize("namespace", [BEFORE, MEANWHILE])
def test_what_is_merely_odd_is_carried_out(place: Place, namespace: str) -> None:
    """Long names, great annotations and labels, and 50 levels are nobody's business: the step is run, and fails since nobody listens."""
    place.see(namespace, ODD, lambda seen: seen.phase == "Failed" or (seen.phase, seen.reason) == ("Cancelled", "CancelledByUser"))


@pytest.mark.parametrize("namespace", [BEFORE, MEANWHILE])
def test_a_status_that_cannot_be_read_stays(place: Place, namespace: str) -> None:
    """It says what to type, keeps its phase and what else it said: a newer operator may have written it while it held a lock."""
    kept = STATUSES.keys() - {"deep"}  # which would lose something if it were written again
    for name, seen in place.see(namespace, kept, lambda seen: "cannot read the status" in seen.message).items():
        assert seen.phase == STATUSES[name]["phase"], name
        assert f"kubectl annotate obtask {name} -n {namespace} action=skip" in seen.message
    assert place.seen(namespace)["deep"].phase == "Running"
    eventually(lambda: place.told(namespace, "StatusUnreadable") >= set(STATUSES), "the Events")


def test_a_task_that_cannot_be_read_can_be_skipped_and_deleted(place: Place) -> None:
    """A person can get rid of it: skip ends it, deletion lets it go, anything else is refused; its Lease is freed at its end."""
    made = TaskClient(place.cluster, BEFORE)
    uid = made.get("failed-unknown")["metadata"]["uid"]
    place.api.send("POST", LEASES.format(BEFORE), lease("obt-held", {"holderIdentity": f"failed-unknown/{uid}"}, BEFORE))
    for name in ("failed-unknown", "types"):
        place.api.send("PATCH", f"{OBTASKS.format(BEFORE)}/{name}", {"metadata": {"finalizers": [FINALIZER]}})

    made.annotate("failed-unknown", "action=retry")
    made.wait("failed-unknown", lambda task: task["status"].get("lastAction", {}).get("result") == "Rejected", "an answer")
    assert made.leases()["obt-held"]["spec"]["holderIdentity"], "it keeps its lock"
    made.annotate("failed-unknown", "action=skip")
    ended = made.wait_let_go("failed-unknown", "Skipped")
    made.delete("types")
    made.wait_gone("types")

    assert ended["lastAction"]["result"] == "Accepted"
    assert {each["type"]: each["status"] for each in ended["conditions"]}["Finished"] == "True"
    eventually(lambda: not made.leases()["obt-held"]["spec"].get("holderIdentity"), "the release of its Lease")


def test_the_operator_goes_on_and_starts_again(place: Place) -> None:
    """One process through all of it, within its memory; another one starts beside it, and after a kill the next one does."""
    place.neighbour_succeeds("afterwards")
    assert place.operator.alive
    assert place.operator.pid == place.pid
    assert place.mib() < MOST_MIB

    place.operator.kill()
    place.operator.start()
    place.neighbour_succeeds("after-a-kill")
    assert place.mib() < MOST_MIB
    log = place.operator.log.read_text()
    assert "a part of the operator ended" not in log
    assert "the watches ended" not in log
    assert "Traceback" not in log, log[log.index("Traceback") - 2000 :][:6000]
