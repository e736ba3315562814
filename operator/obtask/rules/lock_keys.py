"""Owns what a task locks: its domain, its scope, and the name, labels and annotations of the Lease. API.md section 4."""

import hashlib
from dataclasses import dataclass
from typing import assert_never

from obtask import names
from obtask.model.contract import Maintenance, TaskType
from obtask.model.limits import one_line
from obtask.model.spec import TaskSpec
from obtask.model.task import InvalidSpec, Task

LONGEST_HOLDER = 256  # a stranger may have signed a Lease with anything


@dataclass(frozen=True, slots=True)
class Domain:
    """The tasks that can see each other: one cluster, or one host, of a namespace."""

    namespace: str
    type: TaskType
    target: str

    @property
    def label(self) -> str:
        """A label value that tells this domain from every other of its namespace."""
        return _digest(self.type.value, self.target)


@dataclass(frozen=True, slots=True)
class LockKey:
    """What a task locks in its domain; ``tenant`` is empty unless the scope is Tenant."""

    domain: Domain
    scope: Maintenance
    tenant: str = ""

    @property
    def whole(self) -> "LockKey":
        """The lock on the whole of the domain."""
        return self if self.scope is Maintenance.GLOBAL else LockKey(self.domain, Maintenance.GLOBAL)

    @property
    def lease_name(self) -> str:
        """Name of the Lease: a DNS label for any cluster, agent and tenant name; different keys get different names."""
        return f"obt-{self.scope.value.lower()}-{_digest(self.domain.type.value, self.domain.target, self.tenant)}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the Lease."""
        return {names.LOCK_LABEL: self.scope.value.lower(), names.DOMAIN_LABEL: self.domain.label}

    @property
    def annotations(self) -> dict[str, str]:
        """Annotations of the Lease: the key as written."""
        target = names.LOCK_CLUSTER_ANNOTATION if self.domain.type is TaskType.CLUSTER else names.LOCK_AGENT_ANNOTATION
        written = {names.LOCK_TYPE_ANNOTATION: self.domain.type.value, target: self.domain.target}
        return written | ({names.LOCK_TENANT_ANNOTATION: self.tenant} if self.tenant else {})


def _digest(*parts: str) -> str:
    # The lengths keep ("ab", "c") and ("a", "bc") apart.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def lock_key(namespace: str, spec: TaskSpec) -> LockKey | None:
    """Return what the task locks, or None for maintenance None."""
    domain = Domain(namespace, spec.type, getattr(spec, spec.type.target) or "")
    match spec.maintenance:
        case Maintenance.NONE:
            return None
        case Maintenance.GLOBAL | Maintenance.OBPROXY:
            return LockKey(domain, spec.maintenance)
        case Maintenance.TENANT:
            return LockKey(domain, spec.maintenance, spec.tenant or "")
        case never:
            assert_never(never)


def task_lock_key(task: Task) -> LockKey | None:
    """Return what the task locks, or None if nothing or if its spec cannot be read."""
    return None if isinstance(task.spec, InvalidSpec) else lock_key(task.metadata.namespace, task.spec)


def holder_identity(task: Task) -> str:
    """Return how the task signs a Lease: name and uid, so that a namesake does not inherit it."""
    return f"{task.metadata.name}/{task.metadata.uid}"


def holder_uid(identity: str) -> str:
    """Return the uid in a Lease's holderIdentity; empty if it is not one of ours."""
    return identity.rpartition("/")[2] if "/" in identity else ""


def holder_name(identity: str) -> str:
    """Return the task name in a Lease's holderIdentity, or the whole text if it is not one of ours, in any case printable and short."""
    return one_line(identity.rpartition("/")[0] or identity, LONGEST_HOLDER)
