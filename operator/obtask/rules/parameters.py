"""Owns whether the parameters of a task fit those that its template declares. Pure. API.md section 8."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from obtask.model.limits import PARAMETERS_BYTES, one_line
from obtask.model.listed import listed
from obtask.model.pattern import matcher
from obtask.model.template import Parameter
from obtask.model.template_contract import ParameterFormat, ParameterType
from obtask.rules import parameter_forms as forms

SHOWN_VALUE: Final = 80
SHOWN_CHOICES: Final = 240


@dataclass(frozen=True, slots=True)
class Completed:
    """The value of every parameter that has one; ``defaults``: those of them that the template gave."""

    values: Mapping[str, Any]
    defaults: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ParameterFault:
    """A parameter that does not fit: what is allowed, and what was given."""

    name: str
    allowed: str
    given: str

    @property
    def message(self) -> str:
        """The fault as one line; it begins with the field."""
        return one_line(f"spec.parameters.{one_line(self.name, SHOWN_VALUE)}: {self.allowed}; given: {self.given}")


def completed(declared: Sequence[Parameter], given: Mapping[str, Any]) -> Completed | ParameterFault:
    """Return the values of a task's parameters, those that it gives and the defaults of the others, or the first that does not fit."""
    known = [each.name for each in declared]
    for name in given:
        if name not in known:
            return ParameterFault(name, f"no parameter of this template, which has {_choices(known) or 'none'}", _shown(given[name]))
    defaults = {each.name: each.default for each in declared if each.name not in given and each.default is not None}
    values = {name: given.get(name, defaults.get(name)) for name in known if name in given or name in defaults}
    for each in declared:
        if each.name not in values:
            if each.required or each.format is ParameterFormat.CONFIRM:
                return ParameterFault(each.name, f"a value is required: {allowed(each, values)}", "none")
        elif not fits(each, values[each.name], values):
            return ParameterFault(each.name, f"allowed is {allowed(each, values)}", _shown(values[each.name]))
    size = len(json.dumps(values, ensure_ascii=False).encode(errors="replace"))
    if size > PARAMETERS_BYTES:
        largest = max(values, key=lambda name: len(json.dumps(values[name])))
        return ParameterFault(largest, f"all values together may have {PARAMETERS_BYTES} bytes", f"{size} bytes")
    return Completed(values, defaults)


def fits(parameter: Parameter, value: Any, values: Mapping[str, Any]) -> bool:
    """Return whether a value is one for the parameter. ``values``: those of the others, which one may have to repeat."""
    if not _is_of_type(parameter.type, value):
        return False
    texts = value if isinstance(value, list) else [value]
    if parameter.enum is not None and not all(any(_same(text, choice) for choice in parameter.enum) for text in texts):
        return False
    if parameter.format is not None and not _has_form(parameter.format, parameter, value, values):
        return False
    if parameter.pattern is not None and not _all_match(parameter.pattern, value):
        return False
    least, most = (forms.bound(parameter, value, each) for each in (parameter.minimum, parameter.maximum))
    size = forms.size(parameter, value)
    return (least is None or least <= size) and (most is None or size <= most)


def declaration_fault(parameter: Parameter) -> str | None:
    """Return what is wrong with a declaration as far as only its values tell, or None."""
    for field, each in (("minimum", parameter.minimum), ("maximum", parameter.maximum)):
        if each is not None and not forms.is_bound(parameter, each):
            return f"{field}: {json.dumps(each)} is no {field} for {_kind(parameter)}"
    if parameter.minimum is not None and parameter.maximum is not None:
        least, most = (forms.bound_itself(parameter, each) for each in (parameter.minimum, parameter.maximum))
        if least > most:
            return f"minimum: {parameter.minimum} is more than the maximum, {parameter.maximum}"
    of_entry = ParameterType.STRING if parameter.type is ParameterType.LIST else parameter.type
    for choice in parameter.enum or ():
        if not _is_of_type(of_entry, choice):
            return f"enum: {_shown(choice)} is not {of_entry.about}"
    if parameter.default is not None and not fits(parameter, parameter.default, {}):
        return f"default: allowed is {allowed(parameter, {})}; given: {_shown(parameter.default)}"
    return None


def allowed(parameter: Parameter, values: Mapping[str, Any]) -> str:
    """Return what values the parameter may have, for people."""
    return ", ".join(_allowed(parameter, values))


def _allowed(parameter: Parameter, values: Mapping[str, Any]) -> Iterator[str]:
    yield _kind(parameter)
    if parameter.confirm is not None:
        yield f"that of {parameter.confirm} typed again: {_shown(values.get(parameter.confirm))}"
    if parameter.enum is not None:
        yield f"one of {_choices(str(choice) if isinstance(choice, str) else json.dumps(choice) for choice in parameter.enum)}"
    if parameter.pattern is not None:
        yield f"matching {parameter.pattern}"
    unit = forms.unit(parameter)
    if parameter.minimum is not None:
        yield f"at least {parameter.minimum}{unit}"
    if parameter.maximum is not None:
        yield f"at most {parameter.maximum}{unit}"


def _kind(parameter: Parameter) -> str:
    if parameter.format is None:
        return parameter.type.about
    return f"a list, each entry {parameter.format.about}" if parameter.type is ParameterType.LIST else parameter.format.about


def _choices(names: Any) -> str:
    found = list(names)
    return one_line(listed(found), SHOWN_CHOICES) if found else ""


def _shown(value: Any) -> str:
    return "none" if value is None else one_line(json.dumps(value, ensure_ascii=False), SHOWN_VALUE)


def _same(value: Any, choice: Any) -> bool:
    return isinstance(value, bool) is isinstance(choice, bool) and value == choice


def _all_match(pattern: str, value: Any) -> bool:
    matches = matcher(pattern)
    return all(matches(text) for text in forms.texts(value))


def _is_of_type(kind: ParameterType, value: Any) -> bool:
    match kind:
        case ParameterType.STRING:
            return isinstance(value, str)
        case ParameterType.SECRET:
            return isinstance(value, str) and forms.is_object_name(value)
        case ParameterType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool) and forms.is_int64(value)
        case ParameterType.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool) and forms.is_finite(value)
        case ParameterType.BOOLEAN:
            return isinstance(value, bool)
        case ParameterType.LIST:
            return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        case ParameterType.MAP:
            return isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair)
        case never:
            assert_never(never)


def _has_form(form: ParameterFormat, parameter: Parameter, value: Any, values: Mapping[str, Any]) -> bool:
    entries: list[str] = value if isinstance(value, list) else [value]
    match form:
        case ParameterFormat.IDENTIFIER:
            return all(map(forms.is_identifier, entries))
        case ParameterFormat.QUANTITY:
            return forms.quantity(value) is not None
        case ParameterFormat.SERVER:
            return all(map(forms.is_server, entries))
        case ParameterFormat.DURATION:
            return forms.seconds(value) is not None
        case ParameterFormat.TIME:
            return forms.is_time(value)
        case ParameterFormat.ZONE_LIST:
            return forms.are_zones(value)
        case ParameterFormat.CONFIRM:
            return parameter.confirm is not None and value == values.get(parameter.confirm)
        case never:
            assert_never(never)
