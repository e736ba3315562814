"""Owns a person at work: gives the commands of each story, retries what was interrupted, skips what failed for no reason of its story."""

import http
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tests.chaos.stories import GONE, Act, Story
from tests.support.apiserver import OBTASKS, Body, ServerError
from tests.support.tasks import FINISHED, TaskClient

LOOK_SECONDS = 1.0


class Person:
    """Looks at all tasks whenever one has changed. ``commands`` counts the commands given, by the task's uid."""

    def __init__(self, tasks: TaskClient, stories: Sequence[Story]) -> None:
        self._tasks = tasks
        self._path = OBTASKS.format(tasks.namespace)
        self.stories = tuple(stories)
        self._acts: dict[str, tuple[Act, ...]] = {story.name: story.acts for story in stories}
        self._heirs = {story.name: story.heir for story in stories}
        self.commands: Counter[str] = Counter()
        self.interrupted = 0

    def create(self) -> None:
        """Make the tasks of all stories, one after the other."""
        for story in self.stories:
            self._tasks.create(story.name, **story.spec)

    def attend(self, until: Callable[[], bool], seconds: float) -> bool:
        """Work until that is so, or the time is over; return whether it is so. Asked after each look."""
        deadline = time.monotonic() + seconds
        while True:
            listed = self._tasks.api.get(self._path)
            found = {body["metadata"]["name"]: body for body in listed["items"]}
            for story in self.stories:
                self._act(story.name, found.get(story.name))
            if until():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            changes = self._tasks.api.watch(self._path, listed["metadata"]["resourceVersion"], min(left, LOOK_SECONDS))
            next(iter(changes), None)

    def ends(self) -> dict[str, str]:
        """Return how each story has ended; those that have not are left out."""
        found = {body["metadata"]["name"]: body for body in self._tasks.api.get(self._path)["items"]}
        ends = {story.name: self._end(story.name, found.get(story.name)) for story in self.stories}
        return {name: end for name, end in ends.items() if end is not None}

    def _end(self, name: str, body: Body | None) -> str | None:
        if body is None:
            return GONE if self._heirs[name] is None else None
        phase: str = body.get("status", {}).get("phase", "Pending")
        waiting = body["metadata"].get("finalizers") or asked(body) or "delete" in [act for _, act in self._acts[name]]
        return phase if phase in FINISHED and not waiting else None

    def _act(self, name: str, body: Body | None) -> None:
        if body is None:
            self._bequeath(name)
        elif "deletionTimestamp" not in body["metadata"] and not asked(body):
            status = body.get("status", {})
            act = self._choose(name, status)
            if act is not None:
                self._do(body, act)

    def _bequeath(self, name: str) -> None:
        heir, self._heirs[name] = self._heirs[name], None
        if heir is not None:
            self._tasks.create(name, **heir)

    def _choose(self, name: str, status: Body) -> str | None:
        phase = status.get("phase", "Pending")
        # Not of a task that is being cancelled: it may be retried, and awaits another approval then.
        asks = status.get("reason") if "approve" in status.get("allowedActions", ()) else None
        if phase == "Failed" and status.get("failedSubtask", {}).get("reason") == "Interrupted":
            self.interrupted += 1
            return "retry"
        acts = self._acts[name]
        fitting = [number for number, (wanted, _) in enumerate(acts) if wanted in (phase, asks) or (not wanted and phase in FINISHED)]
        if fitting:
            act = acts[fitting[0]][1]
            self._acts[name] = () if act == "delete" else acts[fitting[0] + 1 :]
            return act
        return "skip" if phase == "Failed" else None

    def _do(self, body: Body, act: str) -> None:
        path = f"{self._path}/{body['metadata']['name']}"
        try:
            if act == "delete":
                self._tasks.api.send("DELETE", path)
            else:
                self._tasks.api.send("PATCH", path, {"metadata": {"annotations": {"action": act}}})
                self.commands[body["metadata"]["uid"]] += 1
        except ServerError as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                raise


def asked(task: Body) -> bool:
    """Return whether a command was given that is not answered yet."""
    annotations = task["metadata"].get("annotations", {})
    noted = json.loads(annotations.get("task.oceanbase.com/accepted-command", "{}"))
    return "action" in annotations or (bool(noted) and noted["id"] != task.get("status", {}).get("lastAction", {}).get("id"))
