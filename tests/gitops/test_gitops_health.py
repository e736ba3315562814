"""What Argo CD, Flux and kstatus (Flux, Helm) make of a task in every phase, by their own code. API.md section 3.3."""

from typing import Any

import pytest
import yaml
from tests.gitops.judging import Judges
from tests.gitops.test_gitops_files import KUSTOMIZATION
from tests.support.builders import START, Json, a_task
from tests.support.phases import IN_PHASE
from tests.support.world import World

from generate.argocd import PATCH
from obtask import names
from obtask.model.contract import Phase
from obtask.model.schema import UNSEEN
from obtask.model.template_contract import TemplateKind

SETTINGS: dict[str, str] = yaml.safe_load(PATCH.read_text())["data"]

DONE, WRONG, UNDER_WAY = ("Healthy", "Current"), ("Degraded", "Failed"), ("Progressing", "InProgress")
VERDICTS = {
    Phase.PENDING: UNDER_WAY,
    Phase.WAITING: UNDER_WAY,
    Phase.RUNNING: UNDER_WAY,
    Phase.FAILED: WRONG,
    Phase.ROLLING_BACK: UNDER_WAY,
    Phase.SUCCEEDED: DONE,
    Phase.ROLLED_BACK: WRONG,
    Phase.SKIPPED: DONE,
    Phase.CANCELLED: WRONG,
    Phase.REJECTED: WRONG,
}


def live(body: Json) -> Json:
    """Return a task as the API server answers."""
    return {"apiVersion": names.API_VERSION, "kind": names.KIND} | body


def in_phase(phase: Phase) -> Json:
    """Return a task that the rules have brought into this phase."""
    return live(IN_PHASE[phase]().api.body)


def argo(judges: Judges, task: Json) -> tuple[str, str]:
    """Return the health that Argo CD shows, and its message."""
    health = judges.ask("argo-health", live=task, settings=SETTINGS)
    return health["status"], health["message"]


def kstatus(judges: Judges, task: Json) -> str:
    """Return the status that Flux and Helm see by themselves."""
    found: str = judges.ask("kstatus", live=task)["Status"]
    return found


def flux(judges: Judges, task: Json) -> str:
    """Return the status that Flux sees with the expressions of our Kustomization."""
    found: str = judges.ask("flux-health", live=task, file=KUSTOMIZATION.read_text())["Status"]
    return found


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_one_verdict(judges: Judges, phase: Phase) -> None:
    """Argo CD, Flux with and without its expressions, and Helm agree."""
    task = in_phase(phase)
    health, status = VERDICTS[phase]

    assert argo(judges, task)[0] == health
    assert (kstatus(judges, task), flux(judges, task)) == (status, status)
    assert task["status"]["phase"] == phase


@pytest.mark.parametrize("phase", Phase)
def test_the_message_says_what_the_task_says(judges: Judges, phase: Phase) -> None:
    """Argo CD shows the phase and the task's own message."""
    task = in_phase(phase)
    said = task["status"].get("message")

    assert argo(judges, task)[1].startswith(f"{phase}: {said}" if said else phase)


def test_a_failed_task_says_what_to_type(judges: Judges) -> None:
    """The message names the step that failed, and the commands that would be accepted."""
    world = IN_PHASE[Phase.FAILED]()
    forbidding = World(a_task().named("y").step("only", wait=1, forbid=["Retry", "Skip", "SkipStep", "Rollback"]))
    forbidding.run()
    forbidding.fail("only")

    assert argo(judges, live(world.api.body))[1] == (
        'Failed: step 1/3 "check": subtask "check" failed: exit code 3; '
        "kubectl annotate obtask x -n prod action=retry (or rollback, skip, skip-step)"
    )
    assert argo(judges, live(forbidding.api.body))[1] == 'Failed: step 1/1 "only": subtask "only" failed: exit code 3'


def test_a_waiting_task_names_the_failed_one_in_its_way(judges: Judges) -> None:
    """Who looks at the waiting task in Argo CD learns which one to mend."""
    task = in_phase(Phase.WAITING)

    assert argo(judges, task) == ("Progressing", f"Waiting: {task['status']['message']}")
    assert "freeze" in task["status"]["message"]


