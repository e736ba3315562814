"""Random tasks, ends of attempts, and tasks in the way."""

from hypothesis import strategies as st
from tests.support.builders import TaskBuilder, a_blocker, a_task, work

from obtask.model.attempt import Failed, Outcome, Succeeded
from obtask.model.contract import Forbidden, Phase
from obtask.model.reasons import FailureReason
from obtask.model.status import Blocker

FORBIDS = st.lists(st.sampled_from([forbidden.value for forbidden in Forbidden]), max_size=1)
AUTO_RETRIES = st.sampled_from([None, {"limit": 1, "backoffSeconds": 0}, {"limit": 2, "backoffSeconds": 5, "maxBackoffSeconds": 7}])


# What a condition, or a list, gives; None: it cannot be evaluated.
WHENS: dict[str, bool | None] = {"1 + 1 == 2": True, "1 + 1 == 3": False, "task.nothing == 1": None}
LONG = "x" * 300
ITEMS: dict[str, list[object] | None] = {
    "['a', 'b', 'c']": ["a", "b", "c"],
    "[1, 1]": [1, 1],
    f"['{LONG}', null]": [LONG, None],
    "[]": [],
    "task.nothing": None,
}


def giving(step: str, *, undo: bool, value: str) -> dict[str, object]:
    """Return an action that gives a value away, with an undo that wants to know it, and ``value``."""
    action: dict[str, object] = {"sql": {"statements": [f"SELECT ${{{{ {value} }}}}"], "outputs": {"made": "rows.size()"}}}
    known = {"sql": {"statements": [f"SELECT ${{{{ string(steps.{step}.subtasks.size()) }}}}, ${{{{ {value} }}}}"]}}
    return action | ({"rollback": known} if undo else {})


@st.composite
def loops(draw: st.DrawFn, step: str) -> dict[str, object]:
    """Return a forEach, in order or not."""
    found: dict[str, object] = {"items": draw(st.sampled_from([*ITEMS])), "subtask": giving(step, undo=draw(st.booleans()), value="item")}
    most = draw(st.sampled_from([None, 1, 1, 2]))
    return found if most is None else found | {"maxParallel": most}


@st.composite
def steps(draw: st.DrawFn, name: str) -> dict[str, object]:
    """Return a step: one action or up to three subtasks, with and without everything that a step can have."""
    options: dict[str, object] = {
        "interrupted": draw(st.sampled_from(["Fail", "Rerun"])),
        "undoBeforeRetry": draw(st.booleans()),
        "forbid": draw(FORBIDS),
    }
    auto_retry = draw(AUTO_RETRIES)
    if auto_retry is not None:
        options["autoRetry"] = auto_retry
    when = draw(st.sampled_from([None, None, None, *WHENS]))
    if when is not None:
        options["when"] = when
    width, kind = draw(st.integers(0, 3)), draw(st.sampled_from(["plain", "plain", "giving", "loop", "approval"]))
    match kind:
        case "approval":
            return {"name": name, "approve": {"message": "Really?"}} | options
        case "loop":
            return {"name": name, "forEach": draw(loops(name))} | options
        case "giving":
            return {"name": name} | giving(name, undo=draw(st.booleans()), value="1") | options
        case _:
            pass
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
