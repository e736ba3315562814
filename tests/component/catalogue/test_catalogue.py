"""Every template of the catalogue is played from end to end: undisturbed, twice, refused, failing, killed and rolled back.

The real operator works against an API server in memory and a played OceanBase (`stage.py`), whose views a real seekdb answers from.
Objects of ob-operator are on a real API server (`objects.py`).
"""

import re

import pytest
from tests.component.catalogue.rehearsal import Rehearsal, changes, differences
from tests.component.catalogue.scenario import SCENARIOS, Case, Unrefused, runs_jobs, template, templates
from tests.component.catalogue.stage import Fault, How
from tests.component.catalogue.stand import Stand, shown

from obtask.kube.api import Json
from obtask.model.contract import Phase
from obtask.model.task import InvalidSpec
from obtask.model.template import read_template
from obtask.model.template_contract import TemplateKind

pytestmark = [pytest.mark.timeout(300)]
TEMPLATES = templates()
PLAYED = [name for name in TEMPLATES if not runs_jobs(template(name))]
NEWEST_JOB = re.compile(r"MAX\((\w+\.)?\w*JOB_ID\)")
# By template, not by test: a worker rehearses each of its templates once.
EVERY_TEMPLATE = pytest.mark.parametrize("name", PLAYED, scope="module")
IN_ONE_LOOP = pytest.mark.asyncio(loop_scope="session")


def test_every_template_has_a_scenario() -> None:
    """Nothing is in the catalogue that is not played, here or with Jobs in `test_job_templates.py`; no scenario has lost its template."""
    assert sorted(path.stem for path in SCENARIOS.glob("*.yaml")) == PLAYED


@IN_ONE_LOOP
@EVERY_TEMPLATE
async def test_a_template_works(rehearsal: Rehearsal) -> None:
    """Each case of its scenario succeeds; the same task again finds its work done, or is refused. Every step has its turn in some case."""
    for case in rehearsal.scenario.cases:
        stand = await rehearsal.play(case)
        assert stand.status.phase is Phase.SUCCEEDED, (case.name, shown(stand.status), rehearsal.stage.troubles)
        assert rehearsal.stage.others == {}, (case.name, "these steps did not wait")
        await rehearsal.ends(case, case.name)
        await rehearsal.settle()
        await once_more(rehearsal, stand, case)
    assert {step["name"] for step in rehearsal.steps} - set().union(*rehearsal.turns.values()) == set(), "no case has these steps begin"


async def once_more(rehearsal: Rehearsal, stand: Stand, case: Case) -> None:
    """Create the same task again."""
    before, rehearsal.stage.changes = await rehearsal.stage.dump(), []
    await rehearsal.begin(stand, case.task, "second")
    again = shown(stand.status)
    if case.again == "refused":
        assert stand.status.phase is Phase.FAILED, (case.name, again)
        assert stand.status.failed_subtask is not None
        assert rehearsal.refuses(stand.status.failed_subtask.step), (case.name, again)
    else:
        assert stand.status.phase is Phase.SUCCEEDED, (case.name, again, rehearsal.stage.troubles)
        await rehearsal.ends(case, f"{case.name}, again")
    if case.again != "repeated":
        assert rehearsal.stage.changes == [], (case.name, "the second task changes something")
        assert differences(before, await rehearsal.stage.dump()) == {}, (case.name, "after the second task")


@IN_ONE_LOOP
@EVERY_TEMPLATE
async def test_a_check_refuses(rehearsal: Rehearsal) -> None:
    """What speaks against the operation is found before anything is changed, and is said in words; every check has something to refuse."""
    refusals, refusing = rehearsal.scenario.refusals, set()
    if isinstance(refusals, Unrefused):
        return
    for refused in refusals:
        case = Case(name=refused.because, task=rehearsal.asked(refused.task), given=refused.given, ends=rehearsal.scenario.cases[0].ends)
        stand = await rehearsal.play(case)
        failed = stand.status.failed_subtask
        assert failed is not None, (case.name, shown(stand.status))
        assert rehearsal.refuses(failed.step), (case.name, shown(stand.status))
        assert refused.says in failed.message, (case.name, failed.message)
        assert rehearsal.stage.changes == [], case.name
        refusing.add(failed.step)
    first = next((place for place, step in enumerate(rehearsal.steps) if changes(step)), len(rehearsal.steps))
    checks = {step["name"] for step in rehearsal.steps[:first] if step["name"].startswith("check")}
    assert checks - refusing == set(), "no refusal is that of these checks"


