"""Owns the reference of the API: every field of an OBTask, as the CustomResourceDefinition has it. Parts that are alike are told once."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from generate.text import code, table
from obtask import names
from obtask.model.columns import COLUMNS, SELECTABLE_FIELDS, TEMPLATE_COLUMNS
from obtask.model.contract import Audience, Verb
from obtask.model.schema import custom_resource_definitions
from obtask.model.template_contract import TemplateKind

Schema = dict[str, Any]
UNBOUNDED = "x-kubernetes-preserve-unknown-fields"


def parts() -> dict[str, str]:
    """Return the generated parts of docs/reference/api.md."""
    version = custom_resource_definitions()[0]["spec"]["versions"][0]
    top = version["schema"]["openAPIV3Schema"]["properties"]
    reader = _Reader()
    return {
        "identity": _identity(),
        "commands": _commands(),
        "columns": table(
            ("column", "shown", "meaning"),
            ((column.name.upper(), "with `-o wide`" if column.wide else "always", column.description) for column in COLUMNS),
        )
        + f"\nSelectable fields: {code(path.removeprefix('.') for path in SELECTABLE_FIELDS)}.\n",
        "spec": "".join(reader.sections("spec", top["spec"])),
        "status": "".join(reader.sections("status", top["status"])),
        "templates": _templates(),
    }


def _templates() -> str:
    """Return what templates have, both kinds alike; their steps are those of tasks."""
    kinds = table(
        ("kind", "names for kubectl", "is"),
        ((f"`{kind}`", code((kind.plural, kind.singular, kind.short_name)), kind.about) for kind in TemplateKind),
    )
    shown = table(
        ("column", "shown", "meaning"),
        ((column.name.upper(), "with `-o wide`" if column.wide else "always", column.description) for column in TEMPLATE_COLUMNS),
    )
    (one, *_) = (each for each in custom_resource_definitions() if each["spec"]["names"]["kind"] == TemplateKind.CLUSTER)
    top = one["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    steps = {key: top["spec"]["properties"]["steps"][key] for key in ("type", "description", "minItems", "maxItems")}
    steps |= {"items": {"type": "object"}, "description": f"{steps['description']} [spec.steps[]](#{_anchor('spec.steps[]')})"}
    spec = top["spec"] | {"properties": top["spec"]["properties"] | {"steps": steps}}
    reader = _Reader()
    fields = [*reader.sections("template.spec", spec), *reader.sections("template.status", top["status"])]
    return f"{kinds}\n{shown}" + "".join(fields)


def _identity() -> str:
    rows = (
        ("group and version", f"`{names.API_VERSION}`"),
        ("kind", f"`{names.KIND}`"),
        ("names for kubectl", code((names.PLURAL, names.SINGULAR, names.SHORT_NAME))),
        ("category", f"`{names.CATEGORY}`"),
        ("subresource", "`status`"),
        ("finalizer", f"`{names.FINALIZER}`"),
    )
    return table(("what", "is"), rows)


def _commands() -> str:
    return table(
        ("verb", "does", "RBAC verb for", "taken away by"),
        (
            (f"`{verb}`", verb.about, _roles(verb.audience), f"`forbid: [{verb.forbidden}]`" if verb.forbidden else "nothing")
            for verb in Verb
        ),
    )


def _roles(lowest: Audience) -> str:
    every = list(Audience)
    return code(every[every.index(lowest) :])


@dataclass(slots=True)
class _Reader:
    """Reads schemas; remembers where each object was described first."""

    described: dict[str, str] = field(default_factory=dict)

    def sections(self, path: str, schema: Schema) -> Iterator[str]:
        """Yield the section of an object, then those of the objects in it."""
        rows, inner = [], []
        required = schema.get("required", ())
        for name, child in schema["properties"].items():
            below, there = _inside(child)
            place = f"{path}.{name}{there}"
            shown = _type(child)
            if below is not None:
                known = self.described.setdefault(_content(below), place)
                shown += f": [{known}](#{_anchor(known)})"
                if known == place:
                    inner.append((place, below))
            rows.append((f"`{name}`", shown, _presence(name, child, required), _about(child)))
        level = "###" if "." in path else "##"
        yield f"\n{level} {path}\n\n{schema.get('description', '')}\n\n" + table(("field", "type", "", "meaning"), rows)
        if rules := schema.get("x-kubernetes-validations"):
            yield "\n" + "".join(f"- {_rule(rule)}\n" for rule in rules)
        for place, below in inner:
            yield from self.sections(place, below)


def _inside(schema: Schema) -> tuple[Schema | None, str]:
    """Return the object that a field holds, if its fields are known, and how its path goes on."""
    values = schema.get("additionalProperties")
    if "items" in schema:
        below, there = _inside(schema["items"])
        return below, f"[]{there}"
    if isinstance(values, dict):
        below, there = _inside(values)
        return below, f".*{there}"
    return (schema, "") if "properties" in schema else (None, "")


def _content(schema: Schema) -> str:
    return json.dumps({key: value for key, value in schema.items() if key not in ("description", "default")}, sort_keys=True)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w-]", "", heading).lower()


def _type(schema: Schema) -> str:
    values = schema.get("additionalProperties")
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if isinstance(values, dict):
        return f"map of {_type(values)}"
    return str(schema.get("type", "any value"))


def _presence(name: str, schema: Schema, required: Any) -> str:
    if name in required:
        return "required"
    return f"default `{json.dumps(schema['default'])}`" if "default" in schema else ""


def _about(schema: Schema) -> str:
    named = [(schema.get(least), schema.get(most), unit) for least, most, unit in BOUNDS if least in schema or most in schema]
    # A value that may be no list and no map has to have more entries than it may have: model/structural.py.
    bounds = [_range(least, most, unit) for least, most, unit in named if least is None or most is None or least <= most]
    values = schema.get("enum") or schema.get("items", {}).get("enum")
    said = [schema.get("description", "")]
    said += [f"One of {code(values)}."] if values else []
    said += [f"({'; '.join(bounds)})"] if bounds else []
    return " ".join(filter(None, said)).replace("<", "&lt;").replace("*", "\\*")


BOUNDS = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " entries"),
    ("minProperties", "maxProperties", " entries"),
)


def _range(least: int | None, most: int | None, unit: str) -> str:
    if least is None:
        return f"at most {most}{unit}"
    return f"at least {least}{unit}" if most is None else f"{least} to {most}{unit}"


def _rule(rule: Schema) -> str:
    text: str = rule["message"]
    place = rule.get("fieldPath")
    return f"`{place.removeprefix('.')}`: {text}" if place else text
