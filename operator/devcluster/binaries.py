"""Find the programs of the control plane: those of KUBEBUILDER_ASSETS, or published ones, or those that are built here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster.build import build
from devcluster.files import checkout
from devcluster.progress import Report, silent

ASSETS = "KUBEBUILDER_ASSETS"
REQUIRED = ("etcd", "kube-apiserver", "kubectl")


@dataclass(frozen=True, slots=True)
class Binaries:
    """Paths of the programs; the assets of other projects often come without a controller manager."""

    etcd: Path
    kube_apiserver: Path
    kubectl: Path
    kube_controller_manager: Path | None

    @classmethod
    def in_folder(cls, folder: Path) -> "Binaries":
        """Return the programs under their usual names in one folder."""
        manager = folder / "kube-controller-manager"
        return cls(folder / "etcd", folder / "kube-apiserver", folder / "kubectl", manager if manager.exists() else None)


def find_or_build(report: Report = silent, env: Mapping[str, str] = os.environ) -> Binaries:
    """Return the programs, ready to be started; the first time, this takes a download, or minutes of building."""
    assets = env.get(ASSETS)
    if assets and all(os.access(Path(assets) / name, os.X_OK) for name in REQUIRED):
        return Binaries.in_folder(Path(assets).resolve())
    if assets:
        report(f"{ASSETS}={assets} does not hold {', '.join(REQUIRED)}: not used", None)
    return Binaries.in_folder(build(checkout() / "deploy/devcluster", report, env))
