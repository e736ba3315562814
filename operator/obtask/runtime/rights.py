"""Owns which rights the operator needs, and what for. The roles that are shipped grant exactly these; a test compares them."""

from collections.abc import Iterator
from itertools import chain

from obtask import names
from obtask.executors.registry import REGISTRY
from obtask.kube.access import Purpose, Right, rights
from obtask.model.template_contract import TemplateKind
from obtask.runtime.leader import LEASE_NAME

COORDINATION = "coordination.k8s.io"


def _templates(*, namespaced: bool) -> Iterator[Purpose]:
    for kind in TemplateKind:
        if kind.namespaced is namespaced:
            yield Purpose(rights("get", kind.plural, names.GROUP), f"tasks that name a template of kind {kind} are held up")
            said = (*rights("list watch", kind.plural, names.GROUP), *rights("update", kind.plural, names.GROUP, "status"))
            yield Purpose(said, f"templates of kind {kind} do not say whether they are valid")


# Without these no task can be carried out.
INDISPENSABLE = (
    *rights("get list watch patch", names.PLURAL, names.GROUP),
    *rights("update", names.PLURAL, names.GROUP, "status"),
    *rights("get list watch create update", "leases", COORDINATION),
    *rights("list watch", "jobs", "batch"),
    *rights("list watch", "pods"),
)

# In the namespace of the leader's Lease.
LEADING = (
    *rights("create", "leases", COORDINATION),
    *rights("get update", "leases", COORDINATION, name=LEASE_NAME),
)

PURPOSES = (
    Purpose(rights("delete", names.PLURAL, names.GROUP), "finished tasks are kept for ever"),
    Purpose(rights("delete", "leases", COORDINATION), "locks that nobody uses any more are kept for ever"),
    Purpose(rights("get", "secrets"), "steps that name a Secret fail", opened=True),
    Purpose(rights("get create update", "configmaps"), "long logs are lost, resource steps cannot restore", opened=True),
    Purpose(rights("list delete", "configmaps"), "old logs of a task stay: once they are 16 MiB, newer ones are lost", opened=True),
    Purpose(rights("create", "events"), "there are no Events"),
    *_templates(namespaced=True),
)

# In no namespace.
CLUSTER_WIDE = tuple(_templates(namespaced=False))

# With opt-in, everywhere.
OPTING_IN = rights("get", "namespaces")


def purposes(actions: tuple[str, ...], *, opt_in: bool) -> tuple[Purpose, ...]:
    """Return what an operator of these kinds of actions (empty: all) needs in all of its namespaces."""
    of_actions = (action.purposes for kind, action in REGISTRY.items() if not actions or kind in actions)
    return tuple(purpose for purpose in chain(PURPOSES, *of_actions) if not (opt_in and purpose.opened))


def all_rights() -> frozenset[Right]:
    """Return every right that the operator uses, but for those in its own namespace."""
    return frozenset(chain(INDISPENSABLE, *(purpose.rights for purpose in (*purposes((), opt_in=False), *CLUSTER_WIDE))))
