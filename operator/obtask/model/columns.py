"""Owns what kubectl shows of tasks and of templates, and what field selectors can ask for. API.md section 1."""

from dataclasses import dataclass
from typing import Any

from obtask.model.template_contract import TemplateCondition

SELECTABLE_FIELDS = (".status.phase", ".spec.type", ".spec.maintenance", ".spec.cluster", ".spec.agent", ".spec.tenant")


@dataclass(frozen=True, slots=True)
class Column:
    """One column; a wide one is shown with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False

    def as_schema(self) -> dict[str, Any]:
        """Return the column as the CRD spells it."""
        column: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path, "description": self.description}
        return column | {"priority": 1} if self.wide else column


COLUMNS = (
    Column("Type", ".spec.type", "Cluster or Local."),
    Column("Maintenance", ".spec.maintenance", "Which other tasks are excluded."),
    Column("Phase", ".status.phase", "Where the task stands."),
    Column("Progress", ".status.progress", "Steps done / steps."),
    # The first of the two that is there: an older operator has stored the plain name only.
    Column("Step", ".status['stepSummary','currentStep']", "The step that runs, failed or is being undone, and its stage."),
    Column("Blocked-By", ".status.blockedBySummary", "The first task in the way, and how many more."),
    Column("Age", ".metadata.creationTimestamp", "Time since the task was created.", type="date"),
    # The API server prints the first of the two that is there: only Local tasks have an agent, and they are shown by it.
    Column("Target", ".spec['agent','cluster']", "The cluster of a Cluster task, the agent of a Local one.", wide=True),
    Column("Tenant", ".spec.tenant", "The tenant, with maintenance Tenant.", wide=True),
    Column("Reason", ".status.reason", "Why the task is in its phase, in CamelCase.", wide=True),
    Column("Message", ".status.message", "Why the task is in its phase, for people.", wide=True),
    Column("Started", ".status.startedAt", "Time since the first attempt.", type="date", wide=True),
    Column("Finished", ".status.finishedAt", "Time since the task ended.", type="date", wide=True),
)

TEMPLATE_COLUMNS = (
    Column("Title", ".spec.title.en", "What tasks of the template do."),
    Column("Kind", ".spec.maintenance", "Which other tasks are excluded."),
    Column("Parameters", ".status.parameters", "The names of the parameters; those in brackets may be left out."),
    Column("Valid", f'.status.conditions[?(@.type=="{TemplateCondition.VALID}")].status', "Whether tasks can be made of it."),
    Column("Age", ".metadata.creationTimestamp", "Time since the template was created.", type="date"),
    Column("Type", ".spec.type", "Cluster or Local.", wide=True),
    Column("Message", f'.status.conditions[?(@.type=="{TemplateCondition.VALID}")].message', "The first error.", wide=True),
)
