"""The Task Center of `make up`."""

from pathlib import Path

import httpx
from tests.support.web import SAME_ORIGIN

from devcluster import processes, taskcenter
from devcluster.controlplane import ControlPlane
from devcluster.progress import silent


def test_every_up_prints_a_link_that_signs_in(control_plane: ControlPlane, tmp_path: Path) -> None:
    """What runs already goes on, with a new link; those before it sign nobody in."""
    try:
        first, second = (taskcenter.ensure(tmp_path / "run", tmp_path / "log", control_plane.kubeconfig, silent) for _ in "xx")
        assert first is not None
        assert second is not None
        assert (first.process.pid, first.link == second.link) == (second.process.pid, False)
        answers = []
        for link in (first.link, second.link):
            page, _, code = link.partition("#")
            answers.append(httpx.post(page, data={"secret": code}, headers=SAME_ORIGIN, trust_env=False).status_code)

        assert answers == [403, 303]
    finally:
        processes.stop(processes.recorded(tmp_path / "run"))
    assert not [process for process in processes.recorded(tmp_path / "run") if processes.is_alive(process)]
