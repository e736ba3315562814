"""The files that people give to Argo CD and Flux: read by the types of these tools, which know every field."""

from pathlib import Path

import pytest
import yaml
from tests.gitops.judging import JudgeError, Judges

from generate.argocd import FOLDER, PATCH

APPLICATION = FOLDER / "application.yaml"
KUSTOMIZATION = Path("deploy/gitops/flux/kustomization.yaml")


def test_the_settings_of_argo_are_made_of_the_lua_files() -> None:
    """What people give to Argo CD is what is tested."""
    settings = yaml.safe_load(PATCH.read_text())["data"]

    assert settings["resource.customizations.health.task.oceanbase.com_OBTask"] == (FOLDER / "health.lua").read_text()


def test_the_application_starts_nothing_by_itself(judges: Judges) -> None:
    """Argo CD knows every line; tasks are there, and nothing makes, stops or replaces them but a person."""
    spec = judges.ask("argo-file", file=APPLICATION.read_text())["spec"]

    assert any(Path(spec["source"]["path"]).glob("*.yaml"))
    assert spec["syncPolicy"] == {"syncOptions": ["ServerSideApply=true", "ApplyOutOfSyncOnly=true", "FailOnSharedResource=true"]}


def test_the_kustomization_neither_prunes_nor_forces(judges: Judges) -> None:
    """Flux knows every line; it waits until the tasks are done, and deletes none."""
    spec = judges.ask("flux-file", file=KUSTOMIZATION.read_text())["spec"]

    assert any(Path(spec["path"]).glob("*.yaml"))
    assert (spec["prune"], spec.get("force", False), spec["wait"], spec["timeout"]) == (False, False, True, "2h0m0s")


@pytest.mark.parametrize(("judge", "file"), [("argo-file", APPLICATION), ("flux-file", KUSTOMIZATION)])
def test_a_field_that_the_tool_does_not_have_is_noticed(judges: Judges, judge: str, file: Path) -> None:
    """The tests above would see a typing mistake."""
    with pytest.raises(JudgeError, match="tpyo"):
        judges.ask(judge, file=file.read_text().replace("\nspec:", "\nspec:\n  tpyo: 1"))
