"""Owns the way from a pydantic model to a structural schema, the part of JSON Schema that a CRD may use. Knows no particular model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from obtask.model.base import Value

Schema = dict[str, Any]

# Lets strings, numbers, booleans and null through: anything passes a schema without a type, but an object or a list
# would need more and fewer members at once. CEL cannot help, it does not see values without a type.
SCALAR: Schema = {
    "x-kubernetes-preserve-unknown-fields": True,
    "nullable": True,
    "minProperties": 1,
    "maxProperties": 0,
    "minItems": 1,
    "maxItems": 0,
}

INT_OR_STRING = "x-kubernetes-int-or-string"
ATOMIC: Schema = {"x-kubernetes-list-type": "atomic"}

KEPT = ("format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "maxProperties")


@dataclass(frozen=True, slots=True)
class Extensions:
    """What a model cannot say of itself; keys are class names, and `Class.field` with the field's name on the wire."""

    rules: Mapping[str, Sequence[Schema]] = field(default_factory=dict)
    lists: Mapping[str, Schema] = field(default_factory=dict)
    objects: Mapping[str, Schema] = field(default_factory=dict)
    defaults: bool = True


def structural_schema(model: type[Value], extensions: Extensions) -> Schema:
    """Return the structural schema of a model: nothing but types, constraints, descriptions, defaults and the extensions."""
    document = model.model_json_schema(by_alias=True)
    return _Conversion(document.get("$defs", {}), extensions).node(document)


@dataclass(frozen=True, slots=True)
class _Conversion:
    definitions: Mapping[str, Schema]
    extensions: Extensions

    def node(self, source: Schema, path: str = "") -> Schema:
        """Convert one schema; `path` is `Class.field` of the field it belongs to."""
        source = self._resolve(source)
        found: Schema = {key: source[key] for key in ("description", "type") if key in source}
        if INT_OR_STRING in source:
            return found | {INT_OR_STRING: True}
        if self.extensions.defaults and source.get("default") not in (None, [], {}):
            found["default"] = source["default"]
        found |= {key: source[key] for key in KEPT if key in source}
        if source.get("type") == "integer":
            found["format"] = "int64"
        if "anyOf" in source:
            return found | SCALAR
        if "type" not in found or source.get("additionalProperties") is True:
            return found | self.extensions.objects.get(path, {}) | {"x-kubernetes-preserve-unknown-fields": True} | self._members(source)
        if "items" in source:
            kind = self.extensions.lists.get(path, ATOMIC)
            # What a list holds as a whole has one owner for whoever applies it: a stored default would be a difference, and a conflict.
            inside = replace(self, extensions=replace(self.extensions, defaults=False)) if kind is ATOMIC else self
            found |= kind | {"items": inside.item(source["items"])}
        return found | self._members(source)

    def item(self, source: Schema) -> Schema:
        """Convert the schema of what a list holds."""
        item = self.node(source)
        if item.get("type") != "object":
            item.pop("description", None)  # the list has said it
        return item

    def _resolve(self, source: Schema) -> Schema:
        """Put what a reference or an optional field stands for in its place; what is said at the field wins."""
        here = {key: value for key, value in source.items() if key not in ("$ref", "anyOf")}
        if "$ref" in source:
            return self._resolve(self.definitions[source["$ref"].removeprefix("#/$defs/")] | here)
        options = [option for option in source.get("anyOf", []) if option != {"type": "null"}]
        if len(options) == 1:
            return self._resolve(options[0] | here)
        if any(option.get("type") not in ("string", "integer", "number", "boolean") for option in options):
            raise TypeError(f"a structural schema cannot express {source['anyOf']}")
        return source

    def _members(self, source: Schema) -> Schema:
        # A structural schema knows no patterns of names, so that a rule has to; a map that said nothing of its values would lose them.
        pattern, named = next(iter(source.get("patternProperties", {}).items()), ("", None))
        if isinstance(values := source.get("additionalProperties") or named, dict):
            rule = {"x-kubernetes-validations": [_names(pattern, source["propertyNames"]["maxLength"])]} if pattern else {}
            return {"additionalProperties": self.node(values)} | rule
        if "properties" not in source:
            return {}
        model = source["title"]
        found: Schema = {"required": source["required"]} if "required" in source else {}
        if model in self.extensions.rules:
            found["x-kubernetes-validations"] = list(self.extensions.rules[model])
        found["properties"] = {name: self.node(child, f"{model}.{name}") for name, child in source["properties"].items()}
        return found


def _names(pattern: str, longest: int) -> Schema:
    """Return the rule that the names in a map have this form, and at most so many characters."""
    return {
        "rule": f'self.all(name, name.size() <= {longest} && name.matches(r"{pattern}"))',
        "message": f"each name must match {pattern} and have at most {longest} characters",
        "reason": "FieldValueInvalid",
    }
