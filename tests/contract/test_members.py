"""Every member of a closed list is decided about in every place that depends on it."""

import re
from pathlib import Path

import pytest
from tests.contract.lists import PRODUCT, ROOT, faults

from generate import labels, metrics
from generate.values import read_values
from obtask import names
from obtask.model.contract import ActionKind, Audience, ConditionType, Forbidden, Maintenance, Phase, Stage, TaskType, Verb
from obtask.model.reasons import EventReason, FailureReason, Reason
from obtask.model.spec import TaskSpec
from obtask.model.steps import OnlySubtask

CHART = ROOT / "charts/obtask-operator"
MODULES = sorted(path.relative_to(PRODUCT) for path in PRODUCT.rglob("*.py"))
SOURCES = "".join((PRODUCT / path).read_text() for path in MODULES)
FOR_EDIT, FOR_ADMIN = ({verb for verb in Verb if verb.audience is audience} for audience in (Audience.EDIT, Audience.ADMIN))
# Where documents list commands: the page, the words that the list is between, and the commands that belong there.
LISTED = [
    ("README.md", "| annotate with |", "`status.allowedActions`", set(Verb)),
    ("docs/concepts/commands.md", "| annotate with |", "`status.allowedActions`", set(Verb)),
    ("docs/concepts/commands.md", "`edit` may give", ";", FOR_EDIT),
    ("docs/concepts/commands.md", "`edit` may give", "need `admin`", set(Verb)),
    ("docs/guides/install.md", "| `edit` |", "|\n", FOR_EDIT),
    ("docs/guides/install.md", "| `admin` |", "|\n", FOR_ADMIN),
    ("docs/security.md", "| `edit` |", "| everything", FOR_EDIT),
    ("docs/security.md", "| `admin` |", "|", FOR_ADMIN),
    ("SECURITY.md", "whatever the operator can reach", "It does **not**", FOR_EDIT),
    ("SECURITY.md", "It does **not**", "(these need `admin`)", FOR_ADMIN),
    ("docs/guides/gitops.md", "and offers", "greyed out", set(Verb)),
    ("docs/guides/kubectl-plugin.md", "## Act", "work the same way", set(Verb)),
]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_choice_of_members_is_written_by_hand(module: Path) -> None:
    """A set, a table or a match that does not name every member would not notice a new one."""
    assert list(faults((PRODUCT / module).read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "SILENT = frozenset({Phase.PENDING, Phase.WAITING})",
        "if phase in (Phase.PENDING, Phase.WAITING): pass",
        "TABLE = {Verb.RETRY: 1, Verb.SKIP: 2}",
        "match phase:\n  case Phase.FAILED: pass\n  case _: pass",
        "match action:\n  case SqlAction(): pass\n  case _: pass",
    ],
)
def test_a_choice_that_is_written_by_hand_is_found(source: str) -> None:
    """The test above can fail."""
    assert list(faults(source))


def test_a_kind_of_action_is_a_field_of_a_step() -> None:
    """Of the same name, with a model that says so."""
    models = {kind: next(iter(arg for arg in field_types(kind) if arg is not type(None)), None) for kind in ActionKind}

    assert set(OnlySubtask.model_fields) - {"name", "rollback"} == set(ActionKind)
    assert {kind: getattr(model, "action_kind", None) for kind, model in models.items()} == {kind: kind for kind in ActionKind}


def field_types(kind: str) -> tuple[object, ...]:
    """Return what the field of a step for this kind of action may hold."""
    annotation = OnlySubtask.model_fields[kind].annotation if kind in OnlySubtask.model_fields else None
    return tuple(getattr(annotation, "__args__", ()))


def test_every_verb_but_approve_can_be_forbidden() -> None:
    """Each by a word of its own, which is the verb in the spelling of the spec. Who wants no approval has no approve step."""
    forbidden = {verb: verb.forbidden for verb in Verb if verb.forbidden is not None}

    assert list(forbidden.values()) == list(Forbidden)
    assert [word.value for word in forbidden.values()] == ["".join(part.capitalize() for part in verb.split("-")) for verb in forbidden]
    assert set(Verb) - set(forbidden) == {Verb.APPROVE}


