"""Owns CEL itself: compiling an expression, and asking whether it holds. Only the evaluation process may import this."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext.ext_bindings import ExtBindings
from cel_expr_python.ext.ext_encoders import ExtEncoders
from cel_expr_python.ext.ext_math import ExtMath
from cel_expr_python.ext.ext_optional import ExtOptional
from cel_expr_python.ext.ext_strings import ExtStrings

from obtask.executors.evaluation import functions
from obtask.executors.evaluation.pipe import ELEMENTS, LARGEST_VALUE
from obtask.model.base import in_seconds
from obtask.model.values import VARIABLES, Identifier, leaves, mentioned
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind, Gives, Vocabulary

# A program takes up to 0.5 MiB. A condition that is waited for is compiled once; a few tasks at once are waited for.
PROGRAMS = 32
ENVIRONMENTS = 64  # of those that there can be, no more are in use at once
SHOWN_FAULT = 400

TOO_MANY_ELEMENTS = (
    f"goes through more than {ELEMENTS:,} elements (all, exists, filter and map count each one): look at fewer, or have the other side "
    "count or filter them"
)
_SHOWN = (cel.Type.STRING, cel.Type.INT, cel.Type.UINT, cel.Type.DOUBLE, cel.Type.BOOL)


@lru_cache(maxsize=ENVIRONMENTS)
def _environment(vocabulary: Vocabulary, scope: frozenset[str]) -> cel.Env:
    variables: dict[str, cel.Type] = {}
    match vocabulary:
        case Vocabulary.SQL:
            rows = cel.Type.List(cel.Type.Map(cel.Type.STRING, cel.Type.DYN))
            variables = {"rows": rows, "affected": cel.Type.INT}
        case Vocabulary.HTTP:
            headers = cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
            variables = {"status": cel.Type.INT, "headers": headers, "body": cel.Type.DYN}
        case Vocabulary.RESOURCE:
            variables = {"object": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)}
        case Vocabulary.OBSHELL:
            variables = {"data": cel.Type.DYN}
        case Vocabulary.JOB:
            variables = {"result": cel.Type.DYN}
        case Vocabulary.VALUES:
            pass
    variables |= {name: cel.Type.INT if name == "index" else cel.Type.DYN for name in scope if name not in variables}
    libraries = [ExtBindings(), ExtEncoders(), ExtMath(), ExtOptional(), ExtStrings(), functions.extension()]
    return cel.NewEnv(variables=variables, extensions=libraries)


@lru_cache(maxsize=PROGRAMS)
def _compile(vocabulary: Vocabulary, gives: Gives, text: str, scope: frozenset[str]) -> cel.Expression | ExpressionFault:
    try:
        compiled = _environment(vocabulary, scope).compile(text)
    except (RuntimeError, TypeError, ValueError) as error:
        return ExpressionFault(_one_line(error))
    found = compiled.return_type()
    if gives is Gives.CONDITION and found not in (cel.Type.BOOL, cel.Type.DYN):
        return ExpressionFault(f"must be true or false, not {found.name()}")
    if gives is Gives.TEXT and found not in (*_SHOWN, cel.Type.DYN):
        return ExpressionFault(f"must be a text or a number, not {found.name()}")
    if gives is Gives.LIST and found != cel.Type.DYN and not found.name().startswith("LIST"):
        return ExpressionFault(f"must be a list, not {found.name()}")
    return compiled


def fault(vocabulary: Vocabulary, text: str, gives: Gives = Gives.CONDITION, scope: frozenset[str] = frozenset()) -> ExpressionFault | None:
    """Return why the expression does not compile, or None. ``scope``: the variables of values that there are."""
    compiled = _compile(vocabulary, gives, text, scope)
    return compiled if isinstance(compiled, ExpressionFault) else None


def holds(vocabulary: Vocabulary, text: str, variables: Mapping[str, Any]) -> bool | ExpressionFault:
    """Return whether the expression holds for the variables, or why that cannot be told."""
    found = _value(vocabulary, Gives.CONDITION, text, variables)
    if isinstance(found, bool | ExpressionFault):
        return found
    return ExpressionFault(
        f"must be true or false, not {type(found).__name__}", ExpressionFaultKind.MISSING if found is None else ExpressionFaultKind.TYPE
    )


def shown(vocabulary: Vocabulary, text: str, variables: Mapping[str, Any]) -> str | ExpressionFault:
    """Return the text, or the number as text, that the expression gives for the variables, or why it gives none."""
    found = _value(vocabulary, Gives.TEXT, text, variables)
    match found:
        case ExpressionFault() | str():
            return found
        case bool():
            return "true" if found else "false"
        case int() | float():
            return str(found)
        case _:
            kind = ExpressionFaultKind.MISSING if found is None else ExpressionFaultKind.TYPE
            return ExpressionFault(f"must be a text or a number, not {type(found).__name__}", kind)


def value(vocabulary: Vocabulary, text: str, variables: Mapping[str, Any]) -> Any:
    """Return what the expression gives as JSON-ready data, or why it gives nothing that can be stored or inserted.

    Names that are to be inserted into SQL are an ``Identifier``, or a list of them.
    """
    found = _value(vocabulary, Gives.VALUE, text, variables)
    if isinstance(found, ExpressionFault):
        return found
    if vocabulary is Vocabulary.VALUES and (names := _names(found)) is not None:
        return names
    try:
        ready = _ready(found)
        size = len(json.dumps(ready, allow_nan=False))
    except (TypeError, ValueError) as error:
        return ExpressionFault(f"gives no value: {error}", ExpressionFaultKind.TYPE)
    if size > LARGEST_VALUE:
        return ExpressionFault(f"gives a value of {size} bytes; at most {LARGEST_VALUE} are allowed", ExpressionFaultKind.EXCEEDED)
    return ready


def _names(found: Any) -> Identifier | list[Identifier] | None:
    """Return the names that ``ident`` has marked; None if there are none, or not only names."""
    match found:
        case {functions.IDENTIFIER: bytes() | bytearray() as name} if len(found) == 1:
            return Identifier(bytes(name).decode())
        case [_, *_]:
            names = [_names(one) for one in found]
            return [name for name in names if isinstance(name, Identifier)] if all(isinstance(name, Identifier) for name in names) else None
        case _:
            return None


def _ready(found: Any) -> Any:
    match found:
        case None | bool() | int() | float() | str():
            return found
        case list() | tuple():
            return [_ready(one) for one in found]
        case dict() if all(isinstance(name, str) for name in found):
            return {name: _ready(one) for name, one in found.items()}
        case datetime():
            return found.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return f"{in_seconds(found)}s"
        case bytes() | bytearray():
            raise TypeError("octets are no text; and names of ident() are for SQL texts, alone or in a list of names")
        case _:
            raise TypeError(f"{type(found).__name__} is no text, number, boolean or null, nor a list or map of these")


def _value(vocabulary: Vocabulary, gives: Gives, text: str, variables: Mapping[str, Any]) -> Any:
    """Return what the expression gives, or an ExpressionFault."""
    found = _evaluated(vocabulary, gives, text, variables)
    if isinstance(found, ExpressionFault) and found.kind is ExpressionFaultKind.MISSING and vocabulary is Vocabulary.SQL:
        return replace(found, kind=ExpressionFaultKind.TYPE) if _lacks_column(found, text, variables.get("rows", ())) else found
    if not isinstance(found, ExpressionFault) or found.kind is not ExpressionFaultKind.TYPE or not _NAMES_NO_TYPE.search(found.message):
        return found
    # The library does not say what it could not use. If that was null, something else in its place leads further.
    stand_ins: tuple[Any, ...] = ({}, False, [])
    for stand_in in stand_ins:
        changed = {name: _with(stand_in, value) for name, value in variables.items()}
        if changed != variables and _evaluated(vocabulary, gives, text, changed) != found:
            return ExpressionFault("a value is null", ExpressionFaultKind.MISSING)
    return replace(found, message="a field is asked for of what is no map") if _SELECT in found.message else found


def _evaluated(vocabulary: Vocabulary, gives: Gives, text: str, variables: Mapping[str, Any]) -> Any:
    scope = frozenset(variables).intersection(VARIABLES)
    if any("\0" in leaf for name in mentioned(text) & scope for leaf in leaves(variables[name])):
        return ExpressionFault("a value has a NUL in it, where the library would end it", ExpressionFaultKind.VALUE)
    compiled = _compile(vocabulary, gives, text, scope)
    if isinstance(compiled, ExpressionFault):
        return compiled
    boxed = _columns_to_box(variables.get("rows", ()))
    if boxed:
        compiled = _compile(vocabulary, gives, _opening(text, gives, tuple(variables["rows"][0]), boxed), scope)
        if isinstance(compiled, ExpressionFault):
            return compiled
        variables = {**variables, "rows": [_boxed(row, boxed) for row in variables["rows"]]}
    try:
        value = compiled.eval(data=variables)
        result = value.plain_value()
    except (RuntimeError, TypeError, ValueError) as error:
        return _fault_of(_one_line(error))
    return _fault_of(" ".join(str(result).split())[:SHOWN_FAULT]) if value.type() == cel.Type.ERROR else result


def _lacks_column(found: ExpressionFault, text: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the text names a column that the rows do not have: the same query never has another one."""
    key = _KEY.fullmatch(found.message)
    return key is not None and bool(rows) and key[1] not in rows[0] and key[1] in text


