"""Owns the parts of the measurement of the Task Center: which there are, and in which order they are done."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from tests.bench.figures import Figure
from tests.bench.web.browsed import log, running_step, seen_changes
from tests.bench.web.ground import Ground, Scale
from tests.bench.web.pages import changes, first_visits, first_visits_with_more, history, pages
from tests.bench.web.resting import resting

from devcluster.controlplane import control_plane

# Each part has a Task Center of its own. The last one makes more unfinished tasks.
PARTS: Final[Mapping[str, Callable[[Ground], list[Figure]]]] = {
    "first": first_visits,
    "pages": pages,
    "history": history,
    "changes": changes,
    "seen": seen_changes,
    "log": log,
    "running": running_step,
    "rest": resting,
    "more": first_visits_with_more,
}
SUITE: Final = "suite"  # takes longer than all others, and only if it is asked for
SUITE_ROW: Final = "browser suite as in CI, alone, in one process"
NAMES: Final = (*PARTS, SUITE)


def measure(folder: Path, say: Callable[[str], None], scale: Scale, only: Collection[str] = ()) -> list[Figure]:
    """Return the figures of the parts that are asked for, or of all but the browser suite."""
    figures: list[Figure] = []
    if set(only) != {SUITE}:
        with control_plane(folder / "web", audit=True) as cluster:
            ground = Ground(cluster, folder, say, scale)
            ground.prepare()
            for name, part in PARTS.items():
                if not only or name in only:
                    say(name)
                    found = part(ground)
                    say("\n".join(["", *(figure.row() for figure in found)]))
                    figures += found
    return figures + (_suite(say) if SUITE in only else [Figure(SUITE_ROW, 0, "s", word=f"not run: make bench-web ONLY={SUITE}")])


def _suite(say: Callable[[str], None]) -> list[Figure]:
    say("the browser suite")
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "tests/browser"]
    # In CI what cannot be run is an error, and is not left out.
    subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ | {"CI": "true"})  # noqa: S603 - ours
    return [Figure(SUITE_ROW, time.monotonic() - began, "s")]
