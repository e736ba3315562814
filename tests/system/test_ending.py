"""The end of an operator at SIGTERM: whatever hangs, it is over before the kubelet kills the process."""

import time
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.operators import OperatorProcess
from tests.support.tasks import sql_step
from tests.support.verdicts import Delay
from tests.system.scene import Scene

from obtask.runtime.ending import MARGIN_SECONDS

GRACE = 1
FOR_EVER = 600.0


@pytest.mark.timeout(120)
def test_it_ends_in_time_although_the_api_server_hangs(scene: Scene, gateway: Gateway, tmp_path: Path) -> None:
    """A statement that does not end, and an API server that answers nothing any more: the process is gone within its grace period."""
    variables = {"OBTASK_LEADER_NAMESPACE": scene.tasks.namespace, "OBTASK_GRACE_SECONDS": str(GRACE)}
    operator = OperatorProcess(gateway.kubeconfig, scene.tasks.namespace, tmp_path / "operator.log", **variables)
    operator.start()
    try:
        scene.create("endless", sql_step("s", "select sleep(300)"))
        scene.tasks.wait_phase("endless", "Running")
        gateway.rule = lambda method, path: Delay(FOR_EVER)  # noqa: ARG005 - a rule's arguments

        began = time.monotonic()
        code = operator.stop()

        assert time.monotonic() - began < GRACE + MARGIN_SECONDS
        assert code == 0
    finally:
        operator.kill()
