"""What one visitor may see, no other does, whatever happens on the same server; and what a visitor may not see any more is gone."""

import random
import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from tests.support.kubectl import Kubectl
from tests.support.made_tasks import make, put
from tests.support.patience import eventually
from tests.support.streams import events
from tests.support.web import Web, person, web, web_settings

from devcluster.controlplane import ControlPlane

STEPS = 200
PHASES = ("Waiting", "Running", "Failed", "Succeeded")
QUERIES = ("", "?status=all", "?status=failed", "?sort=name&cols=age", "?q=-", "?status=finished")


@dataclass(frozen=True)
class Side:
    """A visitor and the namespace that only this visitor may see. Every task's name says whose it is."""

    namespace: str
    token: str

    def name(self, number: int) -> str:
        """Return the name of one of its tasks."""
        return f"{self.namespace}-{number}"


@pytest.fixture(scope="module")
def sides(kubectl: Kubectl, roles: None) -> Iterator[tuple[Side, Side]]:  # noqa: ARG001 - to be done before
    """Return two visitors with rights in a namespace each, and three tasks there."""
    made = []
    for letter in "ab":
        namespace = f"test-{letter}{uuid.uuid4().hex[:8]}"
        kubectl("create", "namespace", namespace)
        side = Side(namespace, person(kubectl, namespace, "visitor", "view"))
        for number in range(3):
            make(kubectl, namespace, side.name(number), "Running", spec={"cluster": side.name(number)})
        made.append(side)
    yield made[0], made[1]
    for side in made:
        kubectl("delete", "namespace", side.namespace, "--wait=false")


def test_two_visitors_never_see_each_others_tasks(task_center: Web, kubectl: Kubectl, sides: tuple[Side, Side]) -> None:
    """200 random steps of both, with sessions that come and go, while tasks change: nothing of one is in any answer to the other."""
    chance = random.Random(14)  # noqa: S311 - a walk
    seen = {side.namespace: 0 for side in sides}
    with ExitStack() as stack:
        browsers = {side: stack.enter_context(task_center.signed_in(side.token)) for side in sides}
        for _ in range(STEPS):
            mine, other = chance.sample(sides, 2)
            number = chance.randrange(3)
            match chance.choices(
                ("page", "once", "stream", "file", "task", "namespace", "again", "change"), (50, 20, 20, 15, 20, 15, 10, 15)
            )[0]:
                case "page":
                    text = browsers[mine].get(f"/tasks{chance.choice(QUERIES)}").text
                case "once":
                    text = browsers[mine].get("/live/tasks?once=1").text
                case "stream":
                    with events(browsers[mine], "/live/tasks") as messages:
                        text = next(messages)
                case "file":
                    text = browsers[mine].get("/tasks.csv").text
                case "task":
                    text = browsers[mine].get(f"/t/{mine.namespace}/{mine.name(number)}").text
                case "namespace":
                    # The name of the namespace is the visitor's own word then; its tasks are not.
                    text = browsers[mine].get(f"/tasks?ns={other.namespace}").text
                    text = re.sub(rf"{other.namespace}(?!-\d)", "", text)
                case "again":
                    browsers[mine].post("/logout")
                    browsers[mine] = stack.enter_context(task_center.signed_in(mine.token))
                    text = browsers[mine].get("/locks").text
                case _:
                    put(kubectl, mine.namespace, mine.name(number), chance.choice(PHASES))
                    text = ""
            seen[mine.namespace] += len(re.findall(rf"{mine.namespace}-\d", text))
            # Who may not see a namespace is told so by its name: a refusal quotes it.
            assert other.name(0)[:-1] not in text

    assert all(count > STEPS / 4 for count in seen.values())


def test_rights_that_are_taken_away(control_plane: ControlPlane, kubectl: Kubectl, namespace: str, translated: None, roles: None) -> None:  # noqa: ARG001
    """What is asked of the API server is refused at once; the rows are gone once the watch was begun anew, and the page says why."""
    make(kubectl, namespace, "tune", "Failed")
    token = person(kubectl, namespace, "li", "view")
    with web(web_settings(control_plane.kubeconfig, watch_seconds=2)) as center, center.signed_in(token) as browser:
        assert 'data-task="tune"' in browser.get("/tasks").text
        assert browser.get(f"/t/{namespace}/tune").status_code == 200

        kubectl("delete", "rolebinding", "--all", "-n", namespace)
        refused = eventually(lambda: browser.get(f"/t/{namespace}/tune"), lambda answer: answer.status_code == 403, seconds=5)
        gone = eventually(lambda: browser.get("/tasks").text, lambda text: 'data-task="tune"' not in text, seconds=10)

    assert "cannot get resource" in refused.text
    assert "You may not list tasks" in gone
