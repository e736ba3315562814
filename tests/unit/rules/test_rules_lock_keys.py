"""What a task locks, and how its Lease is named, labelled and signed. API.md section 4."""

import itertools
import re

import pytest
from tests.support.builders import TaskBuilder, a_task

from obtask import names
from obtask.model.contract import Maintenance, TaskType
from obtask.rules.lock_keys import Domain, LockKey, holder_identity, holder_name, holder_uid, task_lock_key

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def key(builder: TaskBuilder) -> LockKey:
    """Return what the task locks."""
    found = task_lock_key(builder.build())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("builder", "expected"),
    [
        (a_task().cluster("c").everything(), LockKey(Domain("prod", TaskType.CLUSTER, "c"), Maintenance.GLOBAL)),
        (a_task().cluster("c").tenant("t"), LockKey(Domain("prod", TaskType.CLUSTER, "c"), Maintenance.TENANT, "t")),
        (a_task().agent("h:1").everything(), LockKey(Domain("prod", TaskType.LOCAL, "h:1"), Maintenance.GLOBAL)),
        (a_task().agent("h:1").obproxy(), LockKey(Domain("prod", TaskType.LOCAL, "h:1"), Maintenance.OBPROXY)),
    ],
)
def test_lock_key_of_a_task(builder: TaskBuilder, expected: LockKey) -> None:
    """A task locks its scope in the domain of its cluster or host and namespace."""
    assert key(builder) == expected


@pytest.mark.parametrize("builder", [a_task().none(), a_task().agent("h:1").none()])
def test_maintenance_none_locks_nothing(builder: TaskBuilder) -> None:
    """A task that excludes nobody has no Lease."""
    assert task_lock_key(builder.build()) is None


def test_cluster_of_a_local_task_does_not_matter() -> None:
    """spec.cluster of a Local task is informative: its domain is the host."""
    assert key(a_task().agent("h:1").with_spec(cluster="c")) == key(a_task().agent("h:1"))


AWKWARD = [
    "a",
    "A",
    "租户",
    "租 户",
    "a/b",
    "a:b",
    "..",
    "-",
    "ü",
    "u\u0308",
    "x" * 253,
    "租" * 253,
    "%2F",
    "1:a",
    "sys tenant",
    "'; drop",
    "\t",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_lease_name_is_safe_for_any_name(name: str) -> None:
    """Whatever the cluster, agent or tenant is called, name and labels are what Kubernetes allows, and the key is kept as written."""
    for lock in (key(a_task().cluster(name).tenant(name)), key(a_task().agent(name).obproxy())):
        assert len(lock.lease_name) <= 63
        assert DNS_LABEL.fullmatch(lock.lease_name)
        for value in lock.labels.values():
            assert len(value) <= 63
            assert LABEL_VALUE.fullmatch(value)
        assert name in lock.annotations.values()


def test_different_keys_never_share_a_lease() -> None:
    """Every combination of type, name, scope and tenant has a Lease of its own, also where the names run into each other."""
    words = [*AWKWARD, "ab", "c", "abc", "bc", ""]
    keys = [
        LockKey(Domain("prod", type_, target), scope, tenant)
        for type_ in TaskType
        for target in words
        for scope, tenants in ((Maintenance.GLOBAL, [""]), (Maintenance.OBPROXY, [""]), (Maintenance.TENANT, words))
        for tenant in tenants
    ]

    assert len({lock.lease_name for lock in keys}) == len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("ab", "c"), ("a", "bc"), id="boundary"),
        pytest.param(("a", "B"), ("a", "b"), id="case"),
        pytest.param(("x" * 253, "a"), ("x" * 252 + "y", "a"), id="last-of-253-characters"),
        pytest.param(("ü", "a"), ("u\u0308", "a"), id="looks-the-same"),
        pytest.param(("1:a", "b"), ("1", "a1:b"), id="looks-like-a-length"),
    ],
)
def test_keys_that_are_easily_confused(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Names that only a careless encoding mixes up stay apart."""
    leases = {key(a_task().cluster(cluster).tenant(tenant)).lease_name for cluster, tenant in (one, other)}

    assert len(leases) == 2


def test_lease_name_is_the_same_for_ever() -> None:
    """A new version of the operator must find the Leases of the old one."""
    assert key(a_task().cluster("obdemo").tenant("orders")).lease_name == "obt-tenant-2ce9aacf800b531ff55006bfcee29a3aa822098e"


def test_labels_and_annotations() -> None:
    """Labels find all Leases, those of a scope and those of a domain; annotations carry the key as written."""
    tenant, everything = key(a_task().cluster("obdemo").tenant("Orders 1")), key(a_task().cluster("obdemo").everything())

    assert tenant.labels == {names.LOCK_LABEL: "tenant", names.DOMAIN_LABEL: tenant.domain.label}
    assert everything.labels == {names.LOCK_LABEL: "global", names.DOMAIN_LABEL: tenant.domain.label}
    assert tenant.annotations == {f"{names.GROUP}/type": "Cluster", f"{names.GROUP}/cluster": "obdemo", f"{names.GROUP}/tenant": "Orders 1"}
    assert everything.annotations == {f"{names.GROUP}/type": "Cluster", f"{names.GROUP}/cluster": "obdemo"}
    assert key(a_task().agent("h:1").obproxy()).annotations == {f"{names.GROUP}/type": "Local", f"{names.GROUP}/agent": "h:1"}
    assert key(a_task().agent("h:1").obproxy()).labels[names.LOCK_LABEL] == "obproxy"


def test_domains_have_labels_of_their_own() -> None:
    """Two domains of a namespace never share a label."""
    domains = [Domain("prod", type_, target) for type_, target in itertools.product(TaskType, AWKWARD)]

    assert len({domain.label for domain in domains}) == len(domains)


def test_holder_is_name_and_uid() -> None:
    """A task signs with name and uid, so that a namesake does not inherit the lock."""
    task, namesake = a_task().named("x", "uid-1").build(), a_task().named("x", "uid-2").build()

    assert holder_identity(task) == "x/uid-1"
    assert holder_identity(task) != holder_identity(namesake)
    assert (holder_name("x/uid-1"), holder_uid("x/uid-1")) == ("x", "uid-1")


@pytest.mark.parametrize(("holder", "name"), [("somebody", "somebody"), ("", ""), ("a/b/c", "a/b")])
def test_holder_that_is_not_one_of_ours(holder: str, name: str) -> None:
    """A signature of a stranger can be shown."""
    assert (holder_name(holder), holder_uid(holder)) == (name, "c" if holder == "a/b/c" else "")
