"""The objects every control plane of ours has: the CRDs, and what the operator's user may do."""

from pathlib import Path
from typing import Any, Final

import yaml

from devcluster.files import checkout
from devcluster.kubectl import Kubectl

LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C, where there is one, takes a tenth of the time


def apply_resources(kubectl: Kubectl) -> list[str]:
    """Apply the CRDs of the checkout and the operator's RBAC rules; return the API paths that will serve the new kinds."""
    definitions = sorted((checkout() / "crds").glob("*.yaml"))
    kubectl.apply_files([checkout() / "deploy/devcluster/rbac.yaml", *definitions])
    return _resource_paths(definitions)


def _resource_paths(definitions: list[Path]) -> list[str]:
    paths: list[str] = []
    for file in definitions:
        for crd in yaml.load_all(file.read_text(), LOADER):
            paths += _paths_of(crd) if crd and crd.get("kind") == "CustomResourceDefinition" else []
    return paths


def _paths_of(crd: dict[str, Any]) -> list[str]:
    spec = crd["spec"]
    return [f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}" for version in spec["versions"] if version["served"]]
