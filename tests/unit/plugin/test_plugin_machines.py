"""What `tree`, `why` and `locks` print for machines: JSON and YAML of one shape, the one that the guide promises. API.md section 10."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.support.reader import ROOT
from tests.support.watching import BODIES, silent_session

from kubectl_obtask.blocking import line_of, lines
from kubectl_obtask.commands.locks import locks_shape
from kubectl_obtask.escapes import printable
from kubectl_obtask.machine import written
from kubectl_obtask.shapes import tree_shape, why_shape
from kubectl_obtask.tasks import Task
from kubectl_obtask.wording.language import Language

GUIDE: Final = ROOT / "docs/guides/kubectl-plugin.md"
TASKS: Final = [Task(each) for each in BODIES]
TUNE, RESTART, ORDERS, BILLING, ANALYSED = TASKS
TEXTS: Final = st.text(max_size=20).map(printable)
KEYS: Final = st.sampled_from(["a", "name", "someName", "startedAt"])
DATA: Final = st.dictionaries(
    KEYS,
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    ),
    min_size=1,
)


def why(task: Task, language: Language = Language.EN) -> dict[str, Any]:
    """Return what `why` says of a task to machines; the others are read apart from it."""
    return why_shape(silent_session(language), task, line_of(task, [Task(each) for each in BODIES]))


@given(data=DATA)
def test_both_formats_say_the_same(data: Mapping[str, Any]) -> None:
    """A library for YAML reads what a library for JSON reads, whatever words are in it."""
    assert yaml.safe_load(written(data, "yaml")) == json.loads(written(data, "json")) == data


def promised(of: str) -> dict[str, set[str]]:
    """Return the fields that a table of the guide promises, by where they are."""
    found: dict[str, set[str]] = {}
    for row in GUIDE.read_text().partition(f"| in `{of}` |")[2].partition("\n\n")[0].splitlines()[2:]:
        where, fields, *_ = row.strip("| ").split(" | ")
        found.setdefault(where.strip("`"), set()).update(re.findall(r"`(\w+)`", fields))
    return found


def found_in(value: Any, where: str = ".") -> Iterator[tuple[str, set[str]]]:
    """Yield where there is an object, and its fields."""
    if isinstance(value, dict):
        yield where, set(value)
        for name, each in value.items():
            yield from found_in(each, name if where == "." else f"{where}.{name}")
    for each in value if isinstance(value, list) else ():
        yield from found_in(each, f"{where}[]")


@pytest.mark.parametrize("of", ["tree", "why", "locks"])
def test_the_guide_names_every_field(of: str) -> None:
    """Neither more nor fewer, of any task, and of one that nothing is known of."""
    shapes = {
        "tree": [tree_shape(task) for task in (*TASKS, Task({}))],
        "why": [why(task) for task in (*TASKS, Task({}))],
        "locks": [locks_shape(lines(TASKS).values())],
    }
    fields = promised(of)

    seen = [(re.sub(r"^waitsFor\[\]\.commands", "commands", where), names) for shape in shapes[of] for where, names in found_in(shape)]
    assert {where for where, _ in seen} == set(fields)
    assert [(where, names) for where, names in seen if names != fields[where]] == []


def test_a_tree() -> None:
    """Steps in their order with those that have not begun; times of UTC; why a subtask failed."""
    shape = tree_shape(TUNE)

    assert [(step["name"], step["phase"], len(step["subtasks"])) for step in shape["steps"]] == [
        ("check", "Succeeded", 1),
        ("window", "Failed", 2),
        ("apply", "Pending", 1),
    ]
    assert shape["steps"][1]["subtasks"][1] | {"message": None} == {
        "name": "zone2",
        "phase": "Failed",
        "startedAt": "2026-11-28T14:24:53Z",
        "finishedAt": "2026-11-28T14:25:05Z",
        "attempts": 2,
        "rollbackAttempts": 0,
        "changed": True,
        "reason": None,
        "code": None,
        "message": None,
    }


def test_a_task_that_failed() -> None:
    """What happened and what is safe in the words of the page, who is behind it, and each command as it is typed."""
    shape = why(TUNE)

    assert shape["happened"] == "Step 2/3 window failed: zone2, attempt 2, NonZeroExit 3: exit code 3"
    assert shape["safe"].startswith("Nothing runs now, and nothing changes until somebody decides; its lock (Global of cluster obdemo)")
    assert (shape["since"], shape["place"], shape["waitsFor"]) == ("2026-11-28T14:25:05Z", None, [])
    assert shape["behind"] == [
        {"name": "resize-orders", "since": "2026-11-28T14:02:00Z"},
        {"name": "resize-billing", "since": "2026-11-28T14:03:00Z"},
    ]
    assert shape["startNext"] == ["resize-orders", "resize-billing"]
    assert [(each["verb"], each["line"]) for each in shape["commands"]] == [
        (verb, f"kubectl obtask {verb} tune -n prod") for verb in ("retry", "rollback", "skip", "skip-step")
    ]


def test_what_failed_first_is_named_first() -> None:
    """Whatever its name: the others may have failed because of it."""
    body = copy.deepcopy(dict(BODIES[0]))
    body["status"]["steps"][1]["subtasks"][0] |= {"phase": "Failed", "finishedAt": "2026-11-28T14:25:06Z"}

    assert why(Task(body))["happened"].startswith("Step 2/3 window failed: zone2 and zone1, attempt 2")


def test_a_task_that_waits() -> None:
    """Its place, the holder with its failure, and what can be done about that one; in the language that was asked for."""
    shape = why(ORDERS, Language.ZH)

    assert (shape["place"], shape["scope"], shape["tenant"], shape["commands"]) == (1, "Tenant", "orders", [])
    [holder] = shape["waitsFor"]
    assert (holder["name"], holder["holds"], holder["phase"], holder["step"], holder["code"]) == ("tune", True, "Failed", "window", "3")
    assert [each["verb"] for each in holder["commands"]] == ["retry", "rollback", "skip", "skip-step"]
    assert shape["safe"] == "任务尚未开始，没有任何改动；可以继续等待，也可以取消。"


@pytest.mark.parametrize("task", [RESTART, ANALYSED], ids=lambda task: task.phase)
def test_a_task_that_nobody_has_to_do_anything_about(task: Task) -> None:
    """There is nothing to type."""
    shape = why(task)

    assert (shape["commands"], shape["waitsFor"], shape["behind"], shape["place"]) == ([], [], [], None)
