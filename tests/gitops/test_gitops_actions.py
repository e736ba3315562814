"""The commands of a task as actions in Argo CD: which are offered, and what one changes."""

from typing import Any

import pytest
import yaml
from tests.gitops.judging import Judges
from tests.gitops.test_gitops_health import in_phase, live
from tests.support.builders import Json, a_task

from generate.argocd import PATCH
from obtask.model.contract import Phase, Verb

SETTINGS: dict[str, str] = yaml.safe_load(PATCH.read_text())["data"]


def offered(judges: Judges, task: Json) -> dict[str, bool]:
    """Return the actions that Argo CD shows, and whether they can be chosen."""
    actions = judges.ask("argo-actions", live=task, settings=SETTINGS)
    assert all(action["displayName"] and action["iconClass"] for action in actions)
    return {action["name"]: not action.get("disabled", False) for action in actions}


def chosen(judges: Judges, task: Json, verb: str) -> Json:
    """Return the object that Argo CD makes of the task when somebody chooses an action."""
    (change,) = judges.ask("argo-action", live=task, settings=SETTINGS, action=verb)
    assert change["operation"] == "patch"
    return dict(change["resource"])


@pytest.mark.parametrize("phase", Phase)
def test_exactly_the_allowed_commands_can_be_chosen(judges: Judges, phase: Phase) -> None:
    """All of them are shown; what the operator would refuse now is greyed out."""
    task = in_phase(phase)

    assert offered(judges, task) == {verb.value: verb in task["status"]["allowedActions"] for verb in Verb}


@pytest.mark.parametrize("status", [{}, None, "x", {"allowedActions": "retry"}, {"allowedActions": [None, 1, "explode"]}])
def test_garbage_offers_nothing(judges: Judges, status: Any) -> None:
    """Without a status that can be read no command can be chosen."""
    assert set(offered(judges, live(a_task().body() | {"status": status})).values()) == {False}


@pytest.mark.parametrize("verb", Verb)
def test_an_action_is_the_annotation(judges: Judges, verb: Verb) -> None:
    """Nothing else changes, with and without other annotations."""
    task = in_phase(Phase.FAILED)
    bare = task | {"metadata": {key: value for key, value in task["metadata"].items() if key != "annotations"}}
    noted = task | {"metadata": task["metadata"] | {"annotations": {"note": "x"}}}

    for before, annotations in [(bare, {}), (noted, {"note": "x"})]:
        wanted = before | {"metadata": before["metadata"] | {"annotations": annotations | {"action": verb.value}}}
        assert chosen(judges, before, verb) == wanted
