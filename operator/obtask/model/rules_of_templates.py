"""Owns the CEL rules of templates: what the API server checks of them beyond types and sizes. What their steps have is as in a task."""

from collections.abc import Mapping

from obtask.model.contract import Maintenance, TaskType
from obtask.model.limits import PATTERNS_CHARACTERS
from obtask.model.listed import listed
from obtask.model.rules_cel import FEW_SUBTASKS, UNIQUE_STEPS, Rule, unique
from obtask.model.template import CONFIRM_TOGETHER, CONFIRMS, Parameter, TemplateSpec, format_fault
from obtask.model.template_contract import ParameterFormat, ParameterType

_NO_TYPE = "!has(self.format) || self.format != '{form}' || self.type in [{types}]"
_WRONG_SCOPE = "self.type != '{kind}' || self.maintenance != '{scope}'"
_CONFIRMED = f"other.name == each.confirm && other.type == '{ParameterType.STRING}' && !has(other.confirm)"

TEMPLATE_RULES: Mapping[str, list[Rule]] = {
    TemplateSpec.__name__: [
        *(
            Rule(
                _WRONG_SCOPE.format(kind=kind, scope=scope),
                f"maintenance {scope} is for {listed(scope.types, 'and')} tasks only",
                "maintenance",
            )
            for scope in Maintenance
            for kind in TaskType
            if kind not in scope.types
        ),
        UNIQUE_STEPS,
        FEW_SUBTASKS,
        unique("parameters", "parameter names must be unique"),
        Rule(
            "!has(self.parameters) || self.parameters.map(each, has(each.pattern) ? each.pattern.size() : 0).sum() "
            f"<= {PATTERNS_CHARACTERS}",
            f"the patterns of all parameters have at most {PATTERNS_CHARACTERS} characters together",
            "parameters",
        ),
        Rule(
            f"!has(self.parameters) || self.parameters.all(each, !has(each.confirm) || self.parameters.exists(other, {_CONFIRMED}))",
            CONFIRMS,
            "parameters",
        ),
    ],
    Parameter.__name__: [
        *(
            Rule(_NO_TYPE.format(form=form, types=", ".join(f"'{kind}'" for kind in form.types)), format_fault(form), "format")
            for form in ParameterFormat
        ),
        Rule(f"has(self.confirm) == (has(self.format) && self.format == '{ParameterFormat.CONFIRM}')", CONFIRM_TOGETHER, "confirm"),
        Rule("!has(self.pattern) || ''.matches(self.pattern) in [true, false]", "must be a regular expression of RE2", "pattern"),
    ],
}
