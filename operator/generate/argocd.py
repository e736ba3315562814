"""Owns what Argo CD is taught of OBTasks: its ConfigMap argocd-cm, made of the Lua files beside it, and the list of commands in them."""

from textwrap import indent
from typing import assert_never

from generate.text import ROOT, between
from obtask import names
from obtask.model.contract import Verb
from obtask.model.template_contract import TemplateKind

FOLDER = ROOT / "deploy/gitops/argocd"
PATCH = FOLDER / "argocd-cm.yaml"
KEY = f"{names.GROUP}_{names.KIND}"

HEAD = f"""\
# Made of the Lua files in this folder by `make generate`; do not edit. Teaches Argo CD the health and the commands of OBTasks, and the
# health of templates:
#   kubectl -n argocd patch configmap argocd-cm --type merge --patch-file {PATCH.relative_to(ROOT)}
# With Argo CD's Helm chart, put the keys into the values at configs.cm.
apiVersion: v1
kind: ConfigMap
metadata: {{name: argocd-cm, namespace: argocd}}
data:
"""


def discovery() -> str:
    """Return discovery.lua, with all commands."""
    shown = "".join(f'  ["{verb}"] = {{ displayName = "{_title(verb)}", iconClass = "fa fa-fw {_icon(verb)}" }},\n' for verb in Verb)
    return between((FOLDER / "discovery.lua").read_text(), "local actions = {\n", "}\n\n", shown)


def _title(verb: Verb) -> str:
    match verb:
        case Verb.RETRY:
            return "Retry"
        case Verb.ROLLBACK:
            return "Roll back"
        case Verb.SKIP:
            return "Skip the task (frees the lock)"
        case Verb.SKIP_STEP:
            return "Skip the failed step"
        case Verb.CANCEL:
            return "Cancel"
        case Verb.APPROVE:
            return "Approve"
        case never:
            assert_never(never)


def _icon(verb: Verb) -> str:
    match verb:
        case Verb.RETRY:
            return "fa-redo"
        case Verb.ROLLBACK:
            return "fa-undo"
        case Verb.SKIP:
            return "fa-forward"
        case Verb.SKIP_STEP:
            return "fa-step-forward"
        case Verb.CANCEL:
            return "fa-stop-circle"
        case Verb.APPROVE:
            return "fa-check"
        case never:
            assert_never(never)


def patch() -> str:
    """Return the patch of argocd-cm as YAML."""
    actions = "".join(["discovery.lua: |\n", indent(discovery(), "  "), "definitions:\n", *map(_definition, Verb)])
    return (
        f"{HEAD}  resource.customizations.health.{KEY}: |\n"
        + indent((FOLDER / "health.lua").read_text(), " " * 4)
        + f"  resource.customizations.actions.{KEY}: |\n"
        + indent(actions, " " * 4)
        + "".join(map(_template_health, TemplateKind))
    )


def _template_health(kind: TemplateKind) -> str:
    script = indent((FOLDER / "template-health.lua").read_text(), " " * 4)
    return f"  resource.customizations.health.{names.GROUP}_{kind}: |\n{script}"


def _definition(verb: Verb) -> str:
    script = indent((FOLDER / "action.lua").read_text(), " " * 4)
    return f'- name: {verb}\n  action.lua: |\n    local verb = "{verb}"\n{script}'
