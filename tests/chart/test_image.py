"""The operator as the image runs it: a user without a name, an environment that has only what the Dockerfile says."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest
from tests.support.chart.installed import eventually
from tests.support.chart.rendering import ROOT, objects
from tests.support.tasks import TaskClient, wait_step

from devcluster.controlplane import ControlPlane
from devcluster.ports import free_port
from devcluster.sqlserver import SqlServer

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
USER = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, flags=re.MULTILINE)[-1]
# A namespace of users in which ours has the image's number, and no name.
NAMELESS = ("unshare", "--user", f"--map-user={USER[0]}")


def environment() -> dict[str, str]:
    """Return the environment of the image's last stage, without the PATH, which is that of this machine."""
    (line,) = re.findall(r"^ENV (.*)$", DOCKERFILE.rpartition("\nFROM ")[2], flags=re.MULTILINE)
    return {name: value for name, _, value in (word.partition("=") for word in line.split()) if name != "PATH"}


@contextmanager
def running(*words: str, log: Path, python: str = sys.executable, **more: str) -> Iterator[None]:
    """Run a verb as the image does, until the block ends; it must end in order."""
    with log.open("w") as file:
        env = environment() | {"PATH": os.environ["PATH"]} | more
        argv = [*NAMELESS, python, "-m", "obtask", *words]
        process = subprocess.Popen(argv, env=env, cwd="/", stdout=file, stderr=file)  # noqa: S603 - our own words
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def says_ready(port: int) -> bool:
    """Return whether the operator says that it leads."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30) as answer:
            return bool(answer.read() == b"leader\n")
    except URLError:
        return False


def test_an_operator_without_a_name_works(control_plane: ControlPlane, tasks: TaskClient, tmp_path: Path) -> None:
    """It starts, says that it is ready, hears of a task that is made after that, and ends in order."""
    if subprocess.call([*NAMELESS, "true"]):  # noqa: S603 - our own words
        pytest.skip("this machine does not let us have a user without a name")
    port = free_port()
    words = ("run", "--kubeconfig", str(control_plane.operator_kubeconfig), "--namespace", tasks.namespace)
    with running(*words, log=tmp_path / "log", OBTASK_HEALTH_ADDRESS=f"127.0.0.1:{port}"):
        eventually(lambda: says_ready(port), "readiness")
        tasks.create("after", maintenance="Global", steps=[wait_step("a")])
        status = tasks.wait_phase("after", "Succeeded")

    assert status["progress"] == "1/1"


@pytest.mark.timeout(400)
def test_what_the_image_leaves_out_is_not_missed(control_plane: ControlPlane, tasks: TaskClient, seekdb: SqlServer, tmp_path: Path) -> None:
    """Installed and cut as the Dockerfile does it, the operator explains itself, starts, and carries out SQL with an expression."""
    if subprocess.call([*NAMELESS, "true"]):  # noqa: S603 - our own words
        pytest.skip("this machine does not let us have a user without a name")
    place, port = tmp_path / "opt", free_port()
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".dev/tools/bin/uv")
    words = [
        "sync",
        "--locked",
        "--no-dev",
        "--extra=web",
        "--no-editable",
        "--quiet",
        "--refresh-package",
        "obtask-operator",
        "--python",
        sys.executable,
    ]
    subprocess.run([uv, *words], cwd=ROOT, env=os.environ | {"UV_PROJECT_ENVIRONMENT": str(place), "UV_LINK_MODE": "copy"}, check=True)  # noqa: S603
    subprocess.run([ROOT / "deploy/slim-image.sh", place], cwd="/", check=True)  # noqa: S603 - our own words
    for words, code in ((["--help"], 0), (["run", "--help"], 0), (["run", "--nonsense"], 2)):
        said = subprocess.run([place / "bin/obtask", *words], cwd="/", capture_output=True, text=True, check=False)  # noqa: S603 - our own words
        assert (said.returncode, "Usage: obtask" in said.stdout + said.stderr) == (code, True), said.stderr

    connection = {"secretName": tasks.create_connection(seekdb)}
    verb = ("run", "--kubeconfig", str(control_plane.operator_kubeconfig), "--namespace", tasks.namespace)
    addresses = {"OBTASK_HEALTH_ADDRESS": f"127.0.0.1:{port}", "OBTASK_ALLOWED_HOSTS": seekdb.host}
    with running(*verb, log=tmp_path / "log", python=str(place / "bin/python"), **addresses):
        eventually(lambda: says_ready(port), "readiness")
        step = {"name": "a", "sql": {"statements": ["select 1 as one"], "expect": "rows[0].one == 1"}}
        tasks.create("slim", connection=connection, steps=[step])
        status = tasks.wait_phase("slim", "Succeeded", "Failed", "Rejected")

    assert status["phase"] == "Succeeded", status


def test_image_and_chart_agree() -> None:
    """The chart runs the image as the user it was made for, with the home that the chart lets it write to."""
    pods = [body["spec"]["template"]["spec"] for body in objects({}) if body["kind"] == "Deployment"]

    assert [(str(pod["securityContext"]["runAsUser"]), str(pod["securityContext"]["runAsGroup"])) for pod in pods] == [USER]
    assert [mount["mountPath"] for pod in pods for mount in pod["containers"][0]["volumeMounts"]] == [environment()["HOME"]]
