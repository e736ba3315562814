"""Owns a Task Center on a real port of this machine, for tests, and visitors of it: browsers without scripts."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from tests.support.chart.rendering import objects
from tests.support.kubectl import Kubectl

from obtask.web.server import Told, serve
from obtask.web.settings import WebSettings

START_SECONDS = 30
STOP_SECONDS = 30
ROLES = "task-center-obtask-operator"
CLUSTER_ROLES = frozenset(f"{ROLES}-{role}" for role in ("view", "edit", "admin", "templates-view"))
LEVELS = ("view", "edit", "admin")
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


class Clock:
    """The time of a Task Center: the real one, until a test moves it on."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC) + self.ahead

    def move(self, **by: float) -> None:
        """Move it on."""
        self.ahead += timedelta(**by)


@dataclass(frozen=True, slots=True)
class Web:
    """A Task Center that runs."""

    url: str
    link: str
    clock: Clock

    @property
    def code(self) -> str:
        """The code of the one-time link, empty where there is none."""
        return self.link.partition("#")[2]

    def browser(self, **more: Any) -> httpx.Client:
        """Return a browser that nobody has signed in with yet; it sends what browsers send with a form of the same page."""
        headers = {"Accept": "text/html", "Accept-Language": "en", **SAME_ORIGIN, **more.pop("headers", {})}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False, **more)

    @contextmanager
    def signed_in(self, secret: str, **more: Any) -> Iterator[httpx.Client]:
        """Give a browser whose visitor has signed in with a token or a code."""
        with self.browser(**more) as browser:
            answer = browser.post("/login", data={"secret": secret})
            assert answer.status_code == 303, answer.text
            yield browser


@contextmanager
def web(settings: WebSettings) -> Iterator[Web]:
    """Run a Task Center in a thread, as `obtask web` runs it, while the block lasts."""
    clock, ready, told, loop = Clock(), Future[str](), Told(), asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(serve(settings, told, ready.set_result, clock))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="web")
    thread.start()
    try:
        link = ready.result(START_SECONDS)
        yield Web(link.partition("/login")[0], link, clock)
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(told.stop.set)
        thread.join(STOP_SECONDS)


def web_settings(kubeconfig: Path, **more: Any) -> WebSettings:
    """Return the settings of a Task Center on a free port, by default with the identity `token`."""
    return WebSettings(
        **{"kubeconfig": str(kubeconfig), "listen": ("127.0.0.1", 0), "identity": "token", "logins_per_minute": 10000, **more}
    )


def install_roles(kubectl: Kubectl) -> None:
    """Make the chart's roles for people, under names of their own; they are not aggregated, so that other suites see nothing of them."""
    made = [body for body in objects({}, name=ROLES) if body["kind"] == "ClusterRole" and body["metadata"]["name"] in CLUSTER_ROLES]
    for body in made:
        del body["metadata"]["labels"]
    kubectl("apply", "-f", "-", manifest={"apiVersion": "v1", "kind": "List", "items": made})


def person(kubectl: Kubectl, namespace: str, name: str, role: str | None, duration: str = "1h") -> str:
    """Return a token of somebody new with a role in the namespace: view, edit or admin, or none. `roles` has to be there."""
    kubectl("create", "serviceaccount", name, "-n", namespace)
    account = f"{namespace}:{name}"
    # As aggregation does it: whoever may edit may view.
    below = LEVELS[: LEVELS.index(role) + 1] if role is not None else ()
    for cluster_role in (role, *(f"{ROLES}-{each}" for each in below)) if role is not None else ():
        kubectl(
            "create",
            "rolebinding",
            f"{name}-{cluster_role}",
            "-n",
            namespace,
            f"--clusterrole={cluster_role}",
            f"--serviceaccount={account}",
        )
    if role is not None:
        kubectl(
            "create", "clusterrolebinding", f"{namespace}-{name}", f"--clusterrole={ROLES}-templates-view", f"--serviceaccount={account}"
        )
    return kubectl("create", "token", name, "-n", namespace, f"--duration={duration}").strip()
