"""Owns the case of every kind of action in the conformance suite: its surroundings, and what it is asked to do there."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tests.support.agent.agent import FakeAgent
from tests.support.beside import beside
from tests.support.kubectl import Kubectl
from tests.support.node import Node
from tests.support.tasks import TaskClient
from tests.support.website import website
from tests.system.kinds import Http, Kind, Wait, of_sql
from tests.system.kinds_outside import Job, Obshell, Resource

from obtask.executors.registry import REGISTRY
from obtask.model.contract import ActionKind


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a case may use. ``stack`` ends what it starts."""

    tasks: TaskClient
    kubectl: Kubectl
    folder: Path
    request: pytest.FixtureRequest
    stack: ExitStack


def _sql(around: Surroundings) -> Kind:
    return around.stack.enter_context(of_sql(around.tasks, around.request.getfixturevalue("seekdb")))


def _job(around: Surroundings) -> Kind:
    around.stack.enter_context(Node(around.tasks.cluster, around.tasks.namespace).running())
    return Job(around.tasks, around.folder)


def _http(around: Surroundings) -> Kind:
    return Http(around.tasks, around.stack.enter_context(beside(website())))


def _resource(around: Surroundings) -> Kind:
    return Resource(around.tasks, around.kubectl)


def _obshell(around: Surroundings) -> Kind:
    return Obshell(around.tasks, around.stack.enter_context(FakeAgent().running()))


CASES: Final[dict[ActionKind, Callable[[Surroundings], Kind]]] = {
    ActionKind.WAIT: lambda _: Wait(),
    ActionKind.SQL: _sql,
    ActionKind.JOB: _job,
    ActionKind.HTTP: _http,
    ActionKind.RESOURCE: _resource,
    ActionKind.OBSHELL: _obshell,
}
WITHOUT_TARGET: Final = frozenset({ActionKind.WAIT})  # it changes nothing, and nothing can go wrong with it

BY_A_PERSON: Final = frozenset({ActionKind.APPROVE})  # nothing runs, and a command ends it: test_approval.py

EVERY: Final = tuple(kind for kind in REGISTRY if kind not in BY_A_PERSON)
WORKING: Final = tuple(kind for kind in EVERY if kind not in WITHOUT_TARGET)
