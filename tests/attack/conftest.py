"""Owns the fixtures and options of the attacks, and the table at their end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.attack.ground import Ground, attacked_cluster
from tests.attack.registry import attacks
from tests.attack.table import Results, table

from devcluster.sqlserver import SqlServer

RESULTS = pytest.StashKey[Results]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Choose attacks: `--only S3`, and `--full` for the long ones, too."""
    parser.addoption("--only", default="", help="attacks of these numbers only, such as S3 or S3,S9")
    parser.addoption("--full", action="store_true", help="the long attacks, too")


def pytest_configure(config: pytest.Config) -> None:
    """Begin with an empty table."""
    config.stash[RESULTS] = Results()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each chosen attack."""
    if "attack" in metafunc.fixturenames:
        only = {number for number in metafunc.config.getoption("--only", "").upper().split(",") if number}
        full = metafunc.config.getoption("--full", default=False)
        chosen = [attack for attack in attacks() if (not only or attack.number in only) and (full or not attack.full)]
        metafunc.parametrize("attack", chosen, ids=[attack.id for attack in chosen])


@pytest.fixture(scope="session")
def results(pytestconfig: pytest.Config) -> Results:
    """Return where results are collected."""
    return pytestconfig.stash[RESULTS]


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory, seekdb: SqlServer, results: Results) -> Iterator[Ground]:
    """Return the attacked cluster: one for all attacks."""
    folder = tmp_path_factory.mktemp("attack")
    with attacked_cluster(folder, seekdb, folder / "operator.log") as found:
        results.quiet = found.quiet
        yield found


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    results = config.stash[RESULTS]
    if results.rows:
        terminalreporter.write_line("")
        for line in table(results.rows, results.quiet):
            terminalreporter.write_line(line)
    left = (
        [] if config.getoption("--full", default=False) or config.getoption("--only", "") else [one.name for one in attacks() if one.full]
    )
    if results.rows and left:
        terminalreporter.write_line(f"FULL=1 adds: {'; '.join(left)}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every attack the time that its cluster may need to start."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(300))
