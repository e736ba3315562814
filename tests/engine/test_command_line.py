"""What the command line says to people who got something wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.kubectl import Kubectl

from obtask.devcluster.controlplane import ControlPlane


def obtask(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a verb with nothing but this environment."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "obtask", *words], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["run", "--kubeconfig", "missing.yaml"], {}, "kubeconfig missing.yaml: no such file"),
        (["run"], {}, "no --kubeconfig given, and this is no pod"),
        (["run"], {"OBTASK_WORKERS": "x"}, "OBTASK_WORKERS='x': use a whole number from 1 to 256"),
    ],
)
def test_a_wrong_call_ends_with_one_clear_line(words: list[str], environment: dict[str, str], said: str) -> None:
    """The exit code is 1, and the only line of output says what is wrong and what is allowed."""
    result = obtask(*words, **environment)

    assert result.returncode == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("verb", ["run", "check"])
def test_an_api_server_that_does_not_answer_is_named(tmp_path: Path, verb: str) -> None:
    """A kubeconfig that leads nowhere ends the process with the address that did not answer."""
    config = tmp_path / "config"
    config.write_text(
        "{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}],"
        " users: [{name: c, user: {}}], contexts: [{name: c, context: {cluster: c, user: c}}]}"
    )

    result = obtask(verb, "--kubeconfig", str(config))

    assert result.returncode == 1
    assert "the API server does not answer" in result.stderr
    assert "127.0.0.1:9" in result.stderr


def test_check_says_what_the_operator_would_see(control_plane: ControlPlane, namespace: str) -> None:
    """With the operator's own rights: the API server answers, the CRDs are there, tasks and Leases may be listed."""
    result = obtask("check", "--kubeconfig", str(control_plane.operator_kubeconfig), "--namespace", namespace)

    assert (result.returncode, result.stdout) == (0, f"unfinished tasks: 0, locks: 0, in {namespace}\n")


def test_check_names_what_is_missing(control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path) -> None:
    """A user without rights is told which one."""
    powerless = tmp_path / "kubeconfig"
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": kubectl("create", "token", "default").strip()}}]
    powerless.write_text(yaml.safe_dump(config))

    result = obtask("check", "--kubeconfig", str(powerless))

    assert result.returncode == 1
    assert "cannot list obtasks.task.oceanbase.com" in result.stderr
    assert "may this user list them" in result.stderr


def test_help_lists_the_verbs() -> None:
    """Every verb is listed with one sentence."""
    shown = obtask("--help").stdout

    assert "Run the operator until it is told to stop." in shown
    assert "Print the CustomResourceDefinitions." in shown
