"""Owns lines of tasks: who holds a lock of a cluster or a host, and who waits for it."""

from datetime import timedelta

from hypothesis import strategies as st
from tests.support.builders import START
from tests.support.lines import form_line

from obtask.model.contract import Maintenance, Phase, TaskType
from obtask.rules.exclusion import Contender, DomainView, conflicts
from obtask.rules.lock_keys import Domain, LockKey

CLUSTER = Domain("prod", TaskType.CLUSTER, "obdemo")
HOST = Domain("prod", TaskType.LOCAL, "10.0.0.5:2886")

CLUSTER_LOCKS = [LockKey(CLUSTER, Maintenance.GLOBAL), *(LockKey(CLUSTER, Maintenance.TENANT, name) for name in "abc")]
HOST_LOCKS = [LockKey(HOST, Maintenance.GLOBAL), LockKey(HOST, Maintenance.OBPROXY)]
HOLDING = [Phase.RUNNING, Phase.FAILED, Phase.ROLLING_BACK]

LOCKS = st.sampled_from(CLUSTER_LOCKS + HOST_LOCKS)


def contender(name: str, lock: LockKey, second: int, phase: Phase = Phase.WAITING) -> Contender:
    """Return a task that was created at that second."""
    return Contender(name, f"uid-of-{name}", lock, phase, START + timedelta(seconds=second))


@st.composite
def lines(draw: st.DrawFn) -> DomainView:
    """Return a line of a cluster or a host; who holds in it does not conflict with one another."""
    locks = st.sampled_from(draw(st.sampled_from([CLUSTER_LOCKS, HOST_LOCKS])))
    seconds = st.integers(0, 4)
    names = draw(st.lists(st.text("abcdef", min_size=1, max_size=3), unique=True, max_size=12))
    everybody = [contender(name, draw(locks), draw(seconds)) for name in names]
    holders: list[Contender] = []
    for one in everybody[: draw(st.integers(0, 4))]:
        if not any(conflicts(one.lock, holder.lock) for holder in holders):
            holders.append(contender(one.name, one.lock, 0, draw(st.sampled_from(HOLDING))))
    return form_line(holders, everybody)
