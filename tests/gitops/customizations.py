"""Owns the patch of Argo CD's ConfigMap argocd-cm: made of the Lua files beside it, so that there is one source of the truth."""

import sys
from pathlib import Path
from textwrap import indent

from obtask import names
from obtask.model.status import Verb

FOLDER = Path("deploy/gitops/argocd")
PATCH = FOLDER / "argocd-cm.yaml"
KEY = f"{names.GROUP}_{names.KIND}"

HEAD = f"""\
# Made of the Lua files in this folder by `make generate`; do not edit. Teaches Argo CD the health and the commands of OBTasks:
#   kubectl -n argocd patch configmap argocd-cm --type merge --patch-file {PATCH}
# With Argo CD's Helm chart, put the two keys into the values at configs.cm.
apiVersion: v1
kind: ConfigMap
metadata: {{name: argocd-cm, namespace: argocd}}
data:
"""


def patch() -> str:
    """Return the patch as YAML."""
    actions = "".join(["discovery.lua: |\n", _block("discovery.lua"), "definitions:\n", *map(_definition, Verb)])
    return (
        f"{HEAD}  resource.customizations.health.{KEY}: |\n"
        + indent(_block("health.lua", ""), " " * 4)
        + f"  resource.customizations.actions.{KEY}: |\n"
        + indent(actions, " " * 4)
    )


def _definition(verb: Verb) -> str:
    return f'- name: {verb}\n  action.lua: |\n    local verb = "{verb}"\n' + indent(_block("action.lua"), "  ")


def _block(file: str, prefix: str = "  ") -> str:
    return indent((FOLDER / file).read_text(), prefix)


if __name__ == "__main__":
    sys.stdout.write(patch())
