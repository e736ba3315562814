"""The API server in memory, on which the explorer and the unit tests stand, beside the real one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.memory_api import MemoryApi

from devcluster.controlplane import ControlPlane
from obtask import names
from obtask.kube.api import ApiError, Json, Requests
from obtask.kube.client import connect

FINALIZER, NOTE = "example.com/held", "example.com/note"
SPEC: Json = {"type": "Cluster", "cluster": "c", "maintenance": "Global", "steps": [{"name": "s", "wait": {"seconds": 1}}]}
DELETE: Json = {"apiVersion": "v1", "kind": "DeleteOptions"}


def shown(answer: Json | ApiError) -> object:
    """Return of an answer what both servers must agree on."""
    if isinstance(answer, ApiError):
        return answer.status, answer.reason
    if "items" in answer:
        return [item["metadata"]["name"] for item in answer["items"]]
    meta = answer["metadata"]
    notes = {key: value for key, value in (meta.get("annotations") or {}).items() if key == NOTE}
    holder = answer["spec"].get("holderIdentity"), answer["spec"].get("leaseTransitions")
    return meta.get("finalizers") or [], notes, "deletionTimestamp" in meta, holder, (answer.get("status") or {}).get("phase", "Pending")


class Talk:
    """A conversation with one of the servers: all that it answered."""

    def __init__(self, api: Requests, path: str) -> None:
        self._api, self._path = api, path
        self.answers: list[object] = []

    async def say(self, method: str, name: str = "", body: Json | None = None, selector: str = "") -> Any:
        """Send a request; return the metadata in the answer."""
        query = {"labelSelector": selector} if selector else {}
        answer = await self._api.send(method, f"{self._path}{name}", query=query, body=body)
        # What the real one says of a deletion has another form each time.
        self.answers.append(shown(answer) if method != "DELETE" or isinstance(answer, ApiError) else "deleted")
        return {} if isinstance(answer, ApiError) else answer.get("metadata", {})


async def talk_of_leases(api: Requests, namespace: str) -> list[object]:
    """Create, read, list, write and delete a Lease, each rightly and wrongly; return the answers."""
    talk = Talk(api, f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
    head: Json = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    meta: Json = {"name": "a", "labels": {"of": "x"}}
    free = head | {"metadata": meta, "spec": {"leaseTransitions": 1}}
    first = {"resourceVersion": (await talk.say("POST", body=free))["resourceVersion"]}
    await talk.say("POST", body=free)
    held = head | {"metadata": meta | first, "spec": {"holderIdentity": "me", "leaseTransitions": 2}}
    second = {"resourceVersion": (await talk.say("PUT", "/a", held))["resourceVersion"]}
    await talk.say("PUT", "/a", held)
    again = held | {"metadata": meta | second}
    talk.answers.append((await talk.say("PUT", "/a", again))["resourceVersion"] == second["resourceVersion"])
    await talk.say("GET", "/a")
    await talk.say("GET", selector="of=x")
    await talk.say("GET", selector="of=y")
    for version in (first, second):
        await talk.say("DELETE", "/a", DELETE | {"preconditions": version})
    await talk.say("GET", "/a")
    await talk.say("DELETE", "/a", DELETE | {"preconditions": second})
    await talk.say("PUT", "/a", again)
    await talk.say("PUT", "/a", again)
    return talk.answers


async def talk_of_tasks(api: Requests, namespace: str) -> list[object]:
    """Annotate a task that has a finalizer, write its status, delete it and let it go, each rightly and wrongly; return the answers."""
    talk = Talk(api, f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{namespace}/{names.PLURAL}")
    head: Json = {"apiVersion": names.API_VERSION, "kind": names.KIND}
    made = await talk.say("POST", body=head | {"metadata": {"name": "t", "finalizers": [FINALIZER]}, "spec": SPEC})
    first = {"name": "t", "resourceVersion": made["resourceVersion"]}
    noted = await talk.say("PATCH", "/t", {"metadata": first | {"annotations": {NOTE: "1"}}})
    await talk.say("PATCH", "/t", {"metadata": first | {"annotations": {NOTE: "2"}}})
    await talk.say("PUT", "/t/status", head | {"metadata": first, "status": {"phase": "Running"}})
    for other in (first, {"name": "t", "resourceVersion": noted["resourceVersion"]}):
        namesake = other | {"uid": "another"}
        await talk.say("PATCH", "/t", {"metadata": namesake | {"annotations": {NOTE: "3"}}})
        await talk.say("PUT", "/t/status", head | {"metadata": namesake, "status": {"phase": "Running"}})
    second = {"name": "t", "resourceVersion": noted["resourceVersion"]}
    stored = await talk.say("PUT", "/t/status", head | {"metadata": second, "status": {"phase": "Running"}})
    third = {"name": "t", "resourceVersion": stored["resourceVersion"]}
    same = await talk.say("PUT", "/t/status", head | {"metadata": third, "status": {"phase": "Running"}})
    talk.answers.append(same.get("resourceVersion") == stored["resourceVersion"])
    await talk.say("PATCH", "/t", {"metadata": {"annotations": {NOTE: None}}})
    await talk.say("DELETE", "/t", DELETE | {"preconditions": {"uid": "another"}})
    await talk.say("DELETE", "/t")
    leaving = await talk.say("GET", "/t")
    await talk.say("DELETE", "/t")
    talk.answers.append((await talk.say("GET", "/t"))["resourceVersion"] == leaving["resourceVersion"])
    await talk.say("PATCH", "/t", {"metadata": {"finalizers": []}})
    await talk.say("GET", "/t")
    return talk.answers


@pytest.mark.parametrize("talk", [talk_of_leases, talk_of_tasks])
async def test_the_api_server_in_memory_answers_as_the_real_one(control_plane: ControlPlane, namespace: str, talk: Any) -> None:
    """What is stored, what is refused and why, which write makes no new version, and when an object goes are the same in both."""
    real = await connect(str(control_plane.kubeconfig))
    try:
        expected = await talk(real, namespace)
    finally:
        await real.close()

    assert await talk(MemoryApi(lambda: datetime(2026, 1, 1, tzinfo=UTC)), namespace) == expected
