"""Names of Leases for any cluster, agent and tenant name."""

import re

from hypothesis import given
from hypothesis import strategies as st

from obtask.model.contract import Maintenance, TaskType
from obtask.rules.lock_keys import Domain, LockKey
from obtask.rules.owned import label_value

# Whatever JSON can carry, with characters that are easily confused more often than others.
NAMES = st.one_of(st.text("ab:1/", max_size=6), st.text(st.characters(codec="utf-8"), max_size=253))


@st.composite
def lock_keys(draw: st.DrawFn) -> LockKey:
    """Return any key."""
    scope = draw(st.sampled_from([Maintenance.GLOBAL, Maintenance.OBPROXY, Maintenance.TENANT]))
    tenant = draw(NAMES) if scope is Maintenance.TENANT else ""
    return LockKey(Domain("prod", draw(st.sampled_from(TaskType)), draw(NAMES)), scope, tenant)


@given(one=lock_keys(), other=lock_keys())
def test_lease_names(one: LockKey, other: LockKey) -> None:
    """A Lease's name is a DNS label, the same for equal keys, and different for different ones; so is the domain's label."""
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", one.lease_name)
    assert (one.lease_name == other.lease_name) == (one == other)
    assert (one.domain.label == other.domain.label) == (one.domain == other.domain)


@given(name=st.text("ab.-", min_size=1, max_size=5), count=st.integers(1, 60))
def test_label_values(name: str, count: int) -> None:
    """The label of any task name is a valid value, and only a valid name is its own label."""
    value = label_value(name * count)

    assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", value)
    assert value == name * count or len(name * count) > 63 or {(name * count)[0], (name * count)[-1]} & set(".-")
