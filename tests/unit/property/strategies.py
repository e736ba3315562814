"""Random tasks, ends of attempts, and tasks in the way."""

from hypothesis import strategies as st
from tests.support.builders import TaskBuilder, a_blocker, a_task, work

from obtask.model.attempt import Failed, Outcome, Succeeded
from obtask.model.spec import Forbidden
from obtask.model.status import Blocker, FailureReason, Phase

FORBIDS = st.lists(st.sampled_from([forbidden.value for forbidden in Forbidden]), max_size=1)
AUTO_RETRIES = st.sampled_from([None, {"limit": 1, "backoffSeconds": 0}, {"limit": 2, "backoffSeconds": 5, "maxBackoffSeconds": 7}])


@st.composite
def steps(draw: st.DrawFn, name: str) -> dict[str, object]:
    """Return a step: one action or up to three subtasks, with and without everything that a step can have."""
    options = {"interrupted": draw(st.sampled_from(["Fail", "Rerun"])), "undoBeforeRetry": draw(st.booleans()), "forbid": draw(FORBIDS)}
    auto_retry = draw(AUTO_RETRIES)
    if auto_retry is not None:
        options["autoRetry"] = auto_retry
    width = draw(st.integers(0, 3))
    if not width:
        return work(name, undo=draw(st.booleans())) | options
    return {"name": name, "parallel": [work(f"{name}{part}", undo=draw(st.booleans())) for part in range(width)]} | options


@st.composite
def tasks(draw: st.DrawFn) -> TaskBuilder:
    """Return a task of up to three steps."""
    builder = draw(st.sampled_from([a_task().everything(), a_task().tenant("orders"), a_task().agent("h").obproxy(), a_task().none()]))
    builder = builder.rejecting() if draw(st.integers(0, 9)) == 0 else builder
    seconds = draw(st.sampled_from([None, None, 0, 60]))
    builder = builder if seconds is None else builder.ttl(seconds)
    return builder.with_steps(*(draw(steps(name)) for name in "abc"[: draw(st.integers(1, 3))]))


FAILURES = st.builds(
    Failed,
    st.sampled_from(FailureReason),
    st.sampled_from(["exit code 3", "", "two\nlines", "租" * 600, "x after: y"]),
    st.sampled_from([None, "3"]),
    untouched=st.booleans(),
)


def outcomes() -> st.SearchStrategy[Outcome]:
    """Return how an attempt can end; success is as likely as failure."""
    return st.one_of(st.sampled_from([Succeeded("done"), Succeeded("already done", untouched=True)]), FAILURES)


def blockers() -> st.SearchStrategy[tuple[Blocker, ...]]:
    """Return tasks in the way."""
    phases = st.sampled_from([Phase.RUNNING, Phase.WAITING, Phase.FAILED])
    found = st.builds(a_blocker, st.sampled_from(["a", "b", "c" * 253]), phases)
    return st.lists(found, min_size=1, max_size=12).map(tuple)
