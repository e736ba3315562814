"""Exit codes, refusals, and lines to type: what scripts and people rely on. API.md section 10."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml
from tests.support.kubectl import Kubectl
from tests.support.plugin import Plugin
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step

from kubectl_obtask.text import width

APPROVAL = {"name": "ask", "approve": {"message": "Sure?", "groups": ["dba"]}}
LONG_NAME = "a" * 253


@pytest.fixture(scope="module", autouse=True)
def states(module_operator: None, module_tasks: TaskClient) -> None:  # noqa: ARG001 - it has to run
    """Have tasks that ended in every way, one that failed, and those behind it."""
    tasks = module_tasks
    sql = {"connection": {"secretName": "seekdb"}}
    tasks.create("good", steps=[wait_step("a")])
    tasks.create("bad", **sql, cluster="blocked", maintenance="Global", steps=[sql_step("a", FAILING), wait_step("b")])
    tasks.create("given-up", **sql, steps=[sql_step("a", FAILING)])
    tasks.wait_phase("bad", "Failed")
    tasks.create("behind", cluster="blocked", maintenance="Tenant", tenant="租户\u202eabc", steps=[wait_step("a")])
    tasks.create(LONG_NAME, cluster="blocked", maintenance="Tenant", tenant="orders", steps=[wait_step("a")])
    tasks.create("too-late", cluster="blocked", maintenance="Global", onConflict="Reject", steps=[wait_step("a")])
    tasks.create("asks", steps=[APPROVAL])
    tasks.wait_phase("given-up", "Failed")
    tasks.command("given-up", "skip")
    tasks.wait("asks", lambda task: task.get("status", {}).get("reason") == "AwaitingApproval")
    tasks.wait_phase("too-late", "Rejected")
    tasks.wait_phase(LONG_NAME, "Waiting")


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ("good", 0),
        ("bad", 3),
        ("given-up", 4),
        ("too-late", 4),
        ("missing", 1),
        ("good given-up", 4),
        ("good bad given-up", 3),
        ("bad missing", 1),
    ],
)
def test_how_tasks_end_is_told_by_the_exit_code(obtask: Plugin, names: str, code: int) -> None:
    """Of several tasks, the worst one decides."""
    waited = obtask.run("wait", *names.split())

    assert waited.code == code, waited
    assert ("there is no task missing" in waited.said) == ("missing" in names)


@pytest.mark.parametrize(
    ("name", "until", "code"), [("good", "started", 0), ("too-late", "started", 4), ("bad", "failed", 0), ("good", "failed", 4)]
)
def test_other_things_can_be_waited_for(obtask: Plugin, name: str, until: str, code: int) -> None:
    """That it has left the line, or that it fails."""
    assert obtask.run("wait", name, "--for", until).code == code


def test_a_timeout_says_what_was_waited_for(obtask: Plugin) -> None:
    """And where to look."""
    waited = obtask.run("wait", "behind", "asks", "--timeout", "1s")

    assert waited.code == 124
    assert "no longer waiting after 1s: behind is still Waiting; what it waits for: kubectl obtask why behind" in waited.err
    assert "asks still awaits approval at step ask; to approve: kubectl obtask approve asks" in waited.err


def test_what_is_not_allowed_is_refused(obtask: Plugin, module_tasks: TaskClient) -> None:
    """Nothing is sent, and the user learns what would be allowed."""
    before = module_tasks.get("behind")["metadata"]["resourceVersion"]

    refused = obtask.run("retry", "behind", "-y")

    assert (refused.code, refused.err) == (5, "retry of behind is not allowed while it is Waiting; allowed now: cancel\n")
    assert module_tasks.get("behind")["metadata"]["resourceVersion"] == before


def test_what_the_operator_refuses_is_told_in_its_words(obtask: Plugin) -> None:
    """The approval is for a group, and nothing here proves who is in it."""
    refused = obtask.run("approve", "asks", "-y")

    assert refused.code == 5
    assert "asks: approve rejected: " in refused.err
    assert "dba" in refused.err


def test_what_the_api_server_refuses_is_told_in_its_words(obtask: Plugin, kubectl: Kubectl, module_namespace: str) -> None:
    """Whoever may read but not change gets the API server's sentence; whoever may nothing, too."""
    kubectl("create", "clusterrole", "reads-obtasks", "--verb=get,list,watch", "--resource=obtasks.task.oceanbase.com")
    kubectl("create", "rolebinding", "reads", "--clusterrole=reads-obtasks", "--user=reader", "-n", module_namespace)
    readable(obtask, "reader")

    refused = obtask.run("skip", "bad", "-y", "--as", "reader")
    nothing = obtask.run("list", "--as=nobody")

    assert refused.code == 5
    assert 'obtasks.task.oceanbase.com "bad" is forbidden: User "reader" cannot patch resource "obtasks"' in refused.err
    assert nothing.code == 5
    assert 'User "nobody" cannot list resource "obtasks"' in nothing.err


def readable(obtask: Plugin, user: str) -> None:
    """Wait until the API server knows what a user may."""
    deadline = time.monotonic() + 20
    while obtask.run("tree", "bad", "--as", user).code:
        assert time.monotonic() < deadline


def typed(obtask: Plugin, *words: str) -> list[list[str]]:
    """Return the lines that a command tells the user to type."""
    lines = obtask.run(*words).lines_to_type
    assert lines, words
    return lines


