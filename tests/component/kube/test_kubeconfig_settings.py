"""Settings in a kubeconfig: an extension of the current cluster. docs/guides/allowed-hosts.md."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.support.local import ALLOWED_HOSTS

from devcluster.controlplane import ControlPlane
from devcluster.environment import with_settings
from devcluster.sqlserver import SqlServer
from obtask.hosts import HostPolicy
from obtask.kube.kubeconfig import settings_in


def written(path: Path, extensions: object) -> Path:
    """Write a kubeconfig with these extensions of its cluster."""
    cluster = {"server": "http://127.0.0.1:9", "extensions": extensions}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "other", "cluster": {}}, {"name": "c", "cluster": cluster}],
        "users": [{"name": "c", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def obtask_run(kubeconfig: Path, **environment: str) -> str:
    """Run an operator that cannot reach its API server; return what it says."""
    argv = [sys.executable, "-m", "obtask", "run", "--kubeconfig", str(kubeconfig)]
    return subprocess.run(argv, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60).stderr  # noqa: S603 - ours


def test_settings_of_the_current_cluster(tmp_path: Path) -> None:
    """They are read by their name; those of other programs are none of ours."""
    ours = {"name": "task.oceanbase.com/settings", "extension": {"OBTASK_WORKERS": 7}}
    other = {"name": "minikube.sigs.k8s.io", "extension": {"OBTASK_WORKERS": 9}}

    assert settings_in(written(tmp_path / "a", [other, ours])) == {"OBTASK_WORKERS": "7"}
    assert settings_in(written(tmp_path / "b", [other])) == {}


@pytest.mark.parametrize("extensions", [None, {}, "x", [1], [{"name": "task.oceanbase.com/settings"}], [{"extension": {}}]])
def test_extensions_of_any_shape(tmp_path: Path, extensions: object) -> None:
    """What is no extension has no settings."""
    assert settings_in(written(tmp_path / "a", extensions)) == {}


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"[1]", b"{a: [}", b"contexts: 3\ncurrent-context: [a]"])
def test_files_that_are_no_kubeconfig(tmp_path: Path, text: bytes) -> None:
    """They have no settings; whoever connects with them says what is wrong."""
    (tmp_path / "a").write_bytes(text)

    assert settings_in(tmp_path / "a") == {}
    assert settings_in(tmp_path / "nowhere") == {}


def test_the_environment_wins(tmp_path: Path) -> None:
    """A bad setting in the kubeconfig is named like one of the environment, which overrides it."""
    config = written(tmp_path / "a", [{"name": "task.oceanbase.com/settings", "extension": {"OBTASK_WORKERS": "none"}}])

    assert "OBTASK_WORKERS='none'" in obtask_run(config)
    assert "OBTASK_WORKERS" not in obtask_run(config, OBTASK_WORKERS="3")


def test_the_environment_of_make_up(control_plane: ControlPlane, seekdb: SqlServer, tmp_path: Path) -> None:
    """Its kubeconfig lists the SQL server with its port, nothing else on this machine, and everything elsewhere; kubectl takes it."""
    (tmp_path / "config").write_bytes(with_settings(control_plane.kubeconfig.read_bytes(), seekdb))

    listed = settings_in(tmp_path / "config")["OBTASK_ALLOWED_HOSTS"]
    policy = HostPolicy(tuple(listed.split(",")))
    assert policy.refusal(seekdb.host, seekdb.port) is None
    assert policy.refusal(seekdb.host, seekdb.port + 1) is not None
    assert policy.refusal("10.0.0.1", 80) is policy.refusal("db.corp", 80) is None
    assert set(ALLOWED_HOSTS[:2]) < set(listed.split(","))
    argv = [str(control_plane.kubectl.program), "--kubeconfig", str(tmp_path / "config"), "get", "namespace", "default", "-o", "name"]
    told = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - ours
    assert (told.returncode, told.stdout, told.stderr) == (0, "namespace/default\n", "")