def test_phases_and_conditions_agree() -> None:
    """Whoever judges by Ready, Reconciling and Stalled is told the same as whoever reads the phase."""
    for phase in Phase:
        assert (phase.condition is ConditionType.RECONCILING) is (phase.stage in {Stage.IN_LINE, Stage.WORKING})
        assert phase.stage is not Stage.STOPPED or phase.condition is ConditionType.STALLED


def test_what_a_scope_or_a_type_needs_is_a_field_of_the_spec() -> None:
    """And it may be absent, since the others do without."""
    fields = [scope.field for scope in Maintenance if scope.field]
    fields += [field for kind in TaskType for field in (kind.target, *kind.refused)]

    assert [field for field in fields if field not in TaskSpec.model_fields or TaskSpec.model_fields[field].is_required()] == []


@pytest.mark.parametrize("reason", [*Reason, *FailureReason, *EventReason], ids=lambda reason: f"{type(reason).__name__}-{reason}")
def test_every_reason_is_given_somewhere(reason: Reason | FailureReason | EventReason) -> None:
    """The reference tells of no reason that never occurs; Accepted is one that the API has and this operator does not need."""
    given = f"{type(reason).__name__}.{reason.name}" in SOURCES

    assert given or reason is Reason.ACCEPTED


def test_every_label_of_a_series_is_explained() -> None:
    """The reference says which values each can have."""
    assert metrics.label_names() == set(metrics.LABELS)


def test_every_label_and_annotation_is_described() -> None:
    """The reference tells of all that the operator writes or reads, and of nothing else."""
    assert labels.undescribed() == set()


def test_the_chart_uses_the_names_of_the_operator() -> None:
    """Labels and annotations in templates are those of names.py."""
    known = {name for value in vars(names).values() for name in ([value] if isinstance(value, str) else []) if name.startswith(names.GROUP)}
    text = "".join(path.read_text() for path in (CHART / "templates").rglob("*.*") if path.is_file())
    found = set(re.findall(rf"{re.escape(names.GROUP)}/[a-z][a-z-]+(?![a-z0-9-])", text))

    assert found - {names.API_VERSION} <= known


def test_every_value_of_the_chart_is_described() -> None:
    """A comment in values.yaml is what the reference and the chart's README show."""
    group = "metrics.dashboard.labels"
    found = read_values((CHART / "values.yaml").read_text())

    assert [value.path for value in found if not value.about and not value.path.startswith(f"{group}.")] == []


@pytest.mark.parametrize(("page", "before", "after", "verbs"), LISTED)
def test_a_list_of_commands_is_complete(page: str, before: str, after: str, verbs: set[Verb]) -> None:
    """And has no command that a role does not have."""
    text = (ROOT / page).read_text()

    assert text.count(before) >= 1
    listed = text.partition(before)[2].partition(after)[0]
    assert {verb for verb in Verb if re.search(rf"(`|action=|obtask ){verb}(`| tune)", listed)} == verbs


@pytest.mark.parametrize("page", ["docs/guides/install.md", "docs/guides/templates.md", "SECURITY.md", "docs/security.md"])
def test_who_may_use_a_template_is_told_with_the_commands(page: str) -> None:
    """The verb `use` is a right like those to commands."""
    assert "`use`" in (ROOT / page).read_text()


@pytest.mark.parametrize(
    ("page", "words"),
    [("concepts/commands.md", tuple(Verb)), ("concepts/task.md", tuple(Phase)), ("concepts/locks.md", tuple(Maintenance))],
    ids=["verbs", "phases", "scopes"],
)
def test_the_concepts_tell_of_every_member(page: str, words: tuple[str, ...]) -> None:
    """In English and in Chinese."""
    for name in (page, page.replace(".md", ".zh.md")):
        text = (ROOT / "docs" / name).read_text()
        assert [word for word in words if not re.search(rf"\b{word}\b(?!-)", text)] == []
