"""Kinds that come, go and change while the operator runs, and the part of an object that has a path of its own: its status."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.component.executors.workplace import Body, Workplace
from tests.support.attempts import until

from obtask.executors.resource.change import UNCHANGED
from obtask.model.attempt import Attempt, Failed, Succeeded
from obtask.model.kubernetes_actions import ResourceAction
from obtask.model.reasons import FailureReason


class Kind:
    """A kind of the test's own, which whoever asks for it may use."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._tail = workplace.namespace.removeprefix("test-").replace("-", "")
        self.group = f"g{self._tail}.example.com"
        self.kind = f"Thing{self._tail}"
        subjects = [{"kind": "ServiceAccount", "name": "runner", "namespace": workplace.namespace}]
        rbac, name = "rbac.authorization.k8s.io", f"runner-{self._tail}"
        role = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}}
        binding = role | {"kind": "ClusterRoleBinding", "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name}}
        rules = [{"apiGroups": [self.group], "resources": ["*"], "verbs": ["*"]}]
        for manifest in (role | {"rules": rules}, binding | {"subjects": subjects}):
            workplace.kubectl("apply", "-f", "-", manifest=manifest)

    def crd(self, plural: str, *, status: bool = False) -> None:
        """Make the CRD and do not wait."""
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        version = {"name": "v1", "served": True, "storage": True, "schema": schema} | ({"subresources": {"status": {}}} if status else {})
        names = {"kind": self.kind, "plural": plural, "singular": plural}
        meta = {"name": f"{plural}.{self.group}"}
        spec = {"group": self.group, "scope": "Namespaced", "names": names, "versions": [version]}
        manifest = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec}
        self._workplace.kubectl("create", "-f", "-", manifest=manifest)

    def drop(self, plural: str) -> None:
        """Delete the CRD and wait until it is gone."""
        self._workplace.kubectl("delete", "crd", f"{plural}.{self.group}", "--ignore-not-found")

    def forbid(self) -> None:
        """Take the rights back."""
        for resource in ("clusterrolebinding", "clusterrole"):
            self._workplace.kubectl("delete", resource, f"runner-{self._tail}")

    def apply(self, **fields: Any) -> ResourceAction:
        """Return an action that applies an object of the kind."""
        manifest = {"apiVersion": f"{self.group}/v1", "kind": self.kind, "metadata": {"name": "x"}} | fields
        return ResourceAction.model_validate({"apply": manifest})

    def patch(self, change: Body) -> ResourceAction:
        """Return an action that patches that object."""
        patch = {"apiVersion": f"{self.group}/v1", "kind": self.kind, "name": "x", "patch": change}
        return ResourceAction.model_validate({"patch": patch})

    def get(self, plural: str) -> Body:
        """Return the object as it is now."""
        found = self._workplace.get(f"{plural}.{self.group}", "x")
        assert found is not None
        return found


@contextmanager
def a_kind(workplace: Workplace, *plurals: str) -> Iterator[Kind]:
    """Have a kind, whose CRDs go at the end."""
    kind = Kind(workplace)
    try:
        yield kind
    finally:
        for plural in plurals:
            kind.drop(plural)
        kind.forbid()


async def test_an_object_right_after_its_crd(workplace: Workplace) -> None:
    """The API server needs some seconds to serve a new kind: nobody has to write a step that waits for it."""
    with a_kind(workplace, "things") as kind:
        bench = workplace.bench()
        running = asyncio.create_task(bench.run(workplace.attempt(kind.apply(spec={"a": 1}))))
        await until(lambda: "asking again" in bench.log.text)
        await asyncio.to_thread(kind.crd, "things")

        end = await running

        assert isinstance(end, Succeeded), end
        assert kind.get("things")["spec"] == {"a": 1}


async def test_a_kind_that_is_served_elsewhere_now(workplace: Workplace) -> None:
    """Made again with another plural: what was remembered is given up at the first answer that there is no such thing."""
    with a_kind(workplace, "things", "gizmos") as kind:
        bench = workplace.bench()
        await asyncio.to_thread(kind.crd, "things")
        assert isinstance(await bench.run(workplace.attempt(kind.apply())), Succeeded)
        await asyncio.to_thread(kind.drop, "things")
        await asyncio.to_thread(kind.crd, "gizmos")

        end = await bench.run(workplace.attempt(kind.apply(spec={"a": 2}), number=2))

        assert isinstance(end, Succeeded), end
        assert kind.get("gizmos")["spec"] == {"a": 2}
        await asyncio.to_thread(kind.drop, "gizmos")
        gone = await bench.run(workplace.attempt(kind.apply(), number=3))

    assert isinstance(gone, Failed)
    assert (gone.reason, gone.message) == (FailureReason.NOT_FOUND, f'the API server has no kind "{kind.kind}" in {kind.group}/v1')


async def test_a_patch_of_the_status(workplace: Workplace) -> None:
    """Of a kind whose status is changed apart, a patch reaches both; sent together, the API server would leave the status out silently."""
    with a_kind(workplace, "things") as kind:
        await asyncio.to_thread(kind.crd, "things", status=True)
        bench = workplace.bench()

        async def done(attempt: Attempt) -> str:
            end = await bench.run(attempt)
            assert isinstance(end, Succeeded), end
            return end.message or ""

        await done(workplace.attempt(kind.apply(spec={"a": 1}, status={"phase": "Old"})))
        assert "status: left out" in bench.log.text
        only = await done(workplace.attempt(kind.patch({"status": {"phase": "Ready"}}), number=2))
        assert kind.get("things")["status"] == {"phase": "Ready"}
        both = await done(workplace.attempt(kind.patch({"spec": {"b": 2}, "status": {"phase": None, "size": 3}}), number=3))
        again = await done(workplace.attempt(kind.patch({"spec": {"b": 2}, "status": {"size": 3}}), number=4))
        undone = await bench.run(workplace.forward(kind.patch({"status": {"size": 4}}), number=5))

        live = kind.get("things")
    assert (live["spec"], live["status"]) == ({"a": 1, "b": 2}, {"size": 3})
    assert [text.rsplit(" ", 1)[1] for text in (only, both, again)] == ["changed", "changed", UNCHANGED]
    assert isinstance(undone, Failed)
    assert "cannot be put back by restore; nothing was changed" in undone.message


async def test_a_status_that_is_part_of_the_object(workplace: Workplace) -> None:
    """Where there is no path of its own, it is a field like any other."""
    with a_kind(workplace, "things") as kind:
        await asyncio.to_thread(kind.crd, "things")
        bench = workplace.bench()

        assert isinstance(await bench.run(workplace.attempt(kind.apply(status={"phase": "Old"}))), Succeeded)
        assert isinstance(await bench.run(workplace.attempt(kind.patch({"status": {"size": 1}}), number=2)), Succeeded)

        assert kind.get("things")["status"] == {"phase": "Old", "size": 1}
        assert "left out" not in bench.log.text
