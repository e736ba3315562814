"""Owns CEL itself: compiling an expression, and asking whether it holds. Only the evaluation process may import this."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext.ext_encoders import ExtEncoders

from obtask.rules.expressions import ExpressionFault, Vocabulary

# A program takes up to 0.5 MiB. A condition that is waited for is compiled once; a few tasks at once are waited for.
PROGRAMS = 32


@lru_cache(maxsize=3)
def _environment(vocabulary: Vocabulary) -> cel.Env:
    match vocabulary:
        case Vocabulary.SQL:
            rows = cel.Type.List(cel.Type.Map(cel.Type.STRING, cel.Type.DYN))
            variables = {"rows": rows, "affected": cel.Type.INT}
        case Vocabulary.HTTP:
            headers = cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
            variables = {"status": cel.Type.INT, "headers": headers, "body": cel.Type.DYN}
        case Vocabulary.RESOURCE:
            variables = {"object": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)}
    return cel.NewEnv(variables=variables, extensions=[ExtEncoders()])


@lru_cache(maxsize=PROGRAMS)
def _compile(vocabulary: Vocabulary, text: str) -> cel.Expression | ExpressionFault:
    try:
        compiled = _environment(vocabulary).compile(text)
    except (RuntimeError, TypeError, ValueError) as error:
        return ExpressionFault(_one_line(error))
    if compiled.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        return ExpressionFault(f"must be true or false, not {compiled.return_type().name()}")
    return compiled


def fault(vocabulary: Vocabulary, text: str) -> ExpressionFault | None:
    """Return why the expression does not compile, or None."""
    compiled = _compile(vocabulary, text)
    return compiled if isinstance(compiled, ExpressionFault) else None


def holds(vocabulary: Vocabulary, text: str, variables: Mapping[str, Any]) -> bool | ExpressionFault:
    """Return whether the expression holds for the variables, or why that cannot be told."""
    compiled = _compile(vocabulary, text)
    if isinstance(compiled, ExpressionFault):
        return compiled
    boxed = _columns_to_box(variables.get("rows", ()))
    if boxed:
        compiled = _compile(vocabulary, _opening(text, tuple(variables["rows"][0]), boxed))
        if isinstance(compiled, ExpressionFault):
            return compiled
        variables = {**variables, "rows": [_boxed(row, boxed) for row in variables["rows"]]}
    try:
        value = compiled.eval(data=variables)
        result = value.plain_value()
    except (RuntimeError, TypeError, ValueError) as error:
        return ExpressionFault(_one_line(error))
    if value.type() == cel.Type.ERROR:
        return ExpressionFault(" ".join(str(result).split())[:400])
    return result if isinstance(result, bool) else ExpressionFault(f"must be true or false, not {type(result).__name__}")


def _one_line(error: Exception) -> str:
    text = str(error).replace("INVALID_ARGUMENT: ERROR: <input>:", "at ").removesuffix(" [INVALID_ARGUMENT]")
    return " ".join(text.split("\n |")[0].split())[:400]


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
            return {"duration": f"{value.total_seconds():.6f}s"}
        case bytes() if b"\0" in value:
            return {"octets": base64.b64encode(value).decode()}
        case str() if "\0" in value:
            return {"text": base64.b64encode(value.encode()).decode()}
        case _:
            return None


def _opening(text: str, columns: tuple[str, ...], boxed: frozenset[str]) -> str:
    """Return the expression with ``rows`` bound to rows out of their boxes; ``text`` compiles on its own, so it cannot break out."""
    cells = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {_cell(name, boxed=name in boxed)}" for name in columns)
    return f"[rows.map(row, {{{cells}}})].exists(rows, ({text}\n))"


def _cell(name: str, *, boxed: bool) -> str:
    box = f"row[{json.dumps(name, ensure_ascii=False)}]"
    if not boxed:
        return f"dyn({box})"
    choices = "".join(f"'{kind}' in {box} ? dyn({opened.format(box=box)}) : " for kind, opened in _OPENED.items())
    return f"({choices}dyn({box}.value))"
