"""Owns which rights the operator needs, and what for. The roles that are shipped grant exactly these; a test compares them."""

from dataclasses import dataclass
from itertools import chain

from obtask import names
from obtask.kube.access import Right
from obtask.runtime.leader import LEASE_NAME

COORDINATION = "coordination.k8s.io"


def _rights(verbs: str, resource: str, group: str = "", subresource: str = "", name: str = "") -> tuple[Right, ...]:
    return tuple(Right(verb, resource, group, subresource, name) for verb in verbs.split())


@dataclass(frozen=True, slots=True)
class Purpose:
    """Rights that serve one purpose; without them ``consequence``.

    ``action``: the kind of action that needs them, if only one does. ``opened``: with opt-in they are given in single namespaces.
    """

    rights: tuple[Right, ...]
    consequence: str
    action: str = ""
    opened: bool = False


# Without these no task can be carried out.
INDISPENSABLE = (
    *_rights("get list watch patch", names.PLURAL, names.GROUP),
    *_rights("update", names.PLURAL, names.GROUP, "status"),
    *_rights("get list watch create update", "leases", COORDINATION),
    *_rights("list watch", "jobs", "batch"),
    *_rights("list watch", "pods"),
)

# In the namespace of the leader's Lease.
LEADING = (
    *_rights("create", "leases", COORDINATION),
    *_rights("get update", "leases", COORDINATION, name=LEASE_NAME),
)

PURPOSES = (
    Purpose(_rights("delete", names.PLURAL, names.GROUP), "finished tasks are kept for ever"),
    Purpose(_rights("delete", "leases", COORDINATION), "locks that nobody uses any more are kept for ever"),
    Purpose(_rights("get", "secrets"), "steps that name a Secret fail", opened=True),
    Purpose(_rights("get create update", "configmaps"), "long logs are lost, resource steps cannot restore", opened=True),
    Purpose(_rights("list delete", "configmaps"), "old logs of a task stay: once they are 16 MiB, newer ones are lost", opened=True),
    Purpose(_rights("impersonate", "serviceaccounts"), "resource steps fail", "resource", opened=True),
    Purpose(_rights("create", "events"), "there are no Events"),
    Purpose(_rights("list", "events"), "job steps do not say why a Job has no pod", "job"),
    Purpose(_rights("get create patch", "jobs", "batch"), "job steps fail", "job", opened=True),
    Purpose(_rights("get", "pods", subresource="log"), "job steps have no log", "job", opened=True),
)

# With opt-in, everywhere.
OPTING_IN = _rights("get", "namespaces")


def purposes(actions: tuple[str, ...], *, opt_in: bool) -> tuple[Purpose, ...]:
    """Return what an operator of these kinds of actions (empty: all) needs in all of its namespaces."""
    return tuple(
        purpose
        for purpose in PURPOSES
        if not (opt_in and purpose.opened) and (not actions or not purpose.action or purpose.action in actions)
    )


def all_rights() -> frozenset[Right]:
    """Return every right that the operator uses in the namespaces of tasks."""
    return frozenset(chain(INDISPENSABLE, *(purpose.rights for purpose in PURPOSES)))