def test_a_task_that_nobody_has_seen_is_not_done(judges: Judges) -> None:
    """Right after it was created, when only the CRD's default status is there, nobody takes it for done."""
    task = live(a_task().body() | {"status": UNSEEN})

    assert argo(judges, task) == ("Progressing", "no operator has seen it yet")
    assert (kstatus(judges, task), flux(judges, task)) == ("InProgress", "InProgress")


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.FAILED, Phase.SUCCEEDED])
def test_a_task_that_is_being_deleted_is_under_way(judges: Judges, phase: Phase) -> None:
    """Whatever its status says, it is on its way out."""
    task = in_phase(phase)
    task["metadata"] = task["metadata"] | {"deletionTimestamp": START.isoformat(), "generation": 2}

    assert argo(judges, task)[0] == "Progressing"
    assert kstatus(judges, task) == "Terminating"


GARBAGE: list[Any] = [
    {},
    {"status": {}},
    {"status": None},
    {"status": "Failed"},
    {"status": []},
    {"status": {"phase": 7, "conditions": "x", "message": ["a"]}},
    {"status": {"phase": "Failed", "conditions": [None, 1, "x", {"type": "Stalled"}, {"status": "True"}]}},
    {"status": {"phase": "Failed", "conditions": {"Ready": "True"}, "allowedActions": "retry"}},
    {"metadata": {"name": "x"}, "status": {"phase": "Failed", "conditions": [{"type": "Stalled", "status": "Unknown"}]}},
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_neither_healthy_nor_an_error(judges: Judges, garbage: Json) -> None:
    """Whatever stands where a status should be, Argo CD shows a health, and never a good one."""
    assert argo(judges, live(garbage))[0] == "Progressing"


def test_hints_survive_garbage(judges: Judges) -> None:
    """A stalled task with unreadable commands is still degraded."""
    stalled = [{"type": "Stalled", "status": "True"}]
    without = {"status": {"phase": "Failed", "conditions": stalled, "allowedActions": 3}}
    within = {"status": {"phase": "Failed", "conditions": stalled, "allowedActions": [["x"], "skip"]}}

    assert argo(judges, live(without)) == ("Degraded", "Failed")
    assert argo(judges, live(within))[0] == "Degraded"


def test_the_phases_of_tomorrow_are_judged_by_their_conditions(judges: Judges) -> None:
    """An operator that is newer than the script may have phases that the script does not know."""
    task = in_phase(Phase.SUCCEEDED)
    task["status"] = task["status"] | {"phase": "Perfected"}

    assert argo(judges, task)[0] == "Healthy"
    assert kstatus(judges, task) == "Current"


@pytest.mark.parametrize("kind", list(TemplateKind), ids=str)
@pytest.mark.parametrize(
    ("status", "health", "by_flux"),
    [
        ({"conditions": [{"type": "Valid", "status": "True", "observedGeneration": 1, "message": "fine"}]}, "Healthy", "Current"),
        (
            {
                "conditions": [
                    {"type": "Valid", "status": "False", "observedGeneration": 1, "message": "spec.steps[0]: no"},
                    {"type": "Stalled", "status": "True", "observedGeneration": 1, "message": "spec.steps[0]: no"},
                ]
            },
            "Degraded",
            "Failed",
        ),
        ({"conditions": [{"type": "Valid", "status": "True", "observedGeneration": 0}]}, "Progressing", None),
        ({}, "Progressing", None),
        ({"conditions": "none"}, "Progressing", None),
        ("none", "Progressing", None),
    ],
)
def test_a_template_is_healthy_if_tasks_can_be_made_of_it(
    judges: Judges, kind: TemplateKind, status: Any, health: str, by_flux: str | None
) -> None:
    """Argo CD judges by Valid, with its message; Flux and Helm, which know nothing of templates, by Stalled."""
    metadata = {"name": "x", "generation": 1} | ({"namespace": "prod"} if kind.namespaced else {})
    template = {"apiVersion": names.API_VERSION, "kind": kind.value, "metadata": metadata, "spec": {}, "status": status}

    assert argo(judges, template)[0] == health
    assert by_flux is None or kstatus(judges, template) == by_flux
