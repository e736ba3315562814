"""Owns the words of closed lists, as the contract fixes them (API.md, section 9); `_` of a page translates them."""

from collections.abc import Mapping
from typing import Final

from obtask.model.contract import Maintenance, Phase, TaskType
from obtask.web.views.query import Status


def N_(text: str) -> str:  # noqa: N802 - gettext's name for marking a text that is translated later
    """Return the text; the mark has it collected for translation."""
    return text


PHASES: Final[Mapping[Phase, str]] = {
    Phase.PENDING: N_("Pending"),
    Phase.WAITING: N_("Waiting"),
    Phase.RUNNING: N_("Running"),
    Phase.FAILED: N_("Failed"),
    Phase.ROLLING_BACK: N_("RollingBack"),
    Phase.SUCCEEDED: N_("Succeeded"),
    Phase.ROLLED_BACK: N_("RolledBack"),
    Phase.SKIPPED: N_("Skipped"),
    Phase.CANCELLED: N_("Cancelled"),
    Phase.REJECTED: N_("Rejected"),
}

TYPES: Final[Mapping[TaskType, str]] = {TaskType.CLUSTER: N_("Cluster task"), TaskType.LOCAL: N_("Local task")}

SCOPES: Final[Mapping[Maintenance, str]] = {
    Maintenance.NONE: N_("No maintenance"),
    Maintenance.GLOBAL: N_("Global maintenance"),
    Maintenance.TENANT: N_("Tenant maintenance"),
    Maintenance.OBPROXY: N_("OBProxy maintenance"),
}

# The same in a table whose headings say the rest. In the middle of a sentence, so to speak: "Tenant" is somebody else.
SHORT_TYPES: Final[Mapping[TaskType, str]] = {TaskType.CLUSTER: N_("cluster"), TaskType.LOCAL: N_("local")}

SHORT_SCOPES: Final[Mapping[Maintenance, str]] = {
    Maintenance.NONE: N_("none"),
    Maintenance.GLOBAL: N_("global"),
    Maintenance.TENANT: N_("tenant"),
    Maintenance.OBPROXY: N_("OBProxy"),
}

STATUSES: Final[Mapping[Status, str]] = {
    Status.ALL: N_("All"),
    Status.WAITING: N_("Waiting"),
    Status.RUNNING: N_("Running"),
    Status.FAILED: N_("Failed"),
    Status.FINISHED: N_("Finished"),
}
