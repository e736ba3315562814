"""The chart as the README installs it, on a real kubelet."""

import json
from collections.abc import Callable

import yaml
from tests.e2e.release import PLAIN, ROOT, Release
from tests.support.tasks import Tasks, wait_step


def test_installed_as_the_readme_says(release: Release, new_namespace: Callable[..., Tasks]) -> None:
    """The Pod is ready, leads, and was not started twice, although its CRD is as young as it is; tasks are taken; `helm test` passes."""
    tasks = new_namespace()
    release.shape(PLAIN)
    tasks.create("first", steps=[wait_step("at-once")])
    [pod] = release.pods()
    tested = release.cluster.helm("test", release.name, "-n", release.name, "--timeout=100s")

    [container] = pod["status"]["containerStatuses"]
    assert (container["ready"], container["restartCount"]) == (True, 0)
    assert tasks.wait_let_go("first")["phase"] == "Succeeded"
    assert release.leader() == pod["metadata"]["name"]
    assert "Phase:          Succeeded" in tested
    assert pod["spec"]["containers"][0]["image"] == release.cluster.image


def test_who_asked_is_noted_where_the_api_server_can(release: Release) -> None:
    """What is served decides: the policy that stamps commands comes where MutatingAdmissionPolicies are."""
    release.shape(PLAIN)
    served = "mutatingadmissionpolicies" in json.dumps(release.cluster.api.get("/apis/admissionregistration.k8s.io/v1"))

    manifest = release.cluster.helm("get", "manifest", release.name, "-n", release.name)

    assert ("kind: MutatingAdmissionPolicy\n" in manifest) == served
    assert "kind: ValidatingAdmissionPolicy\n" in manifest


def test_the_tour_of_the_readme(release: Release, tasks: Tasks) -> None:
    """The second Job fails and its log says why; what was missing is made, and a retry ends the task."""
    tour = (ROOT / "deploy/demo/jobs.yaml").read_text().replace("obtask-operator:0.1.0", release.cluster.image)
    tasks.kubectl("apply", "-f", "-", manifest=yaml.safe_load(tour))

    assert "the window is closed" in tasks.wait_phase("x", "Failed")["failedSubtask"]["logTail"]
    tasks.kubectl("create", "configmap", "window", "--from-literal=WINDOW=open")
    tasks.annotate("x", "action=retry")

    assert tasks.wait_let_go("x")["phase"] == "Succeeded"
