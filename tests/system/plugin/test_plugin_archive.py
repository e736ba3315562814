"""The plugin as one file, and for Krew: what `make plugin` makes."""

import hashlib
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.plugin import Plugin, plugin
from tests.support.reader import ROOT

from devcluster.controlplane import ControlPlane
from documents.release import version


@pytest.fixture(scope="module")
def made() -> Path:
    """Make the file, as a person would; return the folder that it is in."""
    environment = {name: value for name, value in os.environ.items() if name not in {"MAKELEVEL", "MAKEFLAGS", "MFLAGS"}}
    done = subprocess.run(["/usr/bin/env", "make", "plugin"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "dist"


@pytest.fixture
def alone(made: Path, control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Plugin:
    """Return the plugin of a user who has nothing but this file and kubectl."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("kubectl-obtask", "kubectl_complete-obtask"):
        (folder / name).symlink_to(made / "kubectl-obtask")
    (folder / "kubectl").symlink_to(control_plane.kubectl.program)
    # What `env python3` finds: a Python that has none of our packages.
    (folder / "python3").write_text(f'#!/bin/sh\nexec {Path(sys.base_prefix) / "bin/python3"} -I "$@"\n')
    (folder / "python3").chmod(0o755)
    return plugin(control_plane, namespace, tmp_path / "home")


def run(alone: Plugin, folder: Path, *words: str) -> str:
    """Run a program of the user; return what it prints."""
    environment = {**alone.environment, "PATH": f"{folder}:/usr/bin:/bin"}
    done = subprocess.run(  # noqa: S603 - words of the test
        [folder / words[0], *words[1:]], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_file_is_all_it_needs(alone: Plugin, tmp_path: Path) -> None:
    """It lists, has its version and its pictures, completes under the name of the other program, and carries what needs Textual."""
    folder = tmp_path / "bin"

    assert run(alone, folder, "kubectl", "obtask", "version") == f"kubectl obtask {version()}\n"
    assert run(alone, folder, "kubectl", "obtask", "list", "-o", "json").startswith("{")
    assert "retry\tRun what failed again, then go on." in run(alone, folder, "kubectl_complete-obtask", "re")
    wanted = ", ".join(f"kubectl_obtask.{name}" for name in ("bundle", "screen.app", "screen.live"))
    modules = f"import sys; sys.path.insert(0, sys.argv[1]); import {wanted}"
    run(alone, folder, "python3", "-c", modules, str(folder / "kubectl-obtask"))


def test_the_archive_for_krew(made: Path) -> None:
    """The manifest names this version and this archive; all that it wants to install is in there, and can be run."""
    manifest: dict[str, Any] = yaml.safe_load((made / "obtask.yaml").read_text())
    [platform] = manifest["spec"]["platforms"]

    assert (manifest["metadata"]["name"], manifest["spec"]["version"]) == ("obtask", f"v{version()}")
    assert platform["sha256"] == hashlib.sha256((made / "kubectl-obtask.tar.gz").read_bytes()).hexdigest()
    with tarfile.open(made / "kubectl-obtask.tar.gz") as archive:
        members = {each.name: each.mode for each in archive.getmembers()}
    assert {each["from"] for each in platform["files"]} == set(members)
    assert members[platform["bin"]] & stat.S_IXOTH
