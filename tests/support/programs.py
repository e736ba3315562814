"""Owns what a test run has to build before it begins: the programs that the chosen tests ask for by a fixture, and nothing else."""

import sys
from collections.abc import Callable

import pytest

from devcluster.progress import Report

# Tests that ask for this fixture, directly or through another, need a Kubernetes control plane, and are marked with its name.
CONTROL_PLANE = "control_plane"
PROGRAMS = "binaries"


def mark_tests_with_a_control_plane(items: list[pytest.Item]) -> None:
    """Mark what needs a control plane, so that `-m "not control_plane"` leaves it out."""
    for item in items:
        if PROGRAMS in fixtures_of(item):
            item.add_marker(CONTROL_PLANE)


def build_if_asked(session: pytest.Session, fixture: str, build: Callable[[Report], object]) -> None:
    """Build what a fixture stands for, if one of the chosen tests asks for it.

    This is done after the collection, because a test has a timeout, which counts for its fixtures, too. Among the workers of
    pytest-xdist the first one builds, and the others wait for its lock.
    """
    if session.config.option.collectonly or not any(fixture in fixtures_of(item) for item in session.items):
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        build(_report)


def fixtures_of(item: pytest.Item) -> list[str]:
    """Return the names of all fixtures that a test stands on."""
    names: list[str] = getattr(item, "fixturenames", [])
    return names


def _report(what: str, seconds: float | None) -> None:
    sys.stderr.write(f"· {what}\n" if seconds is None else f"✓ {what}, {seconds:.1f} s\n")
