"""The evidence bundle: what is read for it, and what is in it. API.md sections 9 and 10."""

import base64
import csv
import gzip
import hashlib
import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
import yaml

from kubectl_obtask import evidence as plugin
from obtask.kube.yaml_text import data_of, documents
from obtask.rules import evidence as rules
from obtask.rules.evidence.passwords import password_places

NOW = datetime(2026, 11, 28, 14, 25, 7, tzinfo=UTC)
UID = "5c9e1c1e-0000-4000-8000-000000000001"
TASK: dict[str, Any] = {
    "apiVersion": "task.oceanbase.com/v1alpha1",
    "kind": "OBTask",
    "metadata": {"name": "tune", "namespace": "prod", "uid": UID, "managedFields": [{"manager": "kubectl"}]},
    "spec": {"type": "Cluster", "cluster": "ob=demo", "maintenance": "Global", "displayName": "调参", "steps": [{"name": "check"}]},
    "status": {
        "phase": "Failed",
        "reason": "SubtaskFailed",
        "currentStep": "window",
        "progress": "1/2",
        "lock": {"lease": "obt-1", "scope": "Global", "acquiredAt": "2026-11-28T13:31:00Z", "token": 7},
        "blockedBy": [],
        "history": [
            {"verb": "retry", "requestedBy": "=cmd()", "handledAt": "2026-11-28T14:20:00Z", "result": "Accepted", "reason": "磁盘"}
        ],
        "failedSubtask": {
            "step": "window",
            "subtask": "zone2",
            "attempt": 2,
            "direction": "Forward",
            "reason": "NonZeroExit",
            "code": "3",
            "message": "exit code 3",
            "logTail": "14:25 window file missing\n",
        },
        "steps": [
            {"name": "check", "subtasks": [{"name": "check", "attempts": 1, "phase": "Succeeded", "outputs": {"version": "4.3.5"}}]},
            {"name": "window", "subtasks": [{"name": "zone2", "attempts": 2, "phase": "Failed", "logTail": "14:25 window file missing\n"}]},
        ],
    },
}
EVENT = {
    "metadata": {"name": "b"},
    "type": "Warning",
    "reason": "Failed",
    "message": "exit\u202e code 3",
    "lastTimestamp": "2026-11-28T14:25:04Z",
}
WAITER = {
    "metadata": {"name": "resize", "uid": "u2", "creationTimestamp": "2026-11-28T14:02:00Z"},
    "spec": {"maintenance": "Tenant", "tenant": "orders"},
    "status": {"phase": "Waiting", "blockedBy": [{"name": "tune", "uid": UID}]},
}


def log(step: str, subtask: str, number: int, text: str, *, owner: str = UID, **changes: Any) -> dict[str, Any]:
    """Return a ConfigMap as the operator would make it."""
    name = hashlib.sha256(f"{UID}/{step}/{subtask}/Forward/{number}".encode()).hexdigest()[:40]
    notes = {"step": step, "subtask": subtask, "direction": "Forward", "attempt": str(number)}
    metadata = {
        "name": f"obt-log-{name}",
        "annotations": {f"task.oceanbase.com/{key}": value for key, value in notes.items()},
        "ownerReferences": [{"uid": owner}],
    }
    return {"metadata": metadata | changes, "binaryData": {"log.gz": base64.b64encode(gzip.compress(text.encode())).decode()}}


def answers(**changes: Any) -> dict[str, Any]:
    """Return what the API server answers, by the last word of the path."""
    lists = {
        "events": [EVENT],
        "configmaps": [log("window", "zone2", 1, "14:20 first\n"), log("check", "check", 1, "ok\n")],
        "obtasks": [WAITER],
    }
    objects = {"tune": TASK, "version": {"gitVersion": "v1.34.1"}, "obtasks.task.oceanbase.com": {}}
    return {name: {"items": items} for name, items in lists.items()} | objects | changes


def gathered(given: Mapping[str, Any], *, module: ModuleType = rules) -> Any:
    """Drive the reading; a text in the place of an answer is a refusal."""
    steps = module.gathering("prod", "tune")
    asked = next(steps)
    while True:
        found = given[asked.partition("?")[0].rsplit("/", 1)[-1]]
        try:
            asked = steps.send(module.Refused(403, found) if isinstance(found, str) else found)
        except StopIteration as end:
            return end.value


def bundle(given: Mapping[str, Any], *, module: ModuleType = rules) -> bytes:
    """Return the bundle."""
    return b"".join(module.packed(gathered(given, module=module), NOW))


def files(given: Mapping[str, Any]) -> dict[str, str]:
    """Return what is in the bundle, in its order."""
    with zipfile.ZipFile(io.BytesIO(bundle(given))) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_the_page_and_the_terminal_make_the_same_bytes() -> None:
    """The plugin has a copy of the module; nothing but the moment may differ."""
    assert bundle(answers()) == bundle(answers(), module=plugin)


def test_the_files_and_their_order() -> None:
    """Every attempt that has a log has a file, by step, subtask and attempt."""
    assert list(files(answers())) == [
        "README.txt",
        "task.yaml",
        "events.txt",
        "history.csv",
        "logs/01-check/check.attempt-1.forward.log",
        "logs/02-window/zone2.attempt-1.forward.log",
        "logs/02-window/zone2.attempt-2.forward.log",
        "waiting.txt",
        "environment.txt",
    ]


