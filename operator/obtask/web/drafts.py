"""Owns what a visitor means by a form or by YAML: a task that does not exist yet, and what is wrong with it, field by field. Pure."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from obtask import names
from obtask.model.template import Parameter, TemplateSpec
from obtask.model.template_contract import DEFAULT_KIND, ParameterFormat, ParameterType, TemplateKind
from obtask.rules.parameters import ParameterFault as NotFitting
from obtask.rules.parameters import allowed, completed, fits
from obtask.templates.given import parameters_of
from obtask.web.words import N_

LONGEST_LIST: Final = 40  # faults that are shown
PARAMETER: Final = "p."
GENERAL: Final = ""
# Where the API server finds a fault, and the field of the form that stands there; the longest beginning counts.
_FIELDS: Final = {
    "metadata.name": "name",
    "metadata.namespace": "ns",
    "spec.displayName": "displayName",
    "spec.cluster": "cluster",
    "spec.agent": "agent",
    "spec.tenant": "tenant",
    "spec.onConflict": "onConflict",
    "spec.connection": "connection",
    "spec.serviceAccountName": "serviceAccountName",
}
_SUFFIX = re.compile(r"[^a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong. ``text`` is ours and is translated; ``original`` is another program's own sentence.

    ``field`` is that of the form, empty for what concerns none of them; ``path``: where it is in the object; ``line``: of the YAML.
    """

    text: str
    original: str = ""
    field: str = GENERAL
    path: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A task that does not exist yet."""

    body: dict[str, Any]
    faults: tuple[Fault, ...] = ()


def field_of(path: str) -> str:
    """Return the field of the form that an object's field belongs to, empty for none."""
    if path.startswith("spec.parameters."):
        return PARAMETER + path.removeprefix("spec.parameters.").split(".")[0].split("[")[0]
    return max((field for prefix, field in _FIELDS.items() if path.startswith(prefix)), key=len, default=GENERAL)


def suggested_name(template: str, stamp: str) -> str:
    """Return a name for a task of a template: a DNS label."""
    return f"{_SUFFIX.sub('-', template.lower())[:40].strip('-') or 'task'}-{stamp}"


def form_draft(template: TemplateSpec, kind: TemplateKind, name: str, given: Mapping[str, str]) -> Draft:
    """Return the task that the fields of a form describe."""
    spec: dict[str, Any] = {"type": template.type.value, "maintenance": template.maintenance.value}
    for field in ("cluster", "agent", "tenant", "displayName", "onConflict", "serviceAccountName"):
        if value := given.get(field, "").strip():
            spec[field] = value
    if secret := given.get("connection", "").strip():
        spec["connection"] = {"secretName": secret}
    spec["templateRef"] = {"name": name} if kind is DEFAULT_KIND else {"kind": kind.value, "name": name}
    parameters = _parameters(template.parameters, given)
    if parameters:
        spec["parameters"] = parameters
    metadata = {"name": given.get("name", "").strip(), "namespace": given.get("ns", "").strip()}
    body = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": spec}
    return Draft(body, (*_missing(template, given), *_unfit(template.parameters, parameters)))


def needed_fields(template: TemplateSpec) -> tuple[str, ...]:
    """Return the fields of the target that a task of the template must have."""
    return tuple(field for field in dict.fromkeys((template.type.target, template.maintenance.field)) if field is not None)


def _missing(template: TemplateSpec, given: Mapping[str, str]) -> list[Fault]:
    return [
        Fault(N_("This has to be given."), field=field)
        for field in ("name", "ns", *needed_fields(template))
        if not given.get(field, "").strip()
    ]


def _parameters(declared: Sequence[Parameter], given: Mapping[str, str]) -> dict[str, Any]:
    words = [(each, given.get(PARAMETER + each.name, "")) for each in declared]
    return parameters_of(declared, [f"{each.name}={_word(each, text)}" for each, text in words if text.strip()])


def _word(parameter: Parameter, text: str) -> str:
    """Return what was typed as one word of a command line: a map may have one `name=value` in each line, a list one entry in each."""
    text = text.replace("\r\n", "\n").strip()
    if parameter.type is ParameterType.LIST and not text.startswith("["):
        return json.dumps([entry.strip() for line in text.split("\n") for entry in line.split(",") if entry.strip()], ensure_ascii=False)
    if parameter.type is ParameterType.MAP and not text.startswith("{"):
        lines = [line.partition("=") for line in text.split("\n") if line.strip()]
        if all(equals for _, equals, _ in lines):
            return json.dumps({name.strip(): value.strip() for name, _, value in lines}, ensure_ascii=False)
    return text


def _unfit(declared: Sequence[Parameter], given: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with the parameters, those of all fields at once."""
    values = {each.name: given.get(each.name, each.default) for each in declared}
    values = {name: value for name, value in values.items() if value is not None}
    found = []
    for each in declared:
        if each.name not in values:
            if each.required or each.format is ParameterFormat.CONFIRM:
                found.append(Fault(N_("This has to be given."), allowed(each, values), field=PARAMETER + each.name))
        elif not fits(each, values[each.name], values):
            found.append(Fault(N_("This value is not allowed."), allowed(each, values), field=PARAMETER + each.name))
    whole = completed(declared, given)
    if not found and isinstance(whole, NotFitting):
        found.append(Fault(N_("This value is not allowed."), whole.message, field=PARAMETER + whole.name))
    return found


def placed(causes: Sequence[tuple[str, str]], line_of: Callable[[str], int | None] | None) -> tuple[Fault, ...]:
    """Return the causes of a refusal, (field of the object, sentence), each at its field of the form, or its line of the YAML."""
    faults = [
        Fault("", message, field_of(path) if line_of is None else GENERAL, path, line_of(path) if line_of is not None and path else None)
        for path, message in causes[:LONGEST_LIST]
    ]
    return tuple(sorted(faults, key=lambda fault: fault.line or 0))
