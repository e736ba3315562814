"""Owns how values take the place of `${{ }}` in an action: as text, typed, percent-encoded, or by the driver. API.md section 2.2. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote

from pydantic import ValidationError

from obtask.model.action_expressions import expressions, inserted
from obtask.model.actions import Action, HttpAction, ObshellAction, SqlAction
from obtask.model.connections import ConnectionRef
from obtask.model.constraints import IN_PLACE
from obtask.model.kubernetes_actions import JobAction, ResourceAction
from obtask.model.limits import one_line
from obtask.model.values import Identifier, Inserted, parts
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind

Values = Mapping[str, Any]
"""The value of each expression, by its text."""

# Fields that take any JSON, in which a text that is nothing but one expression becomes its value.
TYPED: Final[Mapping[type[Action | ConnectionRef], tuple[str, ...]]] = {
    SqlAction: ("args.", "connection.port"),
    HttpAction: ("body",),
    ObshellAction: ("body", "connection.port"),
    ResourceAction: ("apply.", "patch.patch."),
    JobAction: ("podTemplate.", "resources.", "envFrom["),
    ConnectionRef: ("port",),
}
SQL_TEXTS: Final = re.compile(r"statements\[\d+\]|unless\.query|until\.query")
ONLY_IN_SQL: Final = "ident() is for SQL texts only"
URLS: Final = frozenset({"url", "until.url"})
# Where the kubelet expands $(NAME), which would put what is in a Secret into an argument; $$ is its $.
_EXPANDED_BY_KUBELET = re.compile(
    r"(?:podTemplate\.spec\.(?:initContainers|containers)\[\d+\]\.)?(?:(?:command|args)(?:\[\d+\])?|env\[\d+\]\.value|volumeMounts\[\d+\]\.subPathExpr)"
)

_PATH = re.compile(r"""(?P<head>task|attempt|steps|params|item|index)(?P<below>(?:\.[A-Za-z_]\w*|\[(?:"[^"\\]*"|'[^'\\]*'|\d{1,9})\])*)""")
_MEMBER = re.compile(r"""\.(?P<name>\w+)|\["(?P<double>[^"]*)"\]|\['(?P<single>[^']*)'\]|\[(?P<index>\d+)\]""")


def is_direct(expression: str) -> bool:
    """Return whether an expression is nothing but the path of a value, which needs no evaluation."""
    return _PATH.fullmatch(expression) is not None


def direct(expression: str, variables: Mapping[str, Any]) -> Any:
    """Return the value at the path that the expression is, or an ExpressionFault."""
    path = _PATH.fullmatch(expression)
    if path is None:
        raise ValueError(f"not the path of a value: {expression}")
    if path["head"] not in variables:
        return ExpressionFault(f"there is no {path['head']} here")
    found = variables[path["head"]]
    for member in _MEMBER.finditer(path["below"]):
        key: Any = int(member["index"]) if member["index"] is not None else member["name"] or member["double"] or member["single"] or ""
        if not isinstance(found, list if isinstance(key, int) else Mapping):
            return ExpressionFault(f"a field is asked for of what is no map or list: {key} in {expression}", ExpressionFaultKind.TYPE)
        try:
            found = found[key]
        except (KeyError, IndexError):
            return ExpressionFault(f"there is no {key} in {expression}", ExpressionFaultKind.MISSING)
    return found


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a value has no place where it is wanted; ``path`` is the field below the action."""

    path: str
    why: str


def wanted(holder: Action | ConnectionRef) -> tuple[str, ...]:
    """Return the expressions whose values the texts of an action, or of a connection, need."""
    return tuple(dict.fromkeys(expression for _, expression in inserted(holder)))


def in_place(action: Action, values: Values) -> Action | Misfit:
    """Return the action with values in its texts. SQL texts keep their ``${{ }}``: there the driver makes literals of the values."""
    return cast("Action | Misfit", _filled(action, values, frozenset(path for path, _ in expressions(action))))


def connection_in_place(connection: ConnectionRef, values: Values) -> ConnectionRef | Misfit:
    """Return a task's connection with values in its texts."""
    return cast("ConnectionRef | Misfit", _filled(connection, values, frozenset()))


def _filled(holder: Action | ConnectionRef, values: Values, kept: frozenset[str]) -> Action | ConnectionRef | Misfit:
    if not holder.written:
        return holder
    try:
        filled = _Filling(type(holder), values, kept).data(holder.dump(), "")
        return type(holder).model_validate(filled, context=IN_PLACE)
    except _NoPlaceError as wrong:
        return Misfit(wrong.path, wrong.why)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(map(str, fault["loc"]))
        return Misfit(path, one_line(f"with its values: {fault['msg'].removeprefix('Value error, ')}"))


class _NoPlaceError(Exception):
    """A value that has no place in a text."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(why)
        self.path, self.why = path, why


@dataclass(frozen=True, slots=True)
class _Filling:
    kind: type[Action | ConnectionRef]
    values: Values
    kept: frozenset[str]

    def data(self, data: Any, path: str) -> Any:
        match data:
            case str():
                return self.text(data, path)
            case dict():
                return {name: self.data(value, f"{path}.{name}" if path else name) for name, value in data.items()}
            case list():
                return [self.data(value, f"{path}[{index}]") for index, value in enumerate(data)]
            case _:
                return data

    def text(self, text: str, path: str) -> Any:
        if path in self.kept or (self.kind is SqlAction and SQL_TEXTS.fullmatch(path)):
            return text
        found = parts(text)
        match found:
            case (Inserted(expression=only),) if path.startswith(TYPED.get(self.kind, ())):
                return self.plain(self.values[only], path)
            case (Inserted(expression=only),):
                return as_text(self.plain(self.values[only], path))
            case _:
                return "".join(self._pieces(found, path))

    def _pieces(self, found: tuple[str | Inserted, ...], path: str) -> Iterator[str]:
        for part in found:
            if isinstance(part, str):
                yield part
                continue
            text = as_text(self.plain(self.values[part.expression], path))
            if self.kind is HttpAction and path in URLS:
                if text in (".", ".."):
                    raise _NoPlaceError(path, "a value in a URL must not be . or .., which is a path of its own")
                text = quote(text, safe="", errors="replace")
            elif self.kind is ObshellAction and path == "path" and ("/" in text or not text.strip(".")):
                # Requests encode the path as a whole: it cannot hold an encoded one.
                raise _NoPlaceError(path, "a value in a path must not be empty, be dots alone, or contain /")
            yield text

    def plain(self, value: Any, path: str) -> Any:
        if isinstance(value, Identifier) or (isinstance(value, list) and any(isinstance(one, Identifier) for one in value)):
            raise _NoPlaceError(path, ONLY_IN_SQL)
        return _literal(value) if self.kind is JobAction and _EXPANDED_BY_KUBELET.fullmatch(path) else value


def _literal(value: Any) -> Any:
    match value:
        case str():
            return value.replace("$", "$$")
        case list():
            return [_literal(one) for one in value]
        case dict():
            return {name: _literal(one) for name, one in value.items()}
        case _:
            return value


def as_text(value: Any) -> str:
    """Return a value as it stands inside a longer text."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case int() | float():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)
