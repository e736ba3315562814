"""Owns the forms that the value of a parameter may have, and how large it is. Pure, and linear in what is given."""

import re
from datetime import datetime
from fractions import Fraction
from ipaddress import AddressValueError, IPv6Address
from math import isfinite
from typing import Any, Final, assert_never

from obtask.model.template import Parameter
from obtask.model.template_contract import ParameterFormat, ParameterType

LONGEST: Final = 253
PORTS: Final = range(1, 65536)
_INT64: Final = range(-(2**63), 2**63)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,127}", re.ASCII)
_OBJECT_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", re.ASCII)
_ZONE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_SEPARATOR = re.compile("[,;]")
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", re.ASCII)
# Units in bytes also as OceanBase writes them (8GB); m is a thousandth, as in Kubernetes.
_QUANTITY = re.compile(r"(?P<number>[0-9]{1,20}(?:\.[0-9]{1,9})?)(?P<unit>m|[kKMGTPE](?:i|B|iB)?)?", re.ASCII)
_SPAN = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(us|ms|s|m|h|d)", re.ASCII)
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?", re.ASCII)
_SECONDS: Final = {"us": Fraction(1, 10**6), "ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)} | {
    "d": Fraction(86400)
}
# OceanBase takes G for 2^30, and so does whoever gives a limit in G.
_FACTORS: Final = {letter: Fraction(1024) ** power for power, letter in enumerate("KMGTPE", 1)} | {"k": Fraction(1024)}
_GIGA: Final = _FACTORS["G"]


def is_int64(value: int) -> bool:
    """Return whether a whole number is one that CEL and SQL have."""
    return value in _INT64


def is_finite(value: float) -> bool:
    """Return whether a number is one that JSON has."""
    return is_int64(value) if isinstance(value, int) else isfinite(value)


def is_identifier(text: str) -> bool:
    """Return whether a text is a name of the database that may be written without quotes."""
    return _IDENTIFIER.fullmatch(text) is not None


def is_object_name(text: str) -> bool:
    """Return whether a text can be the name of a Secret."""
    return len(text) <= LONGEST and _OBJECT_NAME.fullmatch(text) is not None


def is_server(text: str) -> bool:
    """Return whether a text is a host and a port; an IPv6 address is in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or len(host) > LONGEST or len(port) > 5 or not (port.isascii() and port.isdigit()) or int(port) not in PORTS:  # noqa: PLR2004
        return False
    if host.startswith("[") and host.endswith("]"):
        try:
            return "%" not in host and bool(IPv6Address(host[1:-1]))
        except AddressValueError:
            return False
    return _HOST.fullmatch(host) is not None


def are_zones(value: str | list[str]) -> bool:
    """Return whether these are names of zones, none of them twice; a text has at least one."""
    zones = [zone.strip() for zone in _SEPARATOR.split(value)] if isinstance(value, str) else value
    return len(set(zones)) == len(zones) and all(_ZONE.fullmatch(zone) for zone in zones)


def is_time(text: str) -> bool:
    """Return whether a text is a date and a time of the calendar, with or without a time zone."""
    matched = _TIME.fullmatch(text)
    if matched is None:
        return False
    try:
        datetime.fromisoformat(f"{matched[1]}T{matched[2]}{matched[3] or ''}")
    except ValueError:
        return False
    return True


def quantity(text: str) -> Fraction | None:
    """Return the amount that a text gives, in bytes where its unit is one of bytes; None if it gives none."""
    matched = _QUANTITY.fullmatch(text)
    if matched is None:
        return None
    unit = matched["unit"] or ""
    return Fraction(matched["number"]) * (Fraction(1, 1000) if unit == "m" else _FACTORS.get(unit[:1], Fraction(1)))


def seconds(text: str) -> Fraction | None:
    """Return the time span that a text gives, in seconds; None if it gives none."""
    found = _SPAN.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        return None
    return sum((Fraction(number) * _SECONDS[unit] for number, unit in found), Fraction())


def texts(value: Any) -> list[str]:
    """Return the texts that a pattern is about: the value, the entries of a list, the values of a map."""
    found = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return [each if isinstance(each, str) else str(each) for each in found]


def size(parameter: Parameter, value: Any) -> Fraction:
    """Return how large a value is that has the parameter's type and form, as its minimum and maximum count."""
    if isinstance(value, int | float):
        return Fraction(value)
    if parameter.format is ParameterFormat.QUANTITY:
        return quantity(value) or Fraction()
    if parameter.format is ParameterFormat.DURATION:
        return seconds(value) or Fraction()
    return Fraction(len(value))


def is_bound(parameter: Parameter, limit: float | str) -> bool:
    """Return whether a value can be the minimum or maximum of the parameter."""
    if parameter.type is ParameterType.BOOLEAN:
        return False
    if not isinstance(limit, str):
        return is_finite(limit)
    amount = parameter.format is ParameterFormat.QUANTITY and quantity(limit) is not None
    return amount or (parameter.format is ParameterFormat.DURATION and seconds(limit) is not None)


def bound_itself(parameter: Parameter, limit: float | str) -> Fraction:
    """Return how large a minimum or maximum is, among those of the parameter."""
    return (
        Fraction(limit) * _GIGA if not isinstance(limit, str) and parameter.format is ParameterFormat.QUANTITY else size(parameter, limit)
    )


def bound(parameter: Parameter, value: Any, limit: float | str | None) -> Fraction | None:
    """Return how large a minimum or maximum is for this value: a bare number counts G for a quantity with a unit of bytes."""
    if limit is None or not is_bound(parameter, limit):
        return None
    if isinstance(limit, str) or parameter.format is not ParameterFormat.QUANTITY:
        return size(parameter, limit)
    return Fraction(limit) * (_GIGA if value[-1:] not in {*"0123456789m"} else 1)


def unit(parameter: Parameter) -> str:
    """Return what a minimum or maximum counts, with a space before it."""
    match parameter.type:
        case ParameterType.LIST | ParameterType.MAP:
            return " entries"
        case ParameterType.STRING | ParameterType.SECRET:
            return "" if parameter.format is not None and parameter.format.measured else " characters"
        case ParameterType.INTEGER | ParameterType.NUMBER | ParameterType.BOOLEAN:
            return ""
        case never:
            assert_never(never)