def _with(stand_in: Any, value: Any) -> Any:
    """Return the value with something else in the place of each null."""
    match value:
        case None:
            return stand_in
        case list():
            return [_with(stand_in, item) for item in value]
        case dict():
            return {name: _with(stand_in, item) for name, item in value.items()}
        case _:
            return value


# What the library says, up to the value that it names: of a fault at run time there is nothing else to go by.
_SELECT = "Applying SELECT to non-message type"
_MISSING = re.compile(r"NOT_FOUND: Key not found|UNKNOWN: Index error: index=|FAILED_PRECONDITION: optional\.none|[^\"]*\bnull(?:_type)?\b")
_VALUE = re.compile(
    r"OUT_OF_RANGE:|INVALID_ARGUMENT: (?:(?:divide|modulus) by zero|<string>\.|cannot convert |\w+ to \w+ conversion failed|invalid base64)"
    r"|[^\"]*(?:UTF-8|out of range|overflow)"
)
_NAMES_NO_TYPE = re.compile(rf"{_SELECT}|No matching overloads found : (?:<jump_condition>|!_|_&&_|_\|\|_|@in)$")
_KEY = re.compile(r'NOT_FOUND: Key not found in map : "(.+)"')
_BUDGET = "Iteration budget exceeded"


def _fault_of(message: str) -> ExpressionFault:
    """Return a fault at run time with its kind."""
    if _BUDGET in message:
        return ExpressionFault(TOO_MANY_ELEMENTS, ExpressionFaultKind.EXCEEDED)
    for form, kind in ((_MISSING, ExpressionFaultKind.MISSING), (_VALUE, ExpressionFaultKind.VALUE)):
        if form.match(message):
            return ExpressionFault(message, kind)
    return ExpressionFault(message, ExpressionFaultKind.TYPE)


