"""Whoever adds a member to a closed list is told of every place that has to decide about it: tried on a copy of the tree."""

import pytest
from tests.contract.additions import ADDITIONS, complaints

CRD = {"generate: crds/task.oceanbase.com_obtasks.yaml", "generate: charts/obtask-operator/files/crds/task.oceanbase.com_obtasks.yaml"}
TOLD = "test: test_the_concepts_tell_of_every_member"

# Who has to complain; others may.
EXPECTED = {
    "verb": {
        "mypy: operator/obtask/rules/commands.py",
        "mypy: operator/generate/argocd.py",
        "generate: charts/obtask-operator/templates/_contract.tpl",
        "generate: charts/obtask-operator/templates/NOTES.txt",
        "generate: charts/obtask-operator/values.yaml",
        "generate: deploy/gitops/argocd/discovery.lua",
        "generate: deploy/gitops/argocd/argocd-cm.yaml",
        "generate: docs/reference/api.md",
        f"{TOLD}[verbs]",
        *CRD,
    },
    "phase": {
        "mypy: operator/obtask/rules/announcements.py",
        "mypy: operator/obtask/rules/commands.py",
        "mypy: operator/obtask/rules/held_up.py",
        "mypy: operator/obtask/rules/machine.py",
        "generate: docs/reference/events-and-reasons.md",
        f"{TOLD}[phases]",
        *CRD,
    },
    "failure reason": {
        "test: test_every_reason_is_given_somewhere[FailureReason-QuotaExceeded]",
        "generate: docs/reference/metrics.md",
        *CRD,
    },
    "lock scope": {
        "mypy: operator/obtask/rules/exclusion.py",
        "mypy: operator/obtask/rules/lock_keys.py",
        "test: test_what_a_scope_or_a_type_needs_is_a_field_of_the_spec",
        f"{TOLD}[scopes]",
        *CRD,
    },
    "kind of action": {
        "mypy: operator/obtask/model/actions.py",
        "mypy: operator/obtask/rules/bounds.py",
        "test: test_a_kind_of_action_is_a_field_of_a_step",
        "test: test_no_choice_of_members_is_written_by_hand[executors/registry.py]",
        "generate: charts/obtask-operator/templates/_contract.tpl",
        "generate: charts/obtask-operator/values.schema.json",
        *CRD,
    },
    "limit": CRD | {"generate: docs/reference/api.md"},
}


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """Return who complains about each addition."""
    return complaints()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", dict.fromkeys(each.what for each in ADDITIONS))
def test_an_addition_is_noticed_wherever_it_matters(found: dict[str, list[str]], what: str) -> None:
    """A place that decides by itself what to do with a member that it does not know is one that somebody forgets."""
    assert EXPECTED[what] - set(found[what]) == set()
