"""Owns the fixtures of tests of the Task Center: one that runs against the real API server, and people with tokens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from tests.support.kubectl import Kubectl
from tests.support.web import Web, install_roles, web, web_settings

from devcluster.controlplane import ControlPlane
from obtask.web import language


@pytest.fixture(scope="session")
def translated() -> None:
    """Compile the translations as they stand now: an installation from a checkout has those of the day it was made."""
    for source in Path(language.FOLDER).glob("*/LC_MESSAGES/*.po"):
        fresh = source.with_suffix(".fresh")
        with source.open("rb") as text, fresh.open("wb") as compiled:
            write_mo(compiled, read_po(text))
        fresh.replace(source.with_suffix(".mo"))


@pytest.fixture(scope="session")
def roles(kubectl: Kubectl) -> None:
    """Make the roles that `person` gives."""
    install_roles(kubectl)


@pytest.fixture(scope="session")
def task_center(control_plane: ControlPlane, translated: None, roles: None) -> Iterator[Web]:  # noqa: ARG001 - to be done before
    """Return a Task Center of the test run's API server; visitors sign in with tokens. Its clock stays as it is."""
    with web(web_settings(control_plane.kubeconfig)) as running:
        yield running
