"""Specs that cannot be carried out: expressions that do not compile, and specs that this version cannot read."""

from typing import Any

import pytest
from tests.support.builders import a_blocker, a_task
from tests.support.world import World

from obtask.model.contract import ActionResult, Phase, SubtaskPhase, Verb
from obtask.model.reasons import FailureReason, Reason
from obtask.model.task import InvalidSpec
from obtask.rules.decision import Check

SELECT: dict[str, Any] = {"statements": ["select 1"]}
UNTIL: dict[str, Any] = {"query": "select 1", "expect": "rows.size("}


@pytest.mark.parametrize(
    ("step", "field"),
    [
        pytest.param({"name": "s", "sql": SELECT | {"expect": "rows[0].n =="}}, "spec.steps[0].sql.expect", id="expect"),
        pytest.param({"name": "s", "sql": SELECT | {"unless": UNTIL}}, "spec.steps[0].sql.unless.expect", id="unless"),
        pytest.param({"name": "s", "sql": SELECT | {"until": UNTIL}}, "spec.steps[0].sql.until.expect", id="until"),
        pytest.param(
            {"name": "s", "wait": {"seconds": 0}, "rollback": {"sql": SELECT | {"expect": "nobody"}}},
            "spec.steps[0].rollback.sql.expect",
            id="rollback",
        ),
        pytest.param(
            {"name": "s", "parallel": [{"name": "a", "wait": {"seconds": 0}}, {"name": "b", "sql": SELECT | {"expect": "1 + 1"}}]},
            "spec.steps[0].parallel[1].sql.expect",
            id="parallel",
        ),
        pytest.param(
            {"name": "s", "parallel": [{"name": "a", "wait": {"seconds": 0}, "rollback": {"sql": SELECT | {"expect": "x"}}}]},
            "spec.steps[0].parallel[0].rollback.sql.expect",
            id="parallel-rollback",
        ),
    ],
)
def test_expression_that_does_not_compile_rejects_the_task(step: dict[str, Any], field: str) -> None:
    """The task ends as Rejected, reason InvalidSpec, naming the field, before it takes a lock or starts anything."""
    world = World(a_task().with_spec())
    world.api.body["spec"]["steps"] = [step]
    world.api.annotate()

    world.run()

    status = world.status
    assert (status.phase, status.reason, status.finished_at) == (Phase.REJECTED, Reason.INVALID_SPEC, world.now)
    assert (status.message or "").startswith(f"{field}: expression ")
    assert (status.lock, world.lease.token, world.executors.started) == (None, 0, [])
    assert world.task.metadata.finalizers == ()


def test_fault_is_found_before_the_task_would_wait() -> None:
    """A broken task does not wait in line to be told."""
    world = World(a_task().step("s", sql=SELECT | {"expect": "rows["}))
    world.in_the_way = (a_blocker("freeze"),)

    world.run()

    assert world.phase is Phase.REJECTED


def test_second_step_is_checked_before_the_first_runs() -> None:
    """All steps are checked beforehand."""
    world = World(a_task().step("fine").step("broken", sql=SELECT | {"expect": "rows["}))

    world.run()

    assert (world.phase, world.executors.started) == (Phase.REJECTED, [])
    assert (world.status.message or "").startswith("spec.steps[1].sql.expect: expression 'rows[' does not compile: ")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ({"statements": ["select 1", "select 'a %(n)s'"]}, "sql.statements[1]: %(n)s stands inside quotes, where a value cannot be bound"),
        ({"statements": ["set names gbk"]}, "sql.statements[0]: args are bound in the character set utf8mb4"),
        (
            {"statements": ["select 1"], "unless": {"query": "select 1 # %(n)s", "expect": "true"}},
            "sql.unless.query: %(n)s stands inside a",
        ),
        (
            {"statements": ["select 1"], "until": {"query": "select `%(n)s`", "expect": "true"}},
            "sql.until.query: %(n)s stands inside a quoted",
        ),
    ],
)
@pytest.mark.parametrize("place", ["", "rollback."])
def test_sql_texts_are_checked_beforehand(place: str, sql: dict[str, Any], message: str) -> None:
    """A value that would be pasted is refused before the task takes a lock, and the message names the field and what to write."""
    sql = sql | {"args": {"n": "; drop table victim; -- "}}
    step: dict[str, Any] = {"wait": {"seconds": 0}, "rollback": {"sql": sql}} if place else {"sql": sql}
    world = World(a_task().step("s", **step))

    world.run()

    assert (world.phase, world.status.reason) == (Phase.REJECTED, Reason.INVALID_SPEC)
    assert (world.status.message or "").startswith(f"spec.steps[0].{place}{message}")
    assert (world.status.lock, world.executors.started) == (None, [])


@pytest.mark.parametrize("name", ["unless", "until"])
@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ("select count(*) as n from jobs where id = @job", "@job"),
        ("select 1 into @`job`", "@`"),
        ("select a from t where m = '@job' and u = @@session.wait_timeout and n = @obtask_name", None),
    ],
)
def test_variables_of_the_session_are_refused_where_it_may_be_another(name: str, query: str, refused: str | None) -> None:
    """A query that is asked later, or by a second attempt, cannot rely on what a connection remembers."""
    sql = {"statements": ["set @job = 5"], name: {"query": query, "expect": "true"}}
    world = World(a_task().step("s", sql=sql))

    world.run()

    message = world.status.message or ""
    assert world.phase is (Phase.REJECTED if refused else Phase.RUNNING)
    assert refused is None or message.startswith(f"spec.steps[0].sql.{name}.query: {refused} is a variable of the session")


