"""The command `obtask web`, as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.support.kubectl import Kubectl
from tests.support.web import SAME_ORIGIN, person

from devcluster.controlplane import ControlPlane


@contextmanager
def command(log: Path, *words: str, **environment: str) -> Iterator[tuple[str, Callable[[], str]]]:
    """Run `obtask web` on a free port; give what it says, and a function that has it say so again. It has to end in order when told to."""
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "obtask", "web", "--listen", "127.0.0.1:0", *words],
            env={"PATH": os.environ["PATH"], **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout as said:

            def say() -> str:
                line = said.readline()
                assert line.startswith("obtask web: http://127.0.0.1:"), log.read_text()
                return line.removeprefix("obtask web: ").strip()

            def again() -> str:
                process.send_signal(signal.SIGHUP)
                return say()

            yield say(), again
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            assert said.read() == ""


def test_the_process_logs_who_signs_in_and_no_token(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    namespace: str,
    tmp_path: Path,
    roles: None,  # noqa: ARG001 - made before
) -> None:
    """One JSON object a line; neither tokens, right or wrong, nor cookies, nor what people looked for are in it."""
    token = person(kubectl, namespace, "li", "view")
    log = tmp_path / "log"
    words = ("--identity", "token", "--log-format", "json", "--kubeconfig", str(control_plane.kubeconfig))
    with command(log, *words) as (address, _), httpx.Client(base_url=address, headers=SAME_ORIGIN, trust_env=False) as browser:
        assert browser.post("/login", data={"secret": "wrong.wrong.wrong"}).status_code == 403
        assert browser.post("/login", data={"secret": token}).status_code == 303
        cookie = browser.cookies["obtask"]
        assert browser.get(f"/tasks?q={token}").status_code == 200
        assert browser.get("/nowhere").status_code == 404

    logged = log.read_text()
    assert f"system:serviceaccount:{namespace}:li has signed in from 127.0.0.1" in logged
    assert "somebody at 127.0.0.1 could not sign in: refused" in logged
    assert all(line.startswith('{"time"') for line in logged.splitlines())
    assert not [secret for secret in (token, token.split(".")[2], "wrong.wrong", cookie) if secret in logged]


def test_settings_come_from_the_environment_and_options_win(control_plane: ControlPlane, tmp_path: Path) -> None:
    """With a kubeconfig, and no word of who a visitor is, it prints a link that works once; at SIGHUP another one."""
    environment = {"KUBECONFIG": str(control_plane.kubeconfig), "OBTASK_WEB_LISTEN": "127.0.0.1:1", "OBTASK_WEB_LANG": "zh"}
    with command(tmp_path / "log", **environment) as (link, again), httpx.Client(headers=SAME_ORIGIN, trust_env=False) as browser:
        where, _, code = link.partition("#")

        assert "登录" in browser.get(where).text
        assert browser.post(where, data={"secret": code}).status_code == 303
        assert browser.post(where, data={"secret": code}).status_code == 403
        there, _, other = again().partition("#")
        assert there == where
        assert browser.post(where, data={"secret": code}).status_code == 403
        assert browser.post(where, data={"secret": other}).status_code == 303


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["--listen", "0.0.0.0:8090", "--kubeconfig", "/dev/null"], {}, "/dev/null: no such file"),
        (["--listen", "nowhere"], {}, "OBTASK_WEB_LISTEN='nowhere': use HOST:PORT"),
        ([], {"OBTASK_WEB_LISTN": "x"}, "OBTASK_WEB_LISTN: there is no such setting; do you mean OBTASK_WEB_LISTEN?"),
        ([], {"OBTASK_WORKERS": "what it is to the operator"}, "neither $KUBERNETES_SERVICE_HOST nor"),
        (["--lang", "fr"], {}, "'fr'"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(words: list[str], environment: dict[str, str], said: str) -> None:
    """It ends at once, with a line that says what is allowed."""
    result = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "obtask", "web", *words], env=environment, capture_output=True, text=True, check=False, timeout=60
    )

    assert result.returncode != 0
    assert said in result.stderr
