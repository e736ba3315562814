"""An operator for some namespaces only, with Roles and nothing else."""

import textwrap
from collections.abc import Callable

import pytest
from tests.e2e.accounts import make_runner
from tests.e2e.release import PAIR, Release
from tests.e2e.steps import Steps
from tests.support.apiserver import Body
from tests.support.tasks import Tasks

MAP: Body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}}


def typed(notes: str) -> str:
    """Return the commands of NOTES, without those in which a person has to fill in a name."""
    commands = [line for line in notes.splitlines() if line.startswith("  ") and "NAME" not in line]
    return textwrap.dedent("\n".join(commands))


@pytest.mark.timeout(240)
def test_roles_are_enough(release: Release, steps: Steps, new_namespace: Callable[..., Tasks]) -> None:
    """Every kind of step works in a namespace of the list, NOTES hold, and nobody touches the others; then they are taken up."""
    inside, outside = new_namespace(), new_namespace()
    release.shape({"watch": {"namespaces": [inside.namespace]}})
    account = make_runner(inside)
    for tasks in (outside, inside):
        tasks.create(
            "one",
            maintenance="Global",
            serviceAccountName=account,
            steps=[steps.job("job", "true"), {"name": "map", "resource": {"apply": MAP}}],
        )
    status = inside.wait_let_go("one")
    said = release.cluster.shell(typed(release.cluster.helm("get", "notes", release.name, "-n", release.name)))
    left_alone = outside.status("one")["observedGeneration"] == 0
    own = f"app.kubernetes.io/instance={release.name}"
    cluster_wide = release.kubectl("get", "clusterroles,clusterrolebindings", "-l", own, "-o", "name").split()

    make_runner(outside)
    release.shape(PAIR)
    later = outside.wait_let_go("one")

    assert [status["phase"], later["phase"]] == ["Succeeded", "Succeeded"]
    assert "obtask.task.oceanbase.com/hello condition met" in said
    assert "Phase:          Succeeded" in said
    assert left_alone
    # The last one is the operator's own: templates of the cluster, to be read (tests/chart/test_chart_objects.py).
    assert {name.rpartition("-")[2] for name in cluster_wide} == {"view", "edit", "admin", "cluster"}
