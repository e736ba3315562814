"""The few constants that the plugin, which imports nothing of the operator, repeats."""

from datetime import UTC, datetime

import click
import pytest

from kubectl_obtask import cluster, logs, tasks
from kubectl_obtask.cli import COMMANDS, build
from kubectl_obtask.logs import Attempt
from kubectl_obtask.tasks import Task
from kubectl_obtask.wording import acting as acting_words
from kubectl_obtask.wording import phases
from kubectl_obtask.wording.preview_wording import CHANGED_NOTHING, NO_ROLLBACK
from obtask import names
from obtask.logs.store import log_name
from obtask.model import contract
from obtask.model.attempt import AttemptId
from obtask.model.contract import Direction, Maintenance, Phase, SubtaskPhase, TaskType, Verb
from obtask.model.reasons import Reason


def test_phases_are_those_of_the_contract() -> None:
    """Every one is known, in the right group, and has a word in both languages."""
    assert set(tasks.PHASES_OF_TASKS) == {phase.value for phase in Phase}
    assert {phase.value for phase in Phase if phase.finished} == tasks.FINISHED
    assert {phase.value for phase in Phase if phase.in_line} == tasks.IN_LINE
    assert {phase.value for phase in Phase if phase.working} == tasks.WORKING
    assert set(phases.PHASES) == {phase.value for phase in Phase} | {phase.value for phase in SubtaskPhase}
    assert set(phases.TYPES) == {kind.value for kind in TaskType}
    assert set(phases.SCOPES) == {scope.value for scope in Maintenance}
    assert set(phases.DIRECTIONS) == {direction.value for direction in Direction}


def test_commands_are_those_of_the_contract() -> None:
    """Each has its words, and is on the command line."""
    assert set(acting_words.VERBS) == {verb.value for verb in Verb} <= set(COMMANDS)
    assert contract.Option.FRESH.value == tasks.FRESH
    assert Reason.AWAITING_APPROVAL.value == "AwaitingApproval"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_says_of_a_command_what_it_says_itself(name: str) -> None:
    """The list of commands is written without importing them."""
    command = build().get_command(click.Context(build()), name)

    assert command is not None
    assert COMMANDS[name].about == command.get_short_help_str(100)


def test_names_are_those_of_the_operator() -> None:
    """Group, annotations, and the name of the ConfigMap of a log."""
    assert (tasks.GROUP, tasks.GROUP_ACTION, tasks.ACTION) == (names.GROUP, names.GROUP_ACTION_ANNOTATION, names.ACTION_ANNOTATION)
    assert (tasks.ACTION_REASON, tasks.ACTION_OPTION) == (names.ACTION_REASON_ANNOTATION, names.ACTION_OPTION_ANNOTATION)
    assert (f"{names.PLURAL}.{names.GROUP}", f"/apis/{names.API_VERSION}") == (tasks.RESOURCE, cluster.API)
    assert logs.KEY == names.LOG_KEY
    task = Task({"metadata": {"uid": "u-1"}})
    attempt = Attempt("resize", "zone2", "Rollback", 3)
    assert logs.config_map_name(task, attempt) == log_name(AttemptId("u-1", "resize", "zone2", Direction.ROLLBACK, 3))
    assert {NO_ROLLBACK, CHANGED_NOTHING} == {"no rollback", "changed nothing"}


def test_moments_are_read_as_they_are_written() -> None:
    """With and without fractions of a second."""
    fields = tasks.Fields({"a": "2026-11-29T21:09:27Z", "b": "2026-11-29T21:09:27.841059Z", "c": "yesterday", "d": 5})

    assert fields.moment("a") == datetime(2026, 11, 29, 21, 9, 27, tzinfo=UTC)
    assert fields.moment("b") == datetime(2026, 11, 29, 21, 9, 27, 841059, tzinfo=UTC)
    assert (fields.moment("c"), fields.moment("d"), fields.moment("e")) == (None, None, None)
