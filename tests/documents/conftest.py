"""Owns the programs that a reader of the documents has at hand."""

import shlex
import stat
import sys
from pathlib import Path

import pytest

from devcluster.controlplane import ControlPlane

HERE = Path(__file__).parent


@pytest.fixture
def tools(tmp_path: Path, control_plane: ControlPlane) -> Path:
    """Return a folder with kubectl and what stands in for Helm."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "kubectl").symlink_to(control_plane.kubectl.program)
    helm = folder / "helm"
    helm.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(HERE / "helm.py"))} "$@"\n')
    helm.chmod(helm.stat().st_mode | stat.S_IXUSR)
    return folder
