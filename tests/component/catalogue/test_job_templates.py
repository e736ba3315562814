"""Templates that run Jobs, on the real API server and Job controller, with a node whose images have a scripted obdiag."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from tests.component.catalogue.scenario import Asked, runs_jobs, task_spec, template, templates
from tests.support.apiserver import Body
from tests.support.node import Node
from tests.support.operators import OperatorProcess
from tests.support.patience import happens
from tests.support.tasks import WAIT_SECONDS, TaskClient

from devcluster.controlplane import ControlPlane

pytestmark = [pytest.mark.usefixtures("binaries"), pytest.mark.timeout(120)]

NAME = "inspect-obdiag"
# What goes wrong, and where the inspection waits, is asked for by files beside it.
OBDIAG = """#!/bin/sh
cd {folder}
echo "obdiag $*" >> asked
if [ "$1" = --version ]; then test ! -e no-version || { echo "Error: config.yml: not a file"; exit 2; }; echo "obdiag 3.0"; step=check
else echo "10.0.0.1: disk full"; step=inspect; fi
touch begun-$step
while [ -e hold-$step ]; do sleep 0.05; done
test ! -e fail-$step || { rm fail-$step; exit 3; }
"""
CASES = [
    pytest.param({}, "inspect", "", id="default"),
    pytest.param({"cases": "k8s_basic"}, "inspect-cases", " --cases=k8s_basic", id="cases"),
]


@dataclass(frozen=True)
class Inspection:
    """Tasks of the template, the operator that carries them out, and the folder of obdiag."""

    tasks: TaskClient
    operator: OperatorProcess
    folder: Path

    def begin(self, name: str, **parameters: str) -> None:
        """Create a task."""
        asked = Asked(parameters={"image": "node/any", "configuration": "obdiag-config", **parameters})
        spec = {key: value for key, value in task_spec(template(NAME), asked).items() if key not in {"connection", "serviceAccountName"}}
        self.tasks.create(name, **spec)

    def asked(self) -> list[str]:
        """Return how obdiag was called, since this was asked last."""
        file = self.folder / "asked"
        lines = file.read_text().splitlines()
        file.unlink()
        return lines

    def flag(self, *names: str) -> None:
        """Ask for what is to go wrong, or to wait."""
        for name in names:
            (self.folder / name).touch()

    def await_file(self, name: str) -> None:
        """Wait until obdiag has made a file."""
        happens((self.folder / name).exists, f"a file {name}", WAIT_SECONDS, pause=0.02)


@pytest.fixture
def inspection(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Inspection]:
    """Return inspections with an operator that runs."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "obdiag").write_text(OBDIAG.replace("{folder}", str(tmp_path)))
    (programs / "obdiag").chmod(0o755)
    control_plane.kubectl.apply([template(NAME)])
    tasks = TaskClient(control_plane, namespace)
    tasks.create_secret("obdiag-config", "Opaque", **{"config.yml": "obcluster: {}"})
    operator = OperatorProcess(control_plane.operator_kubeconfig, namespace, tmp_path / "operator.log")
    with Node(control_plane, namespace, programs).running():
        operator.start()
        try:
            yield Inspection(tasks, operator, tmp_path)
        finally:
            operator.kill()


def failed_at(step: str, task: Body) -> bool:
    """Return whether a task has failed at a step."""
    failed = task.get("status", {}).get("failedSubtask", {})
    return bool(failed.get("step") == step)


def test_each_template_with_jobs_is_here() -> None:
    """No other template runs a Job: those without are played in `test_catalogue.py`."""
    assert [name for name in templates() if runs_jobs(template(name))] == [NAME]


@pytest.mark.parametrize(("parameters", "step", "words"), CASES)
def test_it_works_and_works_again(inspection: Inspection, parameters: dict[str, str], step: str, words: str) -> None:
    """The report is the step's log; the configuration is mounted where obdiag is told to look; the same task again inspects again."""
    for name in ("first", "second"):
        inspection.begin(name, **parameters)
        status = inspection.tasks.wait_let_go(name, "Succeeded")
        done = {each["name"]: each for each in status["steps"] if each["phase"] == "Succeeded"}
        assert list(done) == ["check", step]
        assert "10.0.0.1: disk full" in inspection.tasks.log(done[step]["subtasks"][0])
        assert inspection.asked() == ["obdiag --version", f"obdiag check run -c /etc/obdiag/config.yml{words}"]
    for pod in inspection.tasks.api.get(f"/api/v1/namespaces/{inspection.tasks.namespace}/pods")["items"]:
        [volume] = [each for each in pod["spec"]["volumes"] if each["name"] == "configuration"]
        [mount] = [each for each in pod["spec"]["containers"][0]["volumeMounts"] if each["name"] == "configuration"]
        assert (volume["secret"]["secretName"], mount["mountPath"], mount["readOnly"]) == ("obdiag-config", "/etc/obdiag", True)


def test_a_check_refuses(inspection: Inspection) -> None:
    """Where obdiag does not even start, nothing is inspected, and its own words are in the log."""
    inspection.flag("no-version")
    inspection.begin("first")
    failed = inspection.tasks.wait_phase("first", "Failed")["failedSubtask"]

    assert (failed["step"], failed["reason"], failed["code"]) == ("check", "NonZeroExit", "2")
    assert "config.yml: not a file" in failed["logTail"]
    assert inspection.asked() == ["obdiag --version"]


@pytest.mark.parametrize(("parameters", "step", "words"), CASES)
def test_each_step_fails_is_retried_and_rolled_back(inspection: Inspection, parameters: dict[str, str], step: str, words: str) -> None:
    """Every step fails once: retries get the task to its end. A rollback is allowed at each, and has nothing to undo."""
    inspection.flag("fail-check", "fail-inspect")
    inspection.begin("first", **parameters)
    for where in ("check", step):
        failed = inspection.tasks.wait("first", partial(failed_at, where))
        assert {"retry", "rollback"} <= set(failed["status"]["allowedActions"])
        inspection.tasks.command("first", "retry")
    inspection.tasks.wait_let_go("first", "Succeeded")
    command = f"obdiag check run -c /etc/obdiag/config.yml{words}"
    assert inspection.asked() == ["obdiag --version", "obdiag --version", command, command]

    inspection.flag("fail-inspect")
    inspection.begin("second", **parameters)
    inspection.tasks.wait_phase("second", "Failed")
    inspection.tasks.command("second", "rollback")
    inspection.tasks.wait_let_go("second", "RolledBack")
    assert inspection.asked() == ["obdiag --version", command]


@pytest.mark.parametrize(("parameters", "step", "words"), CASES)
def test_the_operator_dies_at_each_step(inspection: Inspection, parameters: dict[str, str], step: str, words: str) -> None:
    """While each Job runs the operator is killed: the next one goes on with the same Job, and obdiag runs once for each step."""
    inspection.flag("hold-check", "hold-inspect")
    inspection.begin("first", **parameters)
    for name in ("check", "inspect"):
        inspection.await_file(f"begun-{name}")
        inspection.operator.kill()
        (inspection.folder / f"hold-{name}").unlink()
        inspection.operator.start()
    status = inspection.tasks.wait_let_go("first", "Succeeded")

    assert [each["subtasks"][0]["attempts"] for each in status["steps"] if each["name"] in {"check", step}] == [1, 1]
    assert inspection.asked() == ["obdiag --version", f"obdiag check run -c /etc/obdiag/config.yml{words}"]
