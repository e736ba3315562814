"""What a form means: the task that it describes, and every fault at its field."""

from datetime import UTC, datetime
from typing import Any

from obtask.model.contract import Maintenance, OnConflict, Phase, TaskType
from obtask.model.template import TemplateSpec
from obtask.model.template_contract import TemplateKind
from obtask.rules.exclusion import Contender, DomainView
from obtask.rules.lock_keys import Domain, LockKey
from obtask.web.drafts import field_of, form_draft, placed, suggested_name
from obtask.web.outlook import outlook
from obtask.web.views.lines import Lines

NOW = datetime(2026, 11, 29, tzinfo=UTC)
PARAMETERS: list[dict[str, Any]] = [
    {"name": "memory", "type": "string", "format": "quantity", "required": True},
    {"name": "zones", "type": "list"},
    {"name": "values", "type": "map"},
    {"name": "tenant", "type": "string"},
    {"name": "again", "type": "string", "format": "confirm", "confirm": "tenant"},
]
TEMPLATE = TemplateSpec.model_validate(
    {
        "title": {"en": "Resize"},
        "type": "Cluster",
        "maintenance": "Tenant",
        "parameters": PARAMETERS,
        "steps": [{"name": "a", "wait": {"seconds": 0}}],
    }
)
GIVEN = {
    "name": "resize",
    "ns": "prod",
    "cluster": "obdemo",
    "tenant": "orders",
    "p.memory": "8G",
    "p.zones": "z1, z2\r\nz3",
    "p.values": "a=1\nb = 2",
    "p.tenant": "orders",
    "p.again": "orders",
}


def test_a_form_becomes_a_task_of_its_template() -> None:
    """Each parameter has the type that the template says; what is empty is left out."""
    draft = form_draft(TEMPLATE, TemplateKind.CLUSTER, "resize-tenant", {**GIVEN, "displayName": " "})

    assert draft.faults == ()
    assert draft.body["metadata"] == {"name": "resize", "namespace": "prod"}
    assert draft.body["spec"] == {
        "type": "Cluster",
        "maintenance": "Tenant",
        "cluster": "obdemo",
        "tenant": "orders",
        "templateRef": {"name": "resize-tenant"},
        "parameters": {"memory": "8G", "zones": ["z1", "z2", "z3"], "values": {"a": "1", "b": "2"}, "tenant": "orders", "again": "orders"},
    }


def test_all_faults_of_a_form_are_found_at_once() -> None:
    """What is missing, what does not fit, and what was typed differently the second time."""
    given = {**GIVEN, "cluster": "", "p.memory": "much", "p.again": "odrers"}

    faults = form_draft(TEMPLATE, TemplateKind.CLUSTER, "resize-tenant", given).faults

    assert [fault.field for fault in faults] == ["cluster", "p.memory", "p.again"]


def test_a_cause_of_the_api_server_is_put_at_its_field_or_its_line() -> None:
    """A form has fields, YAML has lines; what belongs to neither is said above."""
    causes = [("spec.parameters.zones[0]", "no"), ("metadata.name", "taken"), ("", "whatever")]

    assert [fault.field for fault in placed(causes, None)] == ["p.zones", "name", ""]
    assert [fault.line for fault in placed(causes, {"spec.parameters.zones[0]": 7, "metadata.name": 3}.get)] == [None, 3, 7]
    assert field_of("spec.connection.secretName") == "connection"


def test_a_suggested_name_is_a_dns_label() -> None:
    """Whatever the template is called."""
    assert suggested_name("Résize_Tenant", "1129") == "r-size-tenant-1129"
    assert suggested_name("…", "1129") == "task-1129"


def test_the_outlook_of_a_new_task_is_what_the_operator_would_do() -> None:
    """Free: it starts. Held, with one in line: it is the second in line, or it is rejected, as it wishes."""
    lock = LockKey(Domain("prod", TaskType.CLUSTER, "obdemo"), Maintenance.GLOBAL)
    holder = Contender("holder", "1", lock, Phase.RUNNING, NOW)
    waiter = Contender("waiter", "2", lock, Phase.WAITING, NOW)
    lines = Lines({lock.domain: DomainView({lock: {"1": holder}}, {lock: [waiter]})}, {}, {})

    assert outlook(Lines({}, {}, {}), "new", lock, OnConflict.QUEUE, NOW).starts
    waits = outlook(lines, "new", lock, OnConflict.QUEUE, datetime(2026, 11, 30, tzinfo=UTC))
    assert (waits.starts, waits.place, waits.ahead, waits.is_rejected) == (False, 2, (holder, waiter), False)
    assert outlook(lines, "new", lock, OnConflict.REJECT, NOW).is_rejected
