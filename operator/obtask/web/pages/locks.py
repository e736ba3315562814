"""Owns the page of locks: who holds what, who waits for it in which order, and who starts next, by the operator's own rules."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from obtask.kube.api import ApiError, ApiUnauthorized, BadName, path_of
from obtask.kube.leases import Lease, read_lease
from obtask.model.contract import SCOPES
from obtask.names import LOCK_LABEL
from obtask.rules.exclusion import Contender, DomainView, in_the_way
from obtask.rules.lock_keys import Domain, LockKey, holder_uid
from obtask.web.extras import PATIENCE_SECONDS, extra
from obtask.web.live import Live, Page, Piece, Render, Tab
from obtask.web.rendering import Renderer
from obtask.web.views.lines import Lines
from obtask.web.views.namespaces import place
from obtask.web.views.registry import view_of
from obtask.web.views.rows import Row
from obtask.web.views.view import View

READY_SECONDS = 5
LOOK_SECONDS = 5  # between two looks at the Leases, of which nothing else tells
MOST_DOMAINS = 50
MOST_LANES = 50  # of a cluster or host
MOST_QUEUE = 100
MOST_NEXT = 20  # holders whose end is told of, and names in each list of who is next
MOST_LEASES = "500"


@dataclass(frozen=True, slots=True)
class Waiter:
    """A task that waits: at which place of its line, and whether it passes others because those wait for a person."""

    row: Row
    place: int
    passes: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """One lock: who holds it, and who waits for it."""

    lock: LockKey
    holders: tuple[Row, ...]
    waiters: tuple[Waiter, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Some:
    """The first tasks of a list, and how many more there are."""

    rows: tuple[Row, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Next:
    """Who starts at once when a holder ends, each list in order; ``rest`` waits on for others."""

    holder: Row
    starts: Some
    rest: Some


@dataclass(frozen=True, slots=True)
class Card:
    """The locks of one cluster, or of one host; how many more of each kind there are."""

    domain: Domain
    lanes: tuple[Lane, ...]
    more_lanes: int
    nexts: tuple[Next, ...]
    more_nexts: int


def routes(renderer: Renderer, live: Live) -> Sequence[BaseRoute]:
    """Return the routes of this page, and have it kept up to date."""
    live.add("locks", _live_page(renderer))

    async def show(request: Request) -> Response:
        view, namespace = view_of(request), _namespace(request)
        parts, address = await live.parts(request, "locks", view)
        return renderer.page(
            request,
            "locks.html",
            here="locks",
            parts=parts,
            live=address,
            namespace=namespace,
            namespaces=view.namespaces,
            place=place(namespace, everywhere=view.is_clusterwide, known=view.namespaces),
        )

    return [Route("/locks", show)]


def _namespace(request: Request) -> str:
    return request.query_params.get("ns", "")


def _live_page(renderer: Renderer) -> Page:
    @asynccontextmanager
    async def page(tab: Tab) -> AsyncIterator[Render]:
        view, namespace = tab.view, _namespace(tab.request)
        if namespace:
            view.look_at(namespace)
        await view.ready(READY_SECONDS)
        orphans = _Orphans(tab, namespace)
        await orphans.look(PATIENCE_SECONDS)
        looking = asyncio.create_task(orphans.keep_looking())

        async def render() -> Mapping[str, str | Piece]:
            context = _context(view, namespace) | {"orphans": orphans.shown}
            return {
                "problems": renderer.part(tab.language, "problems.html", problems=view.problems).strip(),
                "locks": renderer.part(tab.language, "locks_now.html", view=view, **context),
            }

        try:
            yield render
        finally:
            looking.cancel()

    return page


def _context(view: View, namespace: str) -> dict[str, Any]:
    domains = sorted((domain for domain in view.lines.domains if namespace in {"", domain.namespace}), key=_order)
    cards = [card_of(view.lines, view.rows, domain) for domain in domains[:MOST_DOMAINS]]
    return {"cards": cards, "left_out": max(0, len(domains) - MOST_DOMAINS)}


def card_of(lines: Lines, rows: Mapping[str, Row], domain: Domain) -> Card:
    """Return what is to be seen of a domain."""
    line = lines.domains[domain]
    locks = sorted({*line.held, *line.queues}, key=_lane_order)
    lanes = tuple(_lane(lines, rows, line, lock) for lock in locks[:MOST_LANES])
    holders = [rows[each.uid] for each in line.holders if each.uid in rows and lines.count_behind(each.uid)]
    holders.sort(key=lambda row: (row.created, row.name))
    nexts = tuple(_next(lines, holder) for holder in holders[:MOST_NEXT])
    return Card(domain, lanes, len(locks) - len(lanes), nexts, len(holders) - len(nexts))


def _lane(lines: Lines, rows: Mapping[str, Row], line: DomainView, lock: LockKey) -> Lane:
    holders = tuple(rows[uid] for uid in line.held.get(lock, ()) if uid in rows)
    queue = [each for each in line.queues.get(lock, ()) if each.uid in rows]
    passing = {each.uid for each in queue[:1] if _passes(each, line)}
    waiters = tuple(Waiter(rows[each.uid], lines.place(each.uid) or 1, each.uid in passing) for each in queue[:MOST_QUEUE])
    return Lane(lock, holders, waiters, len(queue) - len(waiters))


def _passes(first: Contender, line: DomainView) -> bool:
    """Return whether nobody is in the way of the first of a queue although earlier ones wait.

    Those wait for a person, and lose their place. Behind the first of a queue nobody passes: it is in their way, or what stops it is.
    """
    return any(queue[0].position < first.position for queue in line.queues.values()) and not in_the_way(first, line).count


def _next(lines: Lines, holder: Row) -> Next:
    starts = lines.next_after(holder.uid)
    first = {row.uid for row in starts}
    rest = [row for row in lines.behind(holder.uid, MOST_NEXT + len(starts)) if row.uid not in first][:MOST_NEXT]
    waiting_on = lines.count_behind(holder.uid) - len(starts)
    return Next(
        holder,
        Some(starts[:MOST_NEXT], max(0, len(starts) - MOST_NEXT)),
        Some(tuple(rest), waiting_on - len(rest)),
    )


class _Orphans:
    """The Leases that no known task holds, for a visitor who may see Leases; for others there are none."""

    def __init__(self, tab: Tab, namespace: str) -> None:
        self._tab = tab
        self._namespace = namespace
        self._found: tuple[Lease, ...] = ()

    @property
    def shown(self) -> tuple[Lease, ...]:
        """Those of the last look whose holder has not become known since."""
        return tuple(lease for lease in self._found if not self._is_known(lease))

    async def look(self, seconds: float | None = None) -> None:
        """Look at them now, for so long; while the API server does not tell, what was found stays. Raises ApiUnauthorized."""
        if not (self._tab.view.is_clusterwide or self._namespace):
            return
        scope = ("namespaces", self._namespace) if self._namespace else ()
        try:
            path = path_of("apis", "coordination.k8s.io", "v1", *scope, "leases")
        except BadName:
            return
        query = {"labelSelector": LOCK_LABEL, "limit": MOST_LEASES}
        answer = await extra(self._tab.visitor.api.send("GET", path, query=query), None, seconds)
        if answer is None:
            return
        leases = () if isinstance(answer, ApiError) else (read_lease(item) for item in answer.get("items") or ())
        self._found = tuple(lease for lease in leases if lease.holder and not self._is_known(lease))

    async def keep_looking(self) -> None:
        """Look again and again, and have the page show what is new; ends when the API server does not know the visitor any more."""
        while not self._tab.view.is_over:
            await asyncio.sleep(LOOK_SECONDS)
            before = self.shown
            try:
                await self.look()
            except ApiUnauthorized:
                return
            if self.shown != before:
                self._tab.wake()

    def _is_known(self, lease: Lease) -> bool:
        return holder_uid(lease.holder) in self._tab.view.rows


def _order(domain: Domain) -> tuple[str, str, str]:
    return (domain.namespace, domain.type.value, domain.target)


def _lane_order(lock: LockKey) -> tuple[int, str]:
    return (SCOPES.index(lock.scope), lock.tenant)