@IN_ONE_LOOP
@EVERY_TEMPLATE
async def test_a_failed_step_is_retried(rehearsal: Rehearsal) -> None:
    """A statement of each step is refused, or its answer is lost after it was carried out: retries get the task to its end."""
    for case in rehearsal.scenario.cases:
        await gets_done(rehearsal, case, How.REFUSED)
        await gets_done(rehearsal, case, How.LOST)


@IN_ONE_LOOP
@EVERY_TEMPLATE
async def test_the_operator_dies_at_each_step(rehearsal: Rehearsal) -> None:
    """The operator is gone by the time that a statement of a step is carried out, at every step: its successors get the task to its end."""
    for case in rehearsal.scenario.cases:
        await gets_done(rehearsal, case, How.KILLED)


async def gets_done(rehearsal: Rehearsal, case: Case, how: How) -> None:
    """Have every step of a case fail once, retry until the task has succeeded, and look at the cluster."""
    where = f"{case.name}: every step {how.value}"
    stand = await rehearsal.play(case, *rehearsal.faults(case, how))
    await rehearsal.gets_done(stand, where)
    assert rehearsal.struck(), (where, rehearsal.stage.faults)
    await rehearsal.ends(case, where)


@IN_ONE_LOOP
@EVERY_TEMPLATE
async def test_a_rollback_leaves_nothing(rehearsal: Rehearsal) -> None:
    """From a failure at each change, and at the end of each case, the cluster is as before, if it can be; else a rollback is forbidden."""
    for case in rehearsal.scenario.cases:
        first = case is rehearsal.scenario.cases[0]
        each = [Fault(step["name"], how) for step in rehearsal.turns_of(case) if changes(step) for how in (How.REFUSED, How.LOST)]
        for fault in [*(each if first else ()), *last_chance(rehearsal, case)]:
            stand = await rehearsal.stand(case, fault)
            before = await rehearsal.stage.dump()
            await rehearsal.begin(stand, case.task)
            if stand.status.phase is Phase.FAILED and rehearsal.ways_back(stand):
                await rehearsal.undone(stand, before, f"{case.name}: {fault.how.value} at {fault.step}")
    undone = {step for step, direction in rehearsal.stage.seen if direction == "Rollback"}
    assert {step["name"] for step in rehearsal.steps if is_undone(step)} - undone == set(), "no rollback came to these steps"


def is_undone(step: Json) -> bool:
    """Return whether the step has a rollback that the played cluster hears of."""
    rollback = step.get("forEach", {}).get("subtask", step).get("rollback", {})
    return "sql" in rollback or "resource" in rollback or "path" in rollback.get("obshell", {})


def last_chance(rehearsal: Rehearsal, case: Case) -> list[Fault]:
    """Return a fault at the last step of a case from which there is a way back, if there is one."""
    turns = rehearsal.turns_of(case)
    final = next((place for place, step in enumerate(turns) if "Rollback" in step.get("forbid", ())), len(turns))
    return [Fault(turns[final - 1]["name"], How.REFUSED, changing=False)] if final else []


@IN_ONE_LOOP
@EVERY_TEMPLATE
async def test_a_rollback_that_fails_goes_on(rehearsal: Rehearsal) -> None:
    """Every undo is refused, its answer is lost, or the operator dies: rolling back again ends it, and all is as before."""
    for case in rehearsal.scenario.cases:
        undoable = [step["name"] for step in rehearsal.turns_of(case) if is_undone(step)]
        for how in (How.REFUSED, How.LOST, How.KILLED) if undoable else ():
            stand = await rehearsal.stand(case, *last_chance(rehearsal, case))
            before = await rehearsal.stage.dump()
            await rehearsal.begin(stand, case.task)
            if stand.status.phase is not Phase.FAILED:
                continue
            rehearsal.stage.faults = [Fault(step, how, "Rollback") for step in undoable]
            await rehearsal.undone(stand, before, f"{case.name}: every undo {how.value}")


