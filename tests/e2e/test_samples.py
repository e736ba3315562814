"""The samples whose steps are Jobs, on a real kubelet; what they need of a site is stood in for."""

from typing import Any

import yaml
from tests.e2e.accounts import make_runner
from tests.e2e.release import ROOT
from tests.e2e.steps import Steps
from tests.support.apiserver import Body
from tests.support.tasks import Tasks

SAMPLES = ROOT / "deploy" / "samples"
TOOL = "backup-tool"
SAYS = f'#!/bin/sh\necho {TOOL} "$@" with "$KEY"\n'


def sited(sample: str, steps: Steps) -> Body:
    """Return a sample for a site with our image: no storage, no labelled nodes, no Kueue; programs of the site come from a ConfigMap."""
    body: Body = yaml.safe_load((SAMPLES / sample).read_text())
    for step in body["spec"]["steps"]:
        for subtask in step.get("parallel", [step]):
            for holder in (subtask, subtask.get("rollback")):
                if holder:
                    _site(holder["job"], steps)
    return body


def _site(job: dict[str, Any], steps: Steps) -> None:
    job["image"] = steps.image
    job.pop("queueName", None)
    spec = yaml.safe_load(yaml.safe_dump(job.setdefault("podTemplate", {}).setdefault("spec", {})))
    spec.pop("nodeSelector", None)
    spec["volumes"] = [{"name": volume["name"], "emptyDir": {}} for volume in spec.get("volumes", [])]
    spec["volumes"].append({"name": "tools", "configMap": {"name": "tools", "defaultMode": 0o755}})
    spec["containers"][0].setdefault("volumeMounts", []).append({"name": "tools", "mountPath": f"/usr/local/bin/{TOOL}", "subPath": TOOL})
    job["podTemplate"] = {"spec": spec}


def test_the_samples_with_jobs_run(tasks: Tasks, steps: Steps) -> None:
    """Both run to their end, and what the tool gets from its Secret is masked in the log."""
    tool = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tools"}, "data": {TOOL: SAYS}}
    tasks.kubectl("create", "-f", "-", manifest=tool)
    tasks.create_secret("backup-storage", "Opaque", KEY="between us")
    make_runner(tasks)

    bodies = [sited(sample, steps) for sample in ("job-backup-check.yaml", "job-zone-files.yaml")]
    for body in bodies:
        tasks.kubectl("apply", "-f", "-", manifest=body)
    backup, files = (tasks.wait_let_go(body["metadata"]["name"]) for body in bodies)

    fetched = backup["steps"][0]["subtasks"][0]["logTail"]
    assert [backup["phase"], files["phase"]] == ["Succeeded", "Succeeded"]
    assert f"{TOOL} fetch --latest --to /scratch/" in fetched
    assert "with ***" in fetched
    assert [len(step["subtasks"]) for step in files["steps"]] == [2]
