"""Owns what a closed list is made of: members with facts about each, and how they stand in a sentence."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Self


class Listed(StrEnum):
    """A closed list. The annotations of a subclass name the facts that follow the value of each member."""

    _value_: str

    def __new__(cls, value: str, *facts: object) -> Self:
        """Return the member; raises ValueError if a fact is missing."""
        member = str.__new__(cls, value)
        member._value_ = value
        for name, fact in zip(cls.__annotations__, facts, strict=True):
            setattr(member, name, fact)
        return member


def listed(members: Iterable[str], last: str = "or") -> str:
    """Return members as a sentence has them: ``a, b or c``."""
    *most, end = members
    return f"{', '.join(most)} {last} {end}" if most else end