def test_what_a_task_waits_for(obtask: Plugin) -> None:
    """The holder, why it stands still, the place in the line, who starts when it ends; and lines that can be typed as they are."""
    said = obtask.run("why", "behind").out
    lines = typed(obtask, "why", "behind")

    assert "behind waits for its lock (Tenant 租户\\u202eabc, cluster blocked): 1st in line since" in said
    assert "1. bad   Global, cluster blocked   has been Failed since" in said
    assert 'step 1/2 "a": SqlError 1146' in said
    assert "When bad ends: " in said
    assert "behind" in said.splitlines()[-1]
    assert [words[:2] for words in lines] == [["retry", "bad"], ["rollback", "bad"], ["skip", "bad"], ["skip-step", "bad"]]
    assert obtask.run(*lines[0], "-y").code == 3
    holder = obtask.run("why", "bad").out
    assert "2 tasks wait for it." in holder
    [names] = re.findall(r"^Behind it, together for \w+: (.*)$", holder, re.MULTILINE)
    assert {*names.split(", ")} == {"behind", LONG_NAME}


def test_every_line_to_type_can_be_typed(obtask: Plugin) -> None:
    """With the flags that the user had given; those that change something ask first."""
    flags = ["-n", json.loads(obtask.run("list", "-o", "json").out)["items"][0]["metadata"]["namespace"], "--context", "here"]
    found = [
        words
        for line in (["why", "bad"], ["wait", "bad"], ["why", "asks"], ["wait", "asks", "--timeout", "0.2s"], [])
        for words in typed(obtask, *line, *flags)
    ]

    assert {words[0] for words in found} >= {"retry", "skip", "why", "approve"}
    for words in found:
        assert words[-3:] == ["-n", flags[1], "--context=here"]
        ran = obtask.run(*words)
        assert ran.code in {0, 1}, (words, ran)
        assert ran.code == 0 or "add -y" in ran.err, (words, ran)


def test_columns_stay_columns(obtask: Plugin) -> None:
    """Names of 253 letters, Chinese, and marks that turn the text around: each cell begins where its heading does."""
    heading, *rows = obtask.run("list", "-o", "wide").out.splitlines()[:-1]
    at = heading.index("TENANT")
    cells = {row.split()[0]: beyond(row, at) for row in rows}

    assert cells["behind"].startswith("租户\\u202eabc   ")
    assert cells[LONG_NAME].startswith("orders   ")
    assert cells["good"].startswith("-   ")
    assert "\u202e" not in "".join(rows)


def beyond(row: str, columns: int) -> str:
    """Return what begins after so many columns of a terminal."""
    return next(row[end:] for end in range(len(row)) if width(row[:end]) == columns)


def test_chinese(obtask: Plugin) -> None:
    """By the locale, or by a flag; the words are those of the contract."""
    by_locale = replace(obtask, language="zh_CN.UTF-8").run("list").out
    by_flag = obtask.run("--lang", "zh", "why", "bad").out

    assert by_locale.split()[:3] == ["名称", "类型", "运维类型"]
    assert "个等待中（其中 2 个在失败的任务之后）" in by_locale
    assert "重新执行环节 a；成功后继续执行后续 1 个环节：b。" in by_flag


def test_who_waits_behind_a_failed_task_is_counted(obtask: Plugin) -> None:
    """The last line of the list, and the drawing of the locks."""
    last = obtask.run("list").out.splitlines()[-1]
    locks = obtask.run("locks").out
    plain = json.loads(obtask.run("locks", "-o", "json").out)["items"]

    assert yaml.safe_load(obtask.run("locks", "-o", "yaml").out)["items"] == plain
    assert last.endswith("2 waiting (2 of them behind a failed task)")
    assert "Global" in locks
    assert "bad Failed" in locks
    assert [(line["target"], [each["name"] for each in line["holders"]]) for line in plain] == [("blocked", ["bad"])]
    assert {each["name"]: each["waitsFor"] for each in plain[0]["waiters"]} == {"behind": ["bad"], LONG_NAME: ["bad"]}


def test_no_colours_without_a_terminal_or_if_not_wanted(obtask: Plugin) -> None:
    """NO_COLOR counts on a terminal, --color decides everywhere."""
    assert "\x1b[" not in obtask.run("list").out
    assert "\x1b[31mFailed\x1b[0m" in obtask.run("list", "--color", "always").out
    assert "\x1b[" not in obtask.on_terminal("list", "--color", "never").out


@pytest.fixture
def spare(module_tasks: TaskClient) -> Iterator[Any]:
    """Return a task that waits for a person, twice."""
    module_tasks.create("twice", steps=[{"name": "one", "approve": {}}, {"name": "two", "approve": {}}])
    module_tasks.wait("twice", lambda task: task.get("status", {}).get("reason") == "AwaitingApproval")
    yield "twice"
    module_tasks.delete("twice")


def test_the_answer_is_that_to_this_very_command(obtask: Plugin, spare: str) -> None:
    """An earlier answer to the same verb is not taken for it; the task rests where the next approval is awaited."""
    first = obtask.run("approve", spare, "-y")
    second = obtask.run("approve", spare, "-y")

    assert (first.code, second.code) == (0, 0)
    assert "twice awaits approval; to approve: kubectl obtask approve twice" in first.err
    assert "twice: Succeeded 2/2" in second.err
    assert "twice: Succeeded" not in first.err