@pytest.mark.parametrize("text", ["1e3", "y", "on", "22:00", "0o17", "1_000", ".5", "~", "null", "0x1F", "=", "2026-11-28"])
def test_a_text_that_looks_like_something_else_stays_a_text_for_kubectl(text: str) -> None:
    """Whoever applies task.yaml gets the task that it was made from."""
    task = TASK | {"spec": TASK["spec"] | {"displayName": text}}

    (root,) = documents(files(answers(tune=task))["task.yaml"])

    assert data_of(root)["spec"]["displayName"] == text


def test_what_is_in_the_files() -> None:
    """Short logs are in the status, others in ConfigMaps; odd characters are shown as escapes; no cell is computed by a spreadsheet."""
    found = files(answers())
    metadata = {key: value for key, value in TASK["metadata"].items() if key != "managedFields"}
    assert yaml.safe_load(found["task.yaml"]) == TASK | {"metadata": metadata}
    assert "调参" in found["task.yaml"]
    assert found["events.txt"] == "2026-11-28T14:25:04Z  Warning  Failed  x1  exit\\u202e code 3\n"
    assert list(csv.reader(io.StringIO(found["history.csv"])))[1] == ["2026-11-28T14:20:00Z", "", "retry", "'=cmd()", "Accepted", "磁盘"]
    assert found["logs/02-window/zone2.attempt-1.forward.log"] == "14:20 first\n"
    assert found["logs/02-window/zone2.attempt-2.forward.log"] == "14:25 window file missing\n"
    assert "resize  Tenant orders  created 2026-11-28T14:02:00Z" in found["waiting.txt"]
    assert "Kubernetes API server: v1.34.1\n" in found["environment.txt"]
    assert "check/check version: 4.3.5\n" in found["environment.txt"]


def test_the_summary_is_chinese_then_english() -> None:
    """It can be posted as it is: what failed, where, the last lines of the log, and what it ran on."""
    chinese, english = files(answers())["README.txt"].split("-" * 72)
    for part, words in (
        (chinese, ("状态: 失败", "失败的子任务", "失败日志的最后 1 行")),
        (english, ("Phase: Failed", "Failed subtask", "The last 1 lines")),
    ):
        for word in (*words, "prod/tune (调参)", "window/zone2, attempt 2, Forward: NonZeroExit 3", "    14:25 window file missing"):
            assert word in part


def test_what_was_refused_is_listed() -> None:
    """A bundle without Events or logs is a bundle; only the task itself must be readable."""
    found = files(answers(events="events is forbidden", **{"obtasks.task.oceanbase.com": "not yours"}))
    assert "events: events is forbidden" in found["README.txt"]
    assert "obtasks.task.oceanbase.com: not yours" in found["README.txt"]
    assert found["events.txt"] == "no Events\n"
    assert gathered(answers(tune="no such task")) == rules.Refused(403, "no such task")


@pytest.mark.parametrize(
    "foreign",
    [
        log("window", "zone2", 9, "forged", owner="somebody-else"),
        log("window", "zone2", 9, "forged", name="obt-log-0123"),
        log("../..", "zone2", 9, "forged"),
        log("window", "a/b", 9, "forged"),
        log("nowhere", "zone2", 9, "forged"),
    ],
    ids=["not owned", "another name", "a path", "a path in the subtask", "no step of the task"],
)
def test_a_config_map_that_is_not_the_operators_is_left_out(foreign: dict[str, Any]) -> None:
    """Anybody who may write ConfigMaps can give one the label; none decides about a path in the ZIP."""
    assert not any("forged" in content for content in files(answers(configmaps={"items": [foreign]})).values())


def test_pages_are_read_to_the_end_but_not_for_ever() -> None:
    """A list that never ends is cut, and the summary says so."""
    endless = {"metadata": {"continue": "more"}, "items": [EVENT]}
    assert "events: only the first 4 were read" in files(answers(events=endless))["README.txt"]


def test_the_selector_of_rivals_escapes_the_cluster() -> None:
    """The name of a cluster is anything; in a field selector it stays one value."""
    steps = rules.gathering("prod", "tune")
    next(steps)
    asked = steps.send(TASK)
    while "/obtasks?" not in asked:
        asked = steps.send({})
    assert "spec.cluster%3Dob%5C%3Ddemo%2Cstatus.phase" in asked


@pytest.mark.parametrize(
    ("spec", "places"),
    [
        ({"steps": [{"sql": {"statements": ["select 1", "ALTER USER a IDENTIFIED  BY 'x'"]}}]}, ("spec.steps[0].sql.statements[1]",)),
        ({"a": "alter user a identified by %(new)s"}, ()),
        ({"a": "mysql --password=hunter2"}, ("spec.a",)),
        ({"a": "mysql --password=${{ params.x }} --pwd=$(PWD)"}, ()),
        ({"env": [{"name": "MYSQL_PWD", "value": "x"}, {"name": "OTHER", "value": "x"}]}, ("spec.env[0].value",)),
        ({"body": {"rootPassword": "x", "secretName": "x"}}, ("spec.body.rootPassword",)),
        ({"body": '{"password": "x"}'}, ("spec.body",)),
    ],
)
def test_places_that_may_have_a_password(spec: dict[str, Any], places: tuple[str, ...]) -> None:
    """Written texts are found, references to values are not; the answer never has the text in it."""
    assert password_places({"spec": spec}) == places


def test_the_name_of_the_file_is_plain() -> None:
    """Namespace, task and time in ASCII, whatever the names are."""
    assert rules.filename(gathered(answers()), NOW) == "prod-tune-20261128T142507Z.zip"
    odd = answers(tune=TASK | {"metadata": {"name": '../"任务', "namespace": "prod"}})
    assert rules.filename(gathered(odd), NOW) == "prod-..____-20261128T142507Z.zip"
