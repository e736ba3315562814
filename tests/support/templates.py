"""Owns templates as tests make them: `pause`, of a namespace or of the cluster, with one parameter of most types."""

from typing import Any

from tests.support.apiserver import CLUSTER_TEMPLATES, TEMPLATES, ApiServer, Body

PARAMETERS = [
    {"name": "zone", "type": "string", "format": "identifier", "required": True},
    {"name": "memory", "type": "string", "format": "quantity", "default": "8G", "enum": ["8G", "16G"]},
    {"name": "units", "type": "integer", "minimum": 1, "maximum": 64},
    {"name": "again", "type": "list"},
]


def pause(name: str, *steps: Body, kind: str = "OBTaskTemplate", **more: Any) -> Body:
    """Return a template for Cluster tasks of the whole cluster; its one step waits for no time unless it is given others."""
    spec = {"title": {"en": "Pause"}, "type": "Cluster", "maintenance": "Global", "parameters": PARAMETERS}
    spec |= {"steps": list(steps) or [{"name": "pause", "wait": {"seconds": 0}}]}
    return {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec | more}


def create(api: ApiServer, namespace: str, template: Body) -> Body:
    """Create a template, in the namespace if its kind is of one; return it as it is stored."""
    path = TEMPLATES.format(namespace) if template["kind"] == "OBTaskTemplate" else CLUSTER_TEMPLATES
    return api.send("POST", path, template)
