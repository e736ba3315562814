"""Rolling updates with tasks in progress: none is lost, and no attempt is made twice."""

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.accounts import make_runner
from tests.e2e.release import CHART, PAIR, PLAIN, Release
from tests.e2e.steps import GATED, Steps, jobs, open_gate, running_pod
from tests.support.apiserver import Body
from tests.support.tasks import Tasks, wait_step

OLD = "0.0.9"
JOBS, MAPS, WAITS = 8, 60, 32
PATCHED = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gate", "patch": {"data": {"asked": "yes"}}}
UNTIL_OPEN = {"name": "s", "resource": {"patch": PATCHED, "until": {"expect": 'has(object.data.open) && object.data.open == "yes"'}}}


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """Return the chart that is upgraded: the one that was given, otherwise ours under an older number."""
    given = os.environ.get("E2E_PREVIOUS_CHART")
    if given:
        return Path(given)
    copy = Path(shutil.copytree(CHART, tmp_path / "chart"))
    about = copy / "Chart.yaml"
    about.write_text(re.sub(r"(?m)^version: .*$", f"version: {OLD}", about.read_text()))
    return copy


def crd_of(release: Release) -> str:
    """Return which chart the CRD is of."""
    return release.kubectl("get", "crd", "obtasks.task.oceanbase.com", "-o", "jsonpath={.metadata.labels['helm\\.sh/chart']}")


def begin(tasks: Tasks, steps: Steps) -> list[str]:
    """Have a hundred tasks running: Jobs, steps that wait for an object, and steps that wait; return their names."""
    gate = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gate"}}
    tasks.kubectl("create", "-f", "-", manifest=gate)
    account = make_runner(tasks)
    bodies: dict[str, Body] = {f"job-{number}": steps.job("s", GATED) for number in range(JOBS)}
    bodies |= {f"map-{number}": UNTIL_OPEN for number in range(MAPS)}
    bodies |= {f"wait-{number}": wait_step("s", 20 + number // 2) for number in range(WAITS)}
    for name, step in bodies.items():
        tasks.create(name, cluster=name, maintenance="Global", serviceAccountName=account, steps=[step, wait_step("end")])
    for name in bodies:
        tasks.wait_phase(name, "Running")
    for name in filter(lambda name: name.startswith("job"), bodies):
        running_pod(tasks, name)
    return list(bodies)


@pytest.mark.timeout(300)
def test_tasks_outlive_a_rolling_update(
    release: Release, steps: Steps, new_namespace: Callable[..., Tasks], previous: Path, measured: dict[str, str]
) -> None:
    """From an older chart to ours, to two replicas and back to one, with a hundred tasks running."""
    release.uninstall()
    release.have(PLAIN, previous, os.environ.get("E2E_PREVIOUS_IMAGE"))
    before = crd_of(release)
    tasks = new_namespace()
    names = begin(tasks, steps)

    began = time.monotonic()
    for values in ({"podAnnotations": {"rolled": "yes"}}, PAIR, PLAIN):
        release.have(values)
    measured["three rolling updates with a hundred tasks running"] = f"{time.monotonic() - began:.1f} s"
    tasks.kubectl("patch", "configmap", "gate", "-p", '{"data":{"open":"yes"}}')
    for number in range(JOBS):
        open_gate(tasks, f"job-{number}")
    ends = {name: tasks.wait_let_go(name) for name in names}

    assert before.endswith(OLD) or os.environ.get("E2E_PREVIOUS_CHART")
    assert not crd_of(release).endswith(OLD)
    assert {name: status["phase"] for name, status in ends.items() if status["phase"] != "Succeeded"} == {}
    assert {step["subtasks"][0]["attempts"] for status in ends.values() for step in status["steps"]} == {1}
    assert [len(jobs(tasks, f"job-{number}")) for number in range(JOBS)] == [1] * JOBS
