"""Owns a namespace in which tests of the resource action work: a task that owns what is kept, an account, objects, executors."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.attempts import Bench, alone, bench, evaluated
from tests.support.attempts import attempt as plain_attempt
from tests.support.kubectl import Kubectl
from tests.support.rights import grant

from obtask.executors.resource.kept import Record
from obtask.executors.resource.work import WATCH_SECONDS, ResourceWork
from obtask.kube.client import Api
from obtask.kube.discovery import Discovery
from obtask.kube.impersonation import Impersonation
from obtask.kube.objects import Objects
from obtask.model.attempt import NOTHING_KEPT, Attempt
from obtask.model.contract import Direction
from obtask.model.kubernetes_actions import ResourceAction

RUNNER = "runner"
TASK = "resize-orders"

Body = dict[str, Any]


def furnished(kubectl: Kubectl, namespace: str, account: str) -> str:
    """Make the account and the task; return the task's uid."""
    grant(kubectl, namespace, account)
    steps = [{"name": "pause", "wait": {"seconds": 1}}]
    spec = {"type": "Cluster", "cluster": "obdemo", "maintenance": "None", "steps": steps}
    manifest = {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": {"name": TASK}, "spec": spec}
    return kubectl("create", "-n", namespace, "-f", "-", "-o", "jsonpath={.metadata.uid}", manifest=manifest)


def config_map(name: str = "settings", **data: str) -> Body:
    """Return a ConfigMap to apply."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def apply(manifest: Body, expect: str | None = None) -> ResourceAction:
    """Return an action that applies an object."""
    return ResourceAction.model_validate({"apply": manifest, "until": {"expect": expect} if expect else None})


def patch(change: Body, name: str = "settings", kind: str = "ConfigMap", expect: str | None = None) -> ResourceAction:
    """Return an action that patches an object of the core API."""
    body = {"apiVersion": "v1", "kind": kind, "name": name, "patch": change}
    return ResourceAction.model_validate({"patch": body, "until": {"expect": expect} if expect else None})


RESTORE = ResourceAction(restore=True)


@dataclass(frozen=True, slots=True)
class Workplace:
    """One test's namespace."""

    kubectl: Kubectl
    namespace: str
    uid: str
    api: Api
    acting: Api
    recorded: dict[tuple[str, str], str] = field(default_factory=dict)
    record_with: Record | None = None

    async def record(self, attempt: Attempt, digest: str) -> str:
        """Have a digest in the status, as the engine does."""
        return self.recorded.setdefault((attempt.id.step, attempt.id.subtask), digest)

    def bench(
        self,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        confirmed: Callable[[], Awaitable[None]] = alone,
        watch_seconds: int = WATCH_SECONDS,
        watches: int = 8,
    ) -> Bench:
        """Return an executor of resource actions."""
        parts = Impersonation(self.acting), Discovery(self.api), Objects(self.api)
        return bench(
            ResourceWork(
                *parts,
                record=self.record_with or self.record,
                confirmed=confirmed,
                expressions=evaluated,
                sleep=sleep,
                watch_seconds=watch_seconds,
            ),
            idle=watches,
        )

    def attempt(self, action: ResourceAction, *, account: str | None = RUNNER, seconds: float = 60, number: int = 1) -> Attempt:
        """Return an attempt of the namespace's task."""
        plain = plain_attempt(action, seconds=seconds, number=number)
        return replace(plain, id=replace(plain.id, uid=self.uid), namespace=self.namespace, task=TASK, service_account=account)

    @property
    def kept(self) -> str:
        """What the status says was kept."""
        return next(iter(self.recorded.values()), NOTHING_KEPT)

    def forward(self, action: ResourceAction, **more: Any) -> Attempt:
        """Return an attempt whose rollback is restore."""
        return replace(self.attempt(action, **more), counterpart=RESTORE, kept=self.kept)

    def backward(self, action: ResourceAction, restore: ResourceAction = RESTORE, **more: Any) -> Attempt:
        """Return the attempt that restores what the action changed."""
        plain = self.attempt(restore, **more)
        return replace(plain, id=replace(plain.id, direction=Direction.ROLLBACK), counterpart=action, kept=self.kept)

    def get(self, kind: str, name: str) -> Body | None:
        """Return an object, or None if there is none."""
        text = self.kubectl("get", kind, name, "-n", self.namespace, "-o", "json", "--show-managed-fields", "--ignore-not-found")
        found: Body | None = json.loads(text) if text else None
        return found

    def kept_names(self) -> list[str]:
        """Return the names of the ConfigMaps in which something is kept."""
        names = self.kubectl("get", "configmap", "-n", self.namespace, "-o", "name").splitlines()
        return [name.partition("/")[2] for name in names if "/obt-before-" in name]

    def put(self, manifest: Body) -> None:
        """Make or change an object, as a person does."""
        self.kubectl("apply", "-n", self.namespace, "-f", "-", manifest=manifest)

    def change(self, name: str, change: Body, kind: str = "configmap", *more: str) -> None:
        """Change an object, as a person does."""
        self.kubectl("patch", kind, name, "-n", self.namespace, "--type=merge", "-p", json.dumps(change), *more)

    def delete(self, kind: str, name: str) -> None:
        """Delete an object, as a person does, and wait until it is gone."""
        self.kubectl("delete", kind, name, "-n", self.namespace)
