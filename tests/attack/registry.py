"""Owns the list of all attacks, in the order of the review."""

from tests.attack import admission, foreign, load, passwords, ports, rights, targets, trust
from tests.attack.verdict import Attack

FAMILIES = (foreign, load, passwords, targets, admission, rights, trust, ports)


def attacks() -> list[Attack]:
    """Return every attack, ordered by its number."""
    found = [attack for family in FAMILIES for attack in family.ATTACKS]
    return sorted(found, key=_order)


def _order(attack: Attack) -> tuple[int, int]:
    digits = attack.number.lstrip("ST")
    return (0, int(digits)) if digits.isdecimal() else (1, 0)
