"""Owns the CEL rules of the CRD: what the API server checks beyond types and sizes. The models check the same for everybody else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.alias_generators import to_camel

from obtask.model.actions import CLIENT_ERROR, HttpUntil, ObshellAction, SqlAction, SqlUntil
from obtask.model.connections import AgentRef, ConnectionRef
from obtask.model.constraints import PORTS
from obtask.model.contract import GROUPS, ActionKind
from obtask.model.kubernetes_actions import CREATE_ONLY, INDISCREET, OUTPUTS_OF_SECRET, JobAction, ResourceAction
from obtask.model.limits import FOR_EACH_NAME, SUBTASKS
from obtask.model.spec import PARAMETERS_ALONE, STEPS_OR_TEMPLATE, TaskSpec
from obtask.model.steps import (
    APPROVE_ROLLBACK,
    GROUP_ROLLBACK,
    LONG_NAME,
    OPERATOR_IN_ROLLBACK,
    RESTORE_ALONE,
    RESTORE_FORWARD,
    RESTORE_SECRET,
    ItemSubtask,
    Rollback,
    Step,
    Subtask,
)
from obtask.model.target import TARGET_RULES
from obtask.model.until import DEFAULT_INTERVAL_SECONDS, SHORT_LIMIT


@dataclass(frozen=True, slots=True)
class Rule:
    """One x-kubernetes-validations entry; `field` is the field of `self` that the error names.

    `full_message` is a CEL expression for what `message` cannot know. With `also_new`, `oldSelf` is optional, and absent at creation.
    """

    check: str
    message: str
    field: str | None = None
    reason: str = "FieldValueInvalid"
    full_message: str | None = None
    also_new: bool = False

    def as_schema(self) -> dict[str, Any]:
        """Return the entry as the CRD spells it."""
        entry = {"rule": self.check, "message": self.message, "reason": self.reason}
        more = {
            "fieldPath": self.field and f".{self.field}",
            "messageExpression": self.full_message,
            "optionalOldSelf": self.also_new or None,
        }
        return entry | {key: value for key, value in more.items() if value is not None}


def _forbidden(check: str, message: str, field: str | None = None) -> Rule:
    return Rule(check, message, field, "FieldValueForbidden")


def unique(field: str, message: str) -> Rule:
    """Refuse two items of one name. A list of type `map` would, too, but doubles the size of a large task in managedFields."""
    names = f"self.{field}.map(item, item.name)"
    twice = f"{names}.filter(a, !{names}.exists_one(b, a == b))[0]"
    return Rule(
        # A list of one list gives the names a name. Comparing the items themselves costs the API server half a second at 512 subtasks.
        f"!has(self.{field}) || [{names}].all(names, names.all(name, names.indexOf(name) == names.lastIndexOf(name)))",
        message,
        field,
        full_message=f"""'Duplicate value "' + {twice} + '": {message}'""",
    )


def _exactly_one(fields: list[str]) -> Rule:
    present = ", ".join(f"has(self.{field})" for field in fields)
    return Rule(f"[{present}].filter(present, present).size() == 1", f"exactly one of {', '.join(fields)} is required")


ACTIONS = [kind.value for kind in ActionKind]
UNDO_OPERATOR = "has(self.rollback) && has(self.rollback.obshell) && has(self.rollback.obshell.operator)"
OPERATOR = Rule(f"has(self.obshell) ? !has(self.obshell.operator) : !({UNDO_OPERATOR})", OPERATOR_IN_ROLLBACK)

_NO_RESTORE = "!has(self.rollback) || !has(self.rollback.resource) || !has(self.rollback.resource.restore)"
_SECRET = " || ".join(f"(has(self.resource.{way}) && self.resource.{way}.kind == 'Secret')" for way in ("apply", "patch"))
RESTORE = [
    _forbidden("!has(self.resource) || !has(self.resource.restore)", RESTORE_FORWARD, "resource"),
    _forbidden(f"{_NO_RESTORE} || has(self.resource)", RESTORE_ALONE, "rollback"),
    _forbidden(f"{_NO_RESTORE} || !has(self.resource) || !({_SECRET})", RESTORE_SECRET, "rollback"),
]

_INTERVAL = f"(has(self.intervalSeconds) ? self.intervalSeconds : {DEFAULT_INTERVAL_SECONDS})"  # nothing in a list has a default
GROWING = Rule(f"!has(self.maxIntervalSeconds) || self.maxIntervalSeconds >= {_INTERVAL}", SHORT_LIMIT, "maxIntervalSeconds")

# The operator has written the steps of a template into the task.
# Each field by itself: the API server takes a comparison of optional values for a very dear one.
EXPANDED = "has(oldSelf.templateRef) && !has(oldSelf.steps) && has(self.steps) && " + " && ".join(
    f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    for field in map(to_camel, TaskSpec.model_fields)
    if field != "steps"
)

_CHANGES_SECRET = " || ".join(f"(has(self.{way}) && self.{way}.kind == 'Secret')" for way in ("apply", "patch"))
_PARTS = [kind.value for kind in ActionKind if kind is not ActionKind.APPROVE]
PART = [_exactly_one(_PARTS)]
PORT = Rule(
    f"!has(self.port) || (type(self.port) == int ? self.port >= {PORTS[0]} && self.port <= {PORTS[-1]} : self.port.startsWith('${{{{'))",
    f"must be a number from {PORTS[0]} to {PORTS[-1]}, or one ${{{{ }}}}",
    "port",
)

TARGET = [Rule(rule.cel, rule.message, rule.field, rule.fault.value) for rule in TARGET_RULES]

UNIQUE_STEPS = unique("steps", "step names must be unique")
FEW_SUBTASKS = Rule(
    f"!has(self.steps) || self.steps.map(step, has(step.parallel) ? step.parallel.size() : has(step.forEach) ? 0 : 1).sum() <= {SUBTASKS}",
    f"a task has at most {SUBTASKS} subtasks in all",
    "steps",
)

RULES: Mapping[str, list[Rule]] = {
    TaskSpec.__name__: [
        _forbidden(f"self == oldSelf || ({EXPANDED})", "spec is immutable: create a new OBTask instead"),
        Rule("oldSelf.hasValue() || has(self.steps) != has(self.templateRef)", STEPS_OR_TEMPLATE, "steps", also_new=True),
        _forbidden("!has(self.parameters) || has(self.templateRef)", PARAMETERS_ALONE, "parameters"),
        *TARGET,
        UNIQUE_STEPS,
        FEW_SUBTASKS,
    ],
    Step.__name__: [
        _exactly_one([*ACTIONS, *GROUPS]),
        OPERATOR,
        unique("parallel", "subtask names must be unique in their step"),
        _forbidden("!has(self.rollback) || (!has(self.parallel) && !has(self.forEach))", GROUP_ROLLBACK, "rollback"),
        _forbidden("!has(self.rollback) || !has(self.approve)", APPROVE_ROLLBACK, "rollback"),
        Rule(f"!has(self.forEach) || self.name.size() <= {FOR_EACH_NAME}", LONG_NAME, "name"),
        *RESTORE,
    ],
    JobAction.__name__: [Rule("has(self.image) || has(self.podTemplate)", "image is required unless podTemplate names one")],
    ResourceAction.__name__: [
        _exactly_one(["apply", "patch", "restore"]),
        Rule("!has(self.restore) || self.restore", "restore is true or absent", "restore"),
        Rule("!has(self.createOnly) || !self.createOnly || has(self.apply)", CREATE_ONLY, "createOnly"),
        _forbidden(
            f"!has(self.until) || !has(self.until.message) || !({_CHANGES_SECRET})",
            INDISCREET,
            "until",
        ),
        _forbidden(f"!has(self.outputs) || !({_CHANGES_SECRET})", OUTPUTS_OF_SECRET, "outputs"),
    ],
    SqlAction.__name__: [
        Rule("!has(self.ignoreErrors) || self.ignoreErrors.all(code, code < 2000 || code > 2999)", CLIENT_ERROR, "ignoreErrors"),
    ],
    SqlUntil.__name__: [GROWING],
    HttpUntil.__name__: [GROWING],
    ObshellAction.__name__: [_exactly_one(["path", "operator"])],
    AgentRef.__name__: [PORT],
    ConnectionRef.__name__: [PORT],
    Subtask.__name__: [*PART, OPERATOR, *RESTORE],
    ItemSubtask.__name__: [*PART, OPERATOR, *RESTORE],
    Rollback.__name__: PART,
}
