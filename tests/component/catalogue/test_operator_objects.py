"""What the templates for ob-operator send to the API server: objects with values of the right types."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.component.catalogue.scenario import template
from tests.component.catalogue.stand import evaluation

from obtask.executors.evaluation.evaluator import Evaluator
from obtask.model.kubernetes_actions import ResourceAction
from obtask.model.template import TemplateSpec, read_template
from obtask.model.template_contract import TemplateKind
from obtask.rules.expressions import ExpressionFault, Vocabulary
from obtask.rules.parameters import ParameterFault, completed
from obtask.rules.values import in_place, wanted

pytestmark = pytest.mark.asyncio(loop_scope="session")
TASK = {"uid": "6f9f", "name": "t", "namespace": "prod", "tenant": "orders", "cluster": "obdemo"}
BACKUPS = {"obcluster": "test", "obtenant": "orders", "archivePath": "log", "backupPath": "data"}


@pytest_asyncio.fixture(loop_scope="session")
async def evaluator() -> AsyncIterator[Evaluator]:
    """Return evaluation processes."""
    async with evaluation() as processes:
        yield processes


async def sent(evaluator: Evaluator, name: str, step: str, parameters: dict[str, Any]) -> Any:
    """Return the object that a step of a template applies."""
    spec = read_template(TemplateKind.CLUSTER, template(name)).spec
    assert isinstance(spec, TemplateSpec)
    given = completed(spec.parameters, parameters)
    assert not isinstance(given, ParameterFault), given
    [action] = [each.subtasks[0].action for each in spec.steps if each.name == step]
    assert isinstance(action, ResourceAction)
    variables = {"task": TASK, "attempt": {"number": 2, "direction": "Forward"}, "params": {**parameters, **given.defaults}, "steps": {}}
    values = {text: await evaluator.value("prod", Vocabulary.VALUES, text, variables) for text in wanted(action)}
    assert not [fault for fault in values.values() if isinstance(fault, ExpressionFault)], values
    ready = in_place(action, values)
    assert isinstance(ready, ResourceAction), ready
    return ready.apply


@pytest.mark.parametrize(
    ("name", "step", "parameters", "spec"),
    [
        pytest.param(
            "operator-scale",
            "scale",
            {"obcluster": "test", "zones": ["zone1", "zone2"], "replicas": 2},
            {"obcluster": "test", "type": "AdjustReplicas", "adjustReplicas": [{"zones": ["zone1", "zone2"], "to": 2}]},
            id="scale",
        ),
        pytest.param(
            "operator-restart",
            "restart",
            {"obcluster": "test"},
            {"obcluster": "test", "type": "RestartOBServers", "restartOBServers": {"obzones": [], "all": True}},
            id="restart",
        ),
        pytest.param(
            "operator-upgrade",
            "upgrade",
            {"obcluster": "test", "image": "ob:4.2.5", "confirm": "test"},
            {"obcluster": "test", "type": "Upgrade", "upgrade": {"image": "ob:4.2.5"}},
            id="upgrade",
        ),
        pytest.param(
            "operator-rescue",
            "rescue",
            {"kind": "OBServer", "object": "server-1", "action": "retry", "confirm": "server-1"},
            {"targetKind": "OBServer", "targetResName": "server-1", "namespace": "prod", "type": "retry", "targetStatus": ""},
            id="rescue",
        ),
    ],
)
async def test_an_operation_of_ob_operator(
    evaluator: Evaluator, name: str, step: str, parameters: dict[str, Any], spec: dict[str, Any]
) -> None:
    """The operation says what the task was asked for, and each attempt makes one of its own."""
    applied = await sent(evaluator, name, step, parameters)

    assert applied["spec"] == spec
    assert applied["metadata"] == {"name": "obtask-6f9f-2"}


async def test_a_tenant_that_is_restored(evaluator: Evaluator) -> None:
    """The tenant has a pool in each zone, and is restored to the newest time unless one is given."""
    asked = BACKUPS | {"rootSecret": "root", "zones": ["z1", "z2"], "maxCpu": 4, "memory": "8Gi", "logDisk": "24Gi"}
    newest = await sent(evaluator, "operator-restore", "restore", asked)
    earlier = await sent(evaluator, "operator-restore", "restore", asked | {"until": "2026-11-29 08:00:00"})

    assert newest["spec"]["tenantName"] == "orders"
    assert [(pool["zone"], pool["resource"]["maxCPU"], pool["resource"]["memorySize"]) for pool in newest["spec"]["pools"]] == [
        ("z1", 4, "8Gi"),
        ("z2", 4, "8Gi"),
    ]
    assert newest["spec"]["source"]["restore"]["until"] == {"unlimited": True}
    assert earlier["spec"]["source"]["restore"]["until"] == {"timestamp": "2026-11-29 08:00:00"}


@pytest.mark.parametrize("secret", [{}, {"accessSecret": "keys"}])
async def test_a_policy_for_backups(evaluator: Evaluator, secret: dict[str, str]) -> None:
    """The policy names a Secret for object storage, and none for a share."""
    applied = await sent(evaluator, "operator-backup-policy", "apply", BACKUPS | {"policy": "nightly"} | secret)
    destination = applied["spec"]["logArchive"]["destination"]

    assert applied["metadata"] == {"name": "nightly"}
    assert destination == {"type": "NFS", "path": "log"} | ({"ossAccessSecret": "keys"} if secret else {})
    assert applied["spec"]["dataBackup"]["fullCrontab"] == "30 0 * * 6"
