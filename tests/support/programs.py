"""Owns what tests need: which of them need a control plane, a SQL server or patience, and the programs that a run builds first for them."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devcluster.progress import Report

FOLDER = Path(__file__).parents[1]

# What a test is marked with by a fixture that it asks for, directly or through another.
MARKS = {"binaries": "control_plane", "seekdb": "seekdb"}

# Files and folders in tests/ that take too long for `make test-fast`: they search, measure time or memory, render the chart, or wait.
SLOW = (
    "chart",
    "exploration/test_exploration.py",
    "unit/logs/test_log_memory.py",
    "unit/property",
    "unit/masking/test_linear.py",
    "component/executors/evaluation/test_evaluation.py",
    "component/executors/http/test_http_hostile.py",
    "component/executors/http/test_http_connection.py",
    "component/executors/http/test_http_secrets.py",
    "component/executors/obshell/test_obshell_action.py",
    "component/executors/obshell/test_obshell_hostile.py",
    "component/executors/obshell/test_obshell_limits.py",
    "component/executors/obshell/test_obshell_outage.py",
    "component/executors/obshell/test_obshell_paths.py",
    "component/executors/obshell/test_obshell_sdk.py",
    "component/executors/obshell/test_obshell_search.py",
    "component/executors/sql/test_sql_hostile.py",
    "component/executors/test_sums.py",
    "component/kube/test_kubeconfig_settings.py",
    "component/runtime/test_kopf_session.py",
    "component/plugin/test_plugin_file.py",
    "component/test_command_line.py",
    "component/test_templates_command.py",
    "component/web/test_web_command.py",
    "contract/test_additions.py",
    "contract/test_generated.py",
    "contract/test_members.py",
    "documents/test_repository.py",
    "documents/test_site.py",
    "unit/plugin/test_plugin_watch.py",
    "unit/rules/test_rules_sql_values.py",
)


def mark(items: list[pytest.Item]) -> None:
    """Mark tests by what they need, so that `-m "not control_plane"` leaves them out."""
    slow = {FOLDER / path for path in SLOW}
    files = {item.path for item in items}  # each is looked at once: there are many more tests
    slow_files = {file for file in files if not slow.isdisjoint((file, *file.parents))}
    for item in items:
        for fixture in fixtures_of(item):
            if fixture in MARKS:
                item.add_marker(MARKS[fixture])
        if item.path in slow_files:
            item.add_marker("slow")


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
