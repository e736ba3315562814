"""Views of tasks, each with its visitor's own rights, on the real API server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.kubectl import Kubectl
from tests.support.made_tasks import make, put
from tests.support.web import ROLES, person

from devcluster.controlplane import ControlPlane
from obtask.kube.visitors import Bearer, server
from obtask.web.pages.task_file import task_file
from obtask.web.views.query import Query
from obtask.web.views.query import Status as Wanted
from obtask.web.views.registry import Views
from obtask.web.views.source import Pace, Standing
from obtask.web.views.view import View
from obtask.web.visitor import Visitor, view_key

PATIENCE = 30
pytestmark = pytest.mark.usefixtures("roles")


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 29, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


@asynccontextmanager
async def views(control_plane: ControlPlane, *tokens: str, pace: Pace | None = None) -> AsyncIterator[tuple[Views, list[Visitor]]]:
    """Give the views of a process, and visitors with these tokens."""
    upstream = await server(str(control_plane.kubeconfig), with_credentials=False)
    opened = Views(Time(), (), pace)
    try:
        yield opened, [Visitor("somebody", (), view_key(token), upstream.api.under(Bearer(token))) for token in tokens]
    finally:
        await opened.close()
        await upstream.api.close()


async def until(view: View, condition: Callable[[], bool]) -> None:
    """Wait until something is so of a view."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await view.changed(view.version)


def shown(view: View, query: Query | None = None) -> set[str]:
    """Return the names of what is shown."""
    return {row.name for row in view.chosen(query or Query())}


async def live_view(opened: Views, visitor: Visitor, namespace: str) -> View:
    """Return a visitor's view of one namespace once it is live."""
    view = opened.of(visitor)
    view.look_at(namespace)
    await until(view, lambda: view.is_ready)
    view.look_at(namespace)
    await until(view, lambda: view.is_live)
    return view


