"""Owns which fields the type of a task and the scope of its lock need, written once: CEL for the API server, a function for the models.

The rules follow from what TaskType and Maintenance say of themselves in the contract. API.md section 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from obtask.model.contract import Maintenance, TaskType
from obtask.model.listed import listed


class FieldFault(Enum):
    """What is wrong where a rule does not hold, in the words of the API server."""

    MISSING = "FieldValueRequired"
    FORBIDDEN = "FieldValueForbidden"
    INVALID = "FieldValueInvalid"


@dataclass(frozen=True, slots=True)
class Is:
    """The field has this value, or, with ``negated``, any other."""

    field: str
    value: str
    negated: bool = False

    @property
    def cel(self) -> str:
        """The same in CEL."""
        return f"self.{self.field} {'!=' if self.negated else '=='} '{self.value}'"

    def holds(self, spec: object) -> bool:
        """Return whether it is so."""
        return (getattr(spec, self.field) == self.value) is not self.negated


@dataclass(frozen=True, slots=True)
class Has:
    """The field is given, or, with ``negated``, it is not."""

    field: str
    negated: bool = False

    @property
    def cel(self) -> str:
        """The same in CEL."""
        return f"{'!' if self.negated else ''}has(self.{self.field})"

    def holds(self, spec: object) -> bool:
        """Return whether it is so."""
        return (getattr(spec, self.field) is None) is self.negated


@dataclass(frozen=True, slots=True)
class TargetRule:
    """One of ``either`` must hold; ``field`` is the one to mend."""

    either: tuple[Is | Has, ...]
    message: str
    field: str
    fault: FieldFault

    @property
    def cel(self) -> str:
        """The rule in CEL."""
        return " || ".join(each.cel for each in self.either)

    def holds(self, spec: object) -> bool:
        """Return whether a spec with the fields of TaskSpec keeps the rule."""
        return any(each.holds(spec) for each in self.either)


def _of_types() -> Iterator[TargetRule]:
    for kind in TaskType:
        other = Is("type", kind, negated=True)
        yield TargetRule((other, Has(kind.target)), f"a {kind} task requires spec.{kind.target}", kind.target, FieldFault.MISSING)
        for field in kind.refused:
            text = f"a {kind} task must not have spec.{field}"
            yield TargetRule((other, Has(field, negated=True)), text, field, FieldFault.FORBIDDEN)


def _of_scopes() -> Iterator[TargetRule]:
    for scope in Maintenance:
        for kind in TaskType:
            if kind not in scope.types:
                text = f"maintenance {scope} is for {listed(scope.types, 'and')} tasks only"
                neither = (Is("type", kind, negated=True), Is("maintenance", scope, negated=True))
                yield TargetRule(neither, text, "maintenance", FieldFault.INVALID)


def _of_fields() -> Iterator[TargetRule]:
    for field in dict.fromkeys(scope.field for scope in Maintenance if scope.field):
        scopes = [scope for scope in Maintenance if scope.field == field]
        for scope in scopes:
            text = f"maintenance {scope} requires spec.{field}"
            yield TargetRule((Is("maintenance", scope, negated=True), Has(field)), text, field, FieldFault.MISSING)
        text = f"spec.{field} is allowed with maintenance {listed(scopes)} only"
        yield TargetRule((*(Is("maintenance", scope) for scope in scopes), Has(field, negated=True)), text, field, FieldFault.FORBIDDEN)


TARGET_RULES = (*_of_types(), *_of_scopes(), *_of_fields())


def target_faults(spec: object) -> list[str]:
    """Return what is wrong with the combination of type, cluster, agent, maintenance and tenant."""
    return [rule.message for rule in TARGET_RULES if not rule.holds(spec)]