def test_without_args_sql_texts_are_taken_as_they_are() -> None:
    """Nothing is a placeholder then."""
    world = World(a_task().step("s", sql={"statements": ["select '%(n)s', %(m)s", "set names gbk"]}))

    world.run()

    assert world.phase is Phase.RUNNING


def test_good_expressions_pass() -> None:
    """A task whose expressions compile runs."""
    good = SELECT | {"expect": "rows.all(row, row.n > 0) && affected == 0"}
    world = World(a_task().step("s", sql=good))

    world.run()

    assert world.phase is Phase.RUNNING


def unreadable(phase: Phase) -> World:
    """Return a task in this phase whose spec only another version can read."""
    world = World(a_task().step("load").step("next"))
    if phase is not Phase.PENDING:
        world.run()
    if phase is Phase.FAILED:
        world.fail("load")
    world.api.body["spec"]["steps"][0]["teleport"] = {}
    world.api.annotate()
    world.crash()
    assert isinstance(world.task.spec, InvalidSpec)
    return world


def test_new_task_that_cannot_be_read_is_rejected() -> None:
    """What this version does not understand it does not start."""
    world = unreadable(Phase.PENDING)

    world.run()

    assert (world.phase, world.status.reason) == (Phase.REJECTED, Reason.INVALID_SPEC)
    assert (world.status.message or "").startswith("spec.steps[0].teleport: ")


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.FAILED])
def test_started_task_that_cannot_be_read_is_left_alone(phase: Phase) -> None:
    """A task that another version started waits for a version that can read it, or for a person."""
    world = unreadable(phase)

    world.run()

    assert world.phase is phase


@pytest.mark.parametrize(
    ("phase", "verb"),
    [
        (Phase.FAILED, "retry"), (Phase.FAILED, "rollback"), (Phase.FAILED, "skip-step"), (Phase.FAILED, "cancel"),
        (Phase.RUNNING, "retry"), (Phase.RUNNING, "skip"), (Phase.FAILED, "restart"),
    ],
)  # fmt: skip
def test_command_that_needs_the_spec_is_rejected(phase: Phase, verb: str) -> None:
    """Every command is answered; those that would need the spec are refused."""
    world = unreadable(phase)

    world.command(verb)

    last = world.status.last_action
    assert last is not None
    assert (last.verb, last.result, world.phase) == (verb, ActionResult.REJECTED, phase)


def test_failed_task_that_cannot_be_read_can_be_skipped() -> None:
    """Skip needs no spec, and after a refused command it is all that is offered."""
    world = unreadable(Phase.FAILED)
    world.command("retry")
    assert world.status.allowed_actions == (Verb.SKIP,)

    world.command("skip")

    assert world.phase is Phase.SKIPPED


def test_running_task_that_cannot_be_read_can_be_cancelled() -> None:
    """Cancel needs no spec either: nobody knows how far the subtasks got, and a person decides."""
    world = unreadable(Phase.RUNNING)

    world.command("cancel")

    status = world.status
    assert (status.phase, status.reason, world.subtask("load").phase) == (Phase.FAILED, Reason.SUBTASK_CANCELLED, SubtaskPhase.FAILED)
    assert status.failed_subtask is not None
    assert status.failed_subtask.reason is FailureReason.CANCELLED
    assert status.allowed_actions == (Verb.SKIP,)


def test_deleted_task_that_cannot_be_read_goes() -> None:
    """Deleting it needs no spec."""
    world = unreadable(Phase.RUNNING)
    world.delete()

    world.run()

    assert world.api.gone


def test_the_expressions_of_a_task_are_bounded_together() -> None:
    """More than 64 KiB of them are refused, before any is compiled; exactly 64 KiB are not."""
    long = [SELECT | {"expect": f"{number:02} == 0 || " + "r" * 4085} for number in range(17)]
    assert {len(sql["expect"]) for sql in long} == {4096}
    most, more = a_task(), a_task()
    for number, sql in enumerate(long):
        more = more.step(f"s{number}", sql=sql)
        most = most.step(f"s{number}", sql=sql) if number < 16 else most

    assert isinstance(World(most).decide(), Check)
    world = World(more)
    world.run()

    assert (world.phase, world.status.reason, world.verdicts) == (Phase.REJECTED, Reason.INVALID_SPEC, {})
    assert "69632 bytes together; at most 65536" in (world.status.message or "")


def test_the_message_of_a_long_expression_has_room_for_its_fault() -> None:
    """The expression is shortened, the reason is not."""
    world = World(a_task().step("s", sql=SELECT | {"expect": "nobody + " + "1 + " * 1000 + "1"}))

    world.run()

    assert "does not compile: at" in (world.status.message or "")


def test_nothing_happens_before_the_expressions_are_known_to_compile() -> None:
    """No lock is taken and nothing is written while they are asked about."""
    world = World(a_task().step("s", sql=SELECT | {"expect": "true"}))

    assert isinstance(world.reconcile(), Check)
    assert (world.stored, world.lease.token) == ([], 0)
