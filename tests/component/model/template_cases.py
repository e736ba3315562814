"""Owns the table of good and bad templates: the API server and the model must judge each of them alike."""

from collections.abc import Mapping
from typing import Any

from tests.component.model.cases import Bad, parallel, wait, waits

from obtask import names
from obtask.model.template_contract import TemplateKind

Json = dict[str, Any]


def template(name: str, spec: Mapping[str, Any], kind: TemplateKind = TemplateKind.NAMESPACED) -> Json:
    """Return a template as a person would write it."""
    return {"apiVersion": names.API_VERSION, "kind": kind.value, "metadata": {"name": name}, "spec": dict(spec)}


def steps_of(*steps: Json, **more: Any) -> Json:
    """Return the spec of a template for Cluster tasks that exclude nobody."""
    return {"title": {"en": "Pause"}, "type": "Cluster", "maintenance": "None", "steps": list(steps) or [wait()]} | more


def parameters(*declared: Json, **more: Any) -> Json:
    """Return the spec of a template with these parameters."""
    return steps_of(parameters=list(declared), **more)


def text(name: str = "a", **more: Any) -> Json:
    """Return a parameter that is a text."""
    return {"name": name, "type": "string"} | more


GOOD: dict[str, Json] = {
    "least": steps_of(),
    "local-obproxy": steps_of(type="Local", maintenance="OBProxy"),
    "described": steps_of(title={"en": "Pause", "zh": "暂停"}, description={"en": "Waits.", "zh": "等待。"}),
    "parameter-with-everything": parameters(
        {
            "name": "memory",
            "type": "string",
            "format": "quantity",
            "title": {"en": "Memory", "zh": "内存"},
            "description": {"en": "Of a unit."},
            "default": "8G",
            "required": True,
            "enum": ["8G", "16G"],
            "pattern": "^[1-9][0-9]*G$",
            "minimum": 1,
            "maximum": "64G",
        }
    ),
    "every-type": parameters(*({"name": f"p{at}", "type": kind} for at, kind in enumerate(("string", "integer", "number", "boolean")))),
    "other-types": parameters(*({"name": f"p{at}", "type": kind} for at, kind in enumerate(("list", "map", "secret")))),
    "defaults": parameters(
        {"name": "list", "type": "list", "default": ["a", "b"]},
        {"name": "map", "type": "map", "default": {"a": "b"}},
        {"name": "number", "type": "number", "default": 0.5, "minimum": 0.25},
        {"name": "yes", "type": "boolean", "default": False},
    ),
    "confirm": parameters(text("tenant", required=True), text("again", format="confirm", confirm="tenant")),
    "64-parameters": parameters(*(text(f"p{number}") for number in range(64))),
    "64-steps": steps_of(*waits(64)),
}

BAD: dict[str, Bad] = {
    "no-title": Bad({key: value for key, value in steps_of().items() if key != "title"}, "spec.title", "Required"),
    "title-in-chinese-only": Bad(steps_of(title={"zh": "暂停"}), "spec.title.en", "Required"),
    "no-steps": Bad({key: value for key, value in steps_of().items() if key != "steps"}, "spec.steps", "Required"),
    "two-steps-of-one-name": Bad(steps_of(wait(), wait()), "spec.steps", rule="step names must be unique"),
    "too-many-subtasks": Bad(
        steps_of(*(parallel(f"s{number}", 64) for number in range(9))), "spec.steps", rule="a task has at most 512 subtasks in all"
    ),
    "tenant-of-a-host": Bad(steps_of(type="Local", maintenance="Tenant"), "spec.maintenance", rule="is for Cluster tasks only"),
    "bad-step": Bad(steps_of({"name": "a"}), "spec.steps[0]", rule="exactly one of"),
    "65-parameters": Bad(parameters(*(text(f"p{number}") for number in range(65))), "spec.parameters", "at most 64 items"),
    "two-parameters-of-one-name": Bad(parameters(text(), text()), "spec.parameters", rule="parameter names must be unique"),
    "name-with-a-dash": Bad(parameters(text("a-b")), "spec.parameters[0].name", "should match"),
    "unknown-type": Bad(parameters({"name": "a", "type": "object"}), "spec.parameters[0].type", "Unsupported value"),
    "format-of-a-number": Bad(
        parameters({"name": "a", "type": "integer", "format": "quantity"}),
        "spec.parameters[0].format",
        rule="format quantity is for parameters of type string only",
    ),
    "bad-pattern": Bad(parameters(text(pattern="(")), "spec.parameters[0]", "RE2"),
    "pattern-with-look-ahead": Bad(parameters(text(pattern="(?=a)")), "spec.parameters[0]", "RE2"),
    "long-pattern": Bad(parameters(text(pattern="a" * 257)), "spec.parameters[0].pattern", "256"),
    "patterns-too-long-together": Bad(
        parameters(*(text(f"p{number}", pattern="a" * 256) for number in range(9))),
        "spec.parameters",
        rule="at most 2048 characters together",
    ),
    "confirm-of-nothing": Bad(
        parameters(text(format="confirm", confirm="b")), "spec.parameters", rule="confirm names another parameter of type string"
    ),
    "confirm-of-itself": Bad(parameters(text(format="confirm", confirm="a")), "spec.parameters", rule="confirm names another parameter"),
    "confirm-of-a-number": Bad(
        parameters({"name": "b", "type": "integer"}, text(format="confirm", confirm="b")),
        "spec.parameters",
        rule="confirm names another parameter",
    ),
    "confirm-without-a-name": Bad(parameters(text(format="confirm")), "spec.parameters[0].confirm", rule="need each other"),
    "name-without-confirm": Bad(parameters(text("b"), text(confirm="b")), "spec.parameters[1].confirm", rule="need each other"),
    "list-as-choice": Bad(parameters(text(enum=[["a"]])), "spec.parameters[0].enum[0]", ""),
    "no-choice": Bad(parameters(text(enum=[])), "spec.parameters[0].enum", "at least 1"),
}  # fmt: skip