@IN_ONE_LOOP
@EVERY_TEMPLATE
async def test_the_cluster_goes_on_during_a_rollback(rehearsal: Rehearsal) -> None:
    """What was begun comes to its end before the rollback, or between two of its steps: all is as before, or it says why it cannot be."""
    for case in rehearsal.scenario.cases:
        first = case is rehearsal.scenario.cases[0]
        lost = [Fault(step["name"], How.LOST) for step in rehearsal.turns_of(case) if changes(step) and is_undone(step)]
        for fault in [*(lost if first else ()), *last_chance(rehearsal, case)] if lost else ():
            for hasty in (False, True):
                stand = await rehearsal.stand(case, fault)
                before = await rehearsal.stage.dump()
                await rehearsal.begin(stand, case.task)
                if stand.status.phase is not Phase.FAILED or not rehearsal.ways_back(stand):
                    continue
                rehearsal.stage.hasty = hasty
                if not hasty:
                    await rehearsal.settle()
                where = f"{case.name}: {fault.how.value} at {fault.step}, {'between' if hasty else 'before'}"
                await rehearsal.undone(stand, before, where, case.too_late)


@IN_ONE_LOOP
@EVERY_TEMPLATE
async def test_what_the_cluster_reports_ends_the_waiting(rehearsal: Rehearsal) -> None:
    """A job that fails in the cluster fails the task at once, with the reason; it can be rolled back where that is possible.

    Every step that can tell a failure has one. Those of checks are refusals; a step that retries by itself gets over what happens once.
    """
    failing_steps = {failing.step for failing in rehearsal.scenario.failures}
    telling = {step["name"] for step in rehearsal.steps if tells_failures(step)}
    assert telling - failing_steps == set(), "nothing fails while these steps wait"
    for failing in rehearsal.scenario.failures:
        first = rehearsal.scenario.cases[0]
        case = Case(name=failing.because, task=rehearsal.asked(failing.task), given=failing.given, others=failing.others, ends=first.ends)
        stand = await rehearsal.stand(case)
        before = await rehearsal.stage.dump()
        rehearsal.stage.meanwhile = (failing.step, failing.meanwhile) if failing.meanwhile else None
        await rehearsal.begin(stand, case.task)
        failed = stand.status.failed_subtask
        assert failed is not None, (case.name, shown(stand.status))
        assert failed.step == failing.step, (case.name, shown(stand.status))
        assert failing.says in failed.message, (case.name, failed.message)
        if rehearsal.ways_back(stand) and failing.rolled_back:
            await rehearsal.undone(stand, before, case.name)


def tells_failures(step: Json) -> bool:
    """Return whether a step has a condition that ends its waiting, and the task."""
    if step["name"].startswith("check") or "autoRetry" in step:
        return False
    actions = step.get("forEach", {}).get("subtask", step).values()
    return any("failWhen" in action.get("until", {}) for action in actions if isinstance(action, dict))


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_newest_job_is_read_after_the_approval(name: str) -> None:
    """An approval may take days: a job of somebody else that began meanwhile must not be newer than what was remembered."""
    steps = template(name)["spec"]["steps"]
    approval = next((place for place, step in enumerate(steps) if "approve" in step), 0)
    for place, step in enumerate(steps[:approval]):
        newest = any(NEWEST_JOB.search(text) for text in step.get("sql", {}).get("statements", ()))
        meanwhile = [each["name"] for each in steps[place + 1 : approval] if f"steps.{step['name']}.outputs" in str(each)]
        assert not newest or meanwhile, (step["name"], "is not needed before the approval")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_can_be_read(name: str) -> None:
    """It is a ClusterOBTaskTemplate of the file's name, with its texts in both languages; it checks before it does anything."""
    body = template(name)
    spec = read_template(TemplateKind.CLUSTER, body).spec
    assert not isinstance(spec, InvalidSpec), spec
    assert (body["kind"], body["metadata"]) == ("ClusterOBTaskTemplate", {"name": name})
    texts = [spec.title, spec.description, *(text for each in spec.parameters for text in (each.title, each.description))]
    assert all(text is not None and text.zh is not None for text in texts)
    assert spec.steps[0].name.startswith("check")