def _one_line(error: Exception) -> str:
    text = str(error).replace("INVALID_ARGUMENT: ERROR: <input>:", "at ").removesuffix(" [INVALID_ARGUMENT]")
    return " ".join(text.split("\n |")[0].split())[:SHOWN_FAULT]


# The CEL library takes times only where a type says so, and the values of a row have any type; and it cuts texts and
# octets at the first NUL. So such values come as texts in a box, and the expression is put behind one that opens the boxes.

_OPENED = {
    "time": "timestamp({box}.time)",
    "duration": "duration({box}.duration)",
    "octets": "base64.decode({box}.octets)",
    "text": "string(base64.decode({box}.text))",
}


def _columns_to_box(rows: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(name for row in rows for name, value in row.items() if _box(value) is not None)


def _boxed(row: Mapping[str, Any], boxed: frozenset[str]) -> dict[str, Any]:
    return {name: _box(value) or {"value": value} if name in boxed else value for name, value in row.items()}


def _box(value: Any) -> dict[str, str] | None:
    match value:
        case datetime():
            return {"time": value.isoformat()}
        case timedelta():
            return {"duration": f"{in_seconds(value)}s"}
        case bytes() if b"\0" in value:
            return {"octets": base64.b64encode(value).decode()}
        case str() if "\0" in value:
            return {"text": base64.b64encode(value.encode()).decode()}
        case _:
            return None


def _opening(text: str, gives: Gives, columns: tuple[str, ...], boxed: frozenset[str]) -> str:
    """Return the expression with ``rows`` bound to rows out of their boxes; ``text`` compiles on its own, so it cannot break out."""
    cells = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {_cell(name, boxed=name in boxed)}" for name in columns)
    opened = f"[rows.map(row, {{{cells}}})]"
    return f"{opened}.exists(rows, ({text}\n))" if gives is Gives.CONDITION else f"{opened}.map(rows, ({text}\n))[0]"


def _cell(name: str, *, boxed: bool) -> str:
    box = f"row[{json.dumps(name, ensure_ascii=False)}]"
    if not boxed:
        return f"dyn({box})"
    choices = "".join(f"'{kind}' in {box} ? dyn({opened.format(box=box)}) : " for kind, opened in _OPENED.items())
    return f"({choices}dyn({box}.value))"
