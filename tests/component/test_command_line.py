"""What the command line says to people who got something wrong."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from devcluster.controlplane import ControlPlane


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
        (["run"], {"OBTASK_WORKER": "8"}, "OBTASK_WORKER: there is no such setting; do you mean OBTASK_WORKERS?"),
        (["run", "--namespace", "Prod"], {}, "'Prod' is no name of a namespace"),
        (["run", "--log-format", "xml"], {}, "use one of text, json"),
        (["check"], {"OBTASK_NAMESPACE": "prod"}, "do you mean OBTASK_NAMESPACES?"),
    ],
)
def test_a_wrong_call_ends_with_one_clear_line(words: list[str], environment: dict[str, str], said: str) -> None:
    """The exit code is 1, and the only line of output says what is wrong and what is allowed."""
    result = obtask(*words, **environment)

    assert result.returncode == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


NO_CERTIFICATE = b"""
current-context: c
contexts: [{name: c, context: {cluster: c, user: c}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:9', certificate-authority-data: aGVsbG8=}}]
users: [{name: c, user: {}}]
"""
NO_KUBECONFIGS = {
    "empty": (b"", "this is no kubeconfig"),
    "binary": (b"\x00\x01\xff\xfe", "this is no kubeconfig"),
    "list": (b"[1, 2]", "this is no kubeconfig"),
    "broken": (b"{a: [}", "this is no kubeconfig"),
    "no-context": (b"{apiVersion: v1, kind: Config, current-context: nowhere, contexts: [{name: here}]}", "nowhere"),
    "no-certificate": (NO_CERTIFICATE, "no certificate or crl found"),
}


@pytest.mark.parametrize("kind", NO_KUBECONFIGS)
def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: Path, kind: str) -> None:
    """Whatever is in it, one line names the file, and shows nothing of its content: there may be keys in it."""
    text, said = NO_KUBECONFIGS[kind]
    (tmp_path / kind).write_bytes(text)

    result = obtask("run", "--kubeconfig", str(tmp_path / kind))

    assert result.returncode == 1
    assert result.stderr.startswith(f"obtask: kubeconfig {tmp_path / kind}: ")
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
    """With the operator's own rights: the API server answers, the CRDs fit, and there is every right that is needed."""
    result = obtask("check", "--kubeconfig", str(control_plane.operator_kubeconfig), "--namespace", namespace)

    assert (result.returncode, result.stderr, result.stdout) == (0, "", f"unfinished tasks: 0, locks: 0, in {namespace}\n")


@pytest.mark.parametrize("words", [["crd"], ["--help"], ["--version"], ["templates", "list"], ["templates", "show", "restart-server"]])
def test_a_full_disk_is_one_line(words: list[str]) -> None:
    """Whatever was to be printed, the error is the system's own, and no traceback."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-m", "obtask", *words], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)  # noqa: S603

    assert (done.returncode, done.stderr.decode()) == (1, "obtask: No space left on device\n")


def test_help_lists_the_verbs() -> None:
    """Every verb is listed with one sentence."""
    shown = obtask("--help").stdout

    assert "Run the operator until it is told to stop." in shown
    assert "Print the CustomResourceDefinitions." in shown


def test_the_version_is_that_of_the_package() -> None:
    """What somebody needs to know first when something goes wrong."""
    result = obtask("--version")

    assert (result.returncode, result.stdout) == (0, f"obtask {version('obtask-operator')}\n")
