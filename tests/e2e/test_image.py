"""The operator's image as a Pod sees it: who it runs as, what it can write, what is in it."""

import json
import uuid
from pathlib import Path

import pytest
from tests.e2e.cluster import Cluster
from tests.support.tasks import Tasks

LARGEST = 250_000_000
CATALOGUE = Path(__file__).parents[2] / "deploy/templates"

# Looks around from inside; directories that this user may not read hold nothing of size.
LOOK = """
import json, os, shutil, subprocess
size = sum(
    os.lstat(os.path.join(folder, name)).st_size
    for top in ("/usr", "/opt", "/etc", "/var")
    for folder, _, names in os.walk(top)
    for name in names
)
def writable(folder):
    try:
        open(os.path.join(folder, "x"), "w").close()
    except OSError:
        return False
    return True
tools = [name for name in ("cc", "gcc", "make", "pip", "uv", "apt-get", "curl") if shutil.which(name)]
def said(*words):
    return subprocess.run(["obtask", *words], capture_output=True, text=True, check=True).stdout
usage, templates = said("--help"), json.loads(said("templates", "list", "-o", "json"))
print(json.dumps({
    "user": os.getuid(), "size": size, "tools": tools, "usage": usage, "templates": len(templates["items"]),
    "writable": [folder for folder in ("/", "/tmp", "/opt/obtask", "/var/tmp") if writable(folder)],
}))
"""

RESTRICTED = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.mark.timeout(300)
def test_the_image_needs_no_rights_and_no_disk(cluster: Cluster, shared: Tasks, measured: dict[str, str]) -> None:
    """It starts as a numeric user that is not root, on a file system it cannot write to; no tool to build or to fetch is in it.

    The catalogue is.
    """
    name, namespace = f"image-{uuid.uuid4().hex[:6]}", f"--namespace={shared.namespace}"
    container = {"name": "look", "image": cluster.image, "command": ["python3", "-c", LOOK], "securityContext": RESTRICTED}
    spec = {"containers": [container], "restartPolicy": "Never", "automountServiceAccountToken": False}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": shared.namespace}, "spec": spec}

    cluster.kubectl.apply([pod])
    cluster.kubectl.run(["wait", f"pod/{name}", namespace, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=120s"], timeout=130)
    seen = json.loads(cluster.kubectl.run(["logs", name, namespace]))

    measured["size of the image"] = f"{seen['size'] / 1e6:.0f} MB"
    assert (seen["user"], seen["writable"], seen["tools"]) == (10001, [], [])
    assert "Usage: obtask" in seen["usage"]
    assert seen["templates"] == len(list(CATALOGUE.glob("*.yaml")))
    assert seen["size"] < LARGEST