async def test_unfinished_tasks_first_then_what_happens_and_the_others_on_demand(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    """A view of one namespace has what is not finished, follows changes, and reads finished tasks when somebody asks for them."""
    for name, phase in (("tune", "Failed"), ("wait", "Waiting"), ("old", "Succeeded"), ("older", "Skipped")):
        make(kubectl, namespace, name, phase)
    token = person(kubectl, namespace, "li", "view")
    async with views(control_plane, token, pace=Pace(page=1)) as (opened, (visitor,)):
        view = await live_view(opened, visitor, namespace)

        assert shown(view) == {"tune", "wait"}
        assert not view.is_clusterwide
        assert view.total == 4

        put(kubectl, namespace, "wait", "Running")
        await until(view, lambda: view.counts.running == 1)
        view.ask_history()
        await until(view, lambda: view.history.complete)

        assert shown(view, Query(Wanted.FINISHED)) == {"old", "older"}
        kubectl("delete", "obtask", "old", "-n", namespace, "--wait=false")
        await until(view, lambda: "old" not in shown(view))


async def test_a_file_waits_for_finished_tasks_and_says_if_it_does_not_have_them(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    """Nobody has asked for them before. A file that was not waited for says in its name and at its end what it lacks."""
    for name, phase in (("tune", "Failed"), ("old", "Succeeded"), ("older", "Skipped")):
        make(kubectl, namespace, name, phase)
    token, clock = person(kubectl, namespace, "li", "view"), Time()
    async with views(control_plane, token, pace=Pace(page=1)) as (opened, (visitor,)):
        view = await live_view(opened, visitor, namespace)

        failed = await task_file(view, Query(Wanted.FAILED), clock, seconds=0)
        early = await task_file(view, Query(), clock, seconds=0)
        whole = await task_file(view, Query(), clock)

    assert failed.name == whole.name == "tasks-20261129T000000Z.csv"
    assert early.name == "tasks-20261129T000000Z-incomplete.csv"
    assert early.text.splitlines()[-1] == "# incomplete: 0 of about 3 tasks were read"
    assert [line.split(",")[1] for line in failed.text.splitlines()[1:]] == ["tune"]
    assert {line.split(",")[1] for line in whole.text.splitlines()[1:]} == {"tune", "old", "older"}


async def test_a_file_of_a_namespace_tells_of_that_namespace_only(control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """That another one may not be seen is not said there, and does not hide that finished tasks are missing."""
    for name, phase in (("tune", "Failed"), ("old", "Succeeded")):
        make(kubectl, namespace, name, phase)
    async with views(control_plane, person(kubectl, namespace, "li", "view")) as (opened, (visitor,)):
        view = opened.of(visitor)
        for each in (namespace, "elsewhere"):
            await until(view, lambda: view.is_ready)
            view.look_at(each)
        await until(view, lambda: view.is_ready)

        early = await task_file(view, Query(namespace=namespace), Time(), seconds=0)
        whole = await task_file(view, Query(namespace=namespace), Time())

    assert [problem.namespace for problem in view.problems] == ["elsewhere"]
    assert early.text.splitlines()[-1] == "# incomplete: 0 of about 2 tasks were read"
    assert "incomplete" not in whole.name + whole.text


async def test_rights_that_are_taken_away_take_the_rows_with_them(control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """When the watch ends, rights are looked at again: what may not be seen any more is gone, and the API server's sentence says why."""
    make(kubectl, namespace, "tune", "Failed")
    token = person(kubectl, namespace, "li", "view")
    async with views(control_plane, token, pace=Pace(watch=2)) as (opened, (visitor,)):
        view = opened.of(visitor)
        await until(view, lambda: view.is_ready)
        view.look_at(namespace)
        await until(view, lambda: shown(view) == {"tune"})

        kubectl("delete", "rolebinding", "--all", "-n", namespace)
        await until(view, lambda: not view.rows)

        assert [(each.namespace, each.standing) for each in view.problems] == [(namespace, Standing.REFUSED)]
        assert "cannot" in view.problems[0].message


async def test_two_identities_never_share_a_view(control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """Each visitor has a view of their own; the same visitor has one, however often they look."""
    make(kubectl, namespace, "tune", "Failed")
    tokens = [person(kubectl, namespace, name, role) for name, role in (("li", "view"), ("wang", None))]
    async with views(control_plane, *tokens) as (opened, (li, wang)):
        one, other = opened.of(li), opened.of(wang)
        assert opened.of(li) is one
        for view in (one, other):
            await view.ready(PATIENCE)
            view.look_at(namespace)
        await until(one, lambda: shown(one) == {"tune"})
        await until(other, lambda: any(each.namespace == namespace for each in other.problems))

        assert not other.rows


async def test_who_may_see_all_namespaces_has_one_watch(control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """With the right in the whole cluster there is nothing to choose."""
    make(kubectl, namespace, "tune", "Failed")
    token = person(kubectl, namespace, "li", None)
    binding = f"web-{namespace}"
    kubectl("create", "clusterrolebinding", binding, f"--clusterrole={ROLES}-view", f"--serviceaccount={namespace}:li")
    try:
        async with views(control_plane, token) as (opened, (visitor,)):
            view = opened.of(visitor)
            await until(view, lambda: view.is_live)

            assert view.is_clusterwide
            assert view.named(namespace, "tune") is not None
            assert shown(view, Query(namespace=namespace)) == {"tune"}
    finally:
        kubectl("delete", "clusterrolebinding", binding)


async def test_views_that_nobody_looks_at_are_dropped(control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """A view stays while a tab is open and for a minute after it, and there are never too many."""
    tokens = [person(kubectl, namespace, name, None) for name in ("li", "wang", "zhao")]
    async with views(control_plane, *tokens) as (opened, (li, wang, zhao)):
        clock = opened._clock
        assert isinstance(clock, Time)
        opened._most = 2
        with opened.held(li) as view:
            opened.of(wang)
            clock.now += timedelta(seconds=61)
            opened.sweep()
            assert len(opened) == 1
            opened.of(wang)
            opened.of(zhao)
            assert len(opened) == 2
            assert opened.of(li) is view
        clock.now += timedelta(seconds=61)
        opened.sweep()
        assert len(opened) == 0
        assert view.is_over or await view.changed(view.version)
