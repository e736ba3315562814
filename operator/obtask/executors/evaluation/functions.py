"""Owns the functions that the library lacks: Kubernetes' own (lists, sets, quantities), and values for SQL.

Only the evaluation process may import this.

Each takes time in proportion to what it is given. ValueError: another value would do; TypeError: no value of this kind would.
https://kubernetes.io/docs/reference/using-api/cel/ says what the first mean, API.md section 2.2 the second.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

from cel_expr_python import cel
from pydantic import TypeAdapter, ValidationError

from obtask.model.constraints import Host
from obtask.rules.sql_values import identifier_fault

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
LONGEST_QUANTITY = 64
# The one key of a map that stands for a quantity, or for an identifier: the library has no way to make a type of one's own.
QUANTITY = "quantity"
IDENTIFIER = "identifier"  # its value is octets, which no answer and no parameter can bring here: JSON has none
PORTS = range(1, 65536)

_T = cel.Type
_LIST = _T.List(_T.DYN)
_AMOUNT = _T.Map(_T.STRING, _T.DYN)
_FORM = re.compile(r"(?P<number>[+-]?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++))(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?")
_HOST = TypeAdapter[str](Host)
_BINARY = {f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL = {letter: Fraction(10) ** (3 * power) for power, letter in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)}
_FACTORS = _BINARY | _DECIMAL


def _kind(value: Any) -> str:
    """Return what a value can be compared with: values of its own kind."""
    match value:
        case None:
            raise ValueError("a value is null")
        case bool():
            return "booleans"
        case int() | float():
            return "numbers"
        case str():
            return "texts"
        case bytes() | bytearray():
            return "octets"
        case datetime():
            return "times"
        case timedelta():
            return "durations"
        case _:
            raise TypeError("lists, maps and types have no order")


def _ordered(values: Sequence[Any]) -> Sequence[Any]:
    if len({_kind(value) for value in values}) > 1:
        raise TypeError("values of several kinds have no order")
    return values


def _least(values: Sequence[Any]) -> Any:
    return min(_to_return(values))


def _greatest(values: Sequence[Any]) -> Any:
    return max(_to_return(values))


def _to_return(values: Sequence[Any]) -> Sequence[Any]:
    if not values:
        raise ValueError("the list is empty")
    if _kind(_ordered(values)[0]) in {"times", "durations"}:
        raise TypeError("min and max of times and durations are not there")  # the library takes none from a function without a type
    return values


def _is_sorted(values: Sequence[Any]) -> bool:
    return all(before <= after for before, after in pairwise(_ordered(values)))


def _sorted(values: Sequence[Any]) -> Sequence[Any]:
    if values and _kind(_ordered(values)[0]) in {"times", "durations"}:
        raise TypeError("sort of times and durations is not there")  # as in _to_return
    return sorted(_ordered(values))


def _sum(values: Sequence[Any]) -> Any:
    if not {_kind(value) for value in values} <= {"numbers"}:
        raise TypeError("only numbers have a sum")
    return _fitting(sum(values))


def _fitting(value: Any) -> Any:
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        raise ValueError("integer overflow")
    return value


def _identity(value: Any) -> Any:
    """Return what is equal for values that are equal in CEL, and can be hashed."""
    match value:
        case bool():
            return "boolean", value
        case bytearray() | bytes():
            return "octets", bytes(value)
        case list():
            return "list", tuple(map(_identity, value))
        case dict():
            return "map", frozenset((_identity(key), _identity(item)) for key, item in value.items())
        case cel.Type():
            return "type", value.name()
        case _:
            return value


def _index_of(values: Sequence[Any], wanted: Any) -> int:
    sought = _identity(wanted)
    return next((at for at, value in enumerate(values) if _identity(value) == sought), -1)


def _last_index_of(values: Sequence[Any], wanted: Any) -> int:
    found = _index_of(values[::-1], wanted)
    return -1 if found < 0 else len(values) - 1 - found


def _as_set(values: Sequence[Any]) -> frozenset[Any]:
    return frozenset(map(_identity, values))


def _read(text: str) -> Fraction | None:
    form = _FORM.fullmatch(text) if len(text) <= LONGEST_QUANTITY else None
    if form is None:
        return None
    suffix = form["suffix"] or ""
    factor = _FACTORS.get(suffix)
    return Fraction(form["number"]) * (factor if factor is not None else Fraction(10) ** int(suffix[1:]))


def _quantity(text: str) -> dict[str, str]:
    amount = _read(text)
    if amount is None:
        raise ValueError("a text is no quantity, such as 500m, 1.5 or 8Gi")
    return _amount(amount)


def _amount(value: Fraction) -> dict[str, str]:
    return {QUANTITY: str(value)}


def _value(quantity: Any) -> Fraction:
    if isinstance(quantity, int):
        return Fraction(quantity)
    if list(quantity) != [QUANTITY] or not isinstance(quantity[QUANTITY], str):
        raise TypeError("a map is no quantity")
    return Fraction(quantity[QUANTITY])


def _as_integer(quantity: Any) -> int:
    value = _value(quantity)
    if value.denominator != 1:
        raise ValueError("the quantity is no integer")
    return int(_fitting(value.numerator))


def _is_integer(quantity: Any) -> bool:
    value = _value(quantity)
    return value.denominator == 1 and INT64_MIN <= value.numerator <= INT64_MAX


def _compared(one: Any, other: Any) -> int:
    return (_value(one) > _value(other)) - (_value(one) < _value(other))


def _ident(name: str) -> dict[str, bytes]:
    fault = identifier_fault(name)
    if fault is not None:
        raise ValueError(f"the text {fault}")
    return {IDENTIFIER: name.encode()}


def _server(host: str, port: int) -> str:
    if port not in PORTS:
        raise ValueError("the port of a server is 1 to 65535")
    try:
        _HOST.validate_python(host)
    except ValidationError:
        raise ValueError("the address of a server is an IP address or a host name") from None
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _declared(name: str, gives: cel.Type, takes: Sequence[cel.Type], work: Callable[..., Any], *, member: bool = True) -> cel.FunctionDecl:
    return cel.FunctionDecl(name, [_overload(name, gives, takes, work, member=member)])


def _overload(name: str, gives: cel.Type, takes: Sequence[cel.Type], work: Callable[..., Any], *, member: bool = True) -> cel.Overload:
    known = f"obtask_{name}_{'_'.join(kind.name() for kind in takes)}"
    return cel.Overload(known, return_type=gives, parameters=list(takes), is_member=member, impl=work)


def extension() -> cel.CelExtension:
    """Return the functions as an extension of the library."""
    return cel.CelExtension(
        # A name that the library knows ("lists", "sets") would be taken for its own, and this one be left out without a word.
        "obtask",
        [
            _declared("isSorted", _T.BOOL, [_LIST], _is_sorted),
            _declared("sort", _LIST, [_LIST], _sorted),
            _declared("sum", _T.DYN, [_LIST], _sum),
            _declared("min", _T.DYN, [_LIST], _least),
            _declared("max", _T.DYN, [_LIST], _greatest),
            _declared("indexOf", _T.INT, [_LIST, _T.DYN], _index_of),
            _declared("lastIndexOf", _T.INT, [_LIST, _T.DYN], _last_index_of),
            _declared("sets.contains", _T.BOOL, [_LIST, _LIST], lambda all_, some: _as_set(all_) >= _as_set(some), member=False),
            _declared("sets.equivalent", _T.BOOL, [_LIST, _LIST], lambda one, other: _as_set(one) == _as_set(other), member=False),
            _declared("sets.intersects", _T.BOOL, [_LIST, _LIST], lambda one, other: bool(_as_set(one) & _as_set(other)), member=False),
            _declared("quantity", _AMOUNT, [_T.STRING], _quantity, member=False),
            _declared("isQuantity", _T.BOOL, [_T.STRING], lambda text: _read(text) is not None, member=False),
            _declared("isInteger", _T.BOOL, [_AMOUNT], _is_integer),
            _declared("asInteger", _T.INT, [_AMOUNT], _as_integer),
            _declared("asApproximateFloat", _T.DOUBLE, [_AMOUNT], lambda quantity: float(_value(quantity))),
            _declared("sign", _T.INT, [_AMOUNT], lambda quantity: _compared(quantity, 0)),
            _declared("compareTo", _T.INT, [_AMOUNT, _AMOUNT], _compared),
            _declared("isGreaterThan", _T.BOOL, [_AMOUNT, _AMOUNT], lambda one, other: _compared(one, other) > 0),
            _declared("isLessThan", _T.BOOL, [_AMOUNT, _AMOUNT], lambda one, other: _compared(one, other) < 0),
            _declared("ident", _T.Map(_T.STRING, _T.BYTES), [_T.STRING], _ident, member=False),
            _declared("server", _T.STRING, [_T.STRING, _T.INT], _server, member=False),
            *(
                cel.FunctionDecl(name, [_overload(name, _AMOUNT, [_AMOUNT, other], work) for other in (_AMOUNT, _T.INT)])
                for name, work in (
                    ("add", lambda one, other: _amount(_value(one) + _value(other))),
                    ("sub", lambda one, other: _amount(_value(one) - _value(other))),
                )
            ),
        ],
    )
