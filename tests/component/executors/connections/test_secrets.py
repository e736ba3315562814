"""Connection Secrets are read when an attempt starts; an API server that is away for a moment fails no attempt."""

import base64
from dataclasses import dataclass, field

from obtask.executors.connections.connection import Connection
from obtask.executors.secret_connections import TRIES, SecretConnections
from obtask.kube.api import ApiError, ApiUnavailable, Json
from obtask.kube.objects import Objects
from obtask.model.attempt import Failed
from obtask.model.reasons import FailureReason

SECRET = {"type": "task.oceanbase.com/connection", "data": {"host": base64.b64encode(b"db").decode()}}


@dataclass
class AwayForAWhile:
    """An API server that does not answer so many requests, and then has the Secret."""

    unanswered: int
    pauses: list[float] = field(default_factory=list)

    async def send(self, method: str, path: str, *, query: object = None, body: Json | None = None) -> Json | ApiError:
        """Answer, or not."""
        if self.unanswered:
            self.unanswered -= 1
            raise ApiUnavailable(f"{method} {path} {query} {body is None}")
        return SECRET

    async def sleep(self, seconds: float) -> None:
        """Take note of a pause."""
        self.pauses.append(seconds)


async def test_an_api_server_that_is_away_for_a_moment_is_asked_again() -> None:
    """The Secret is read as soon as the API server answers again."""
    api = AwayForAWhile(unanswered=3)

    assert await SecretConnections(Objects(api), api.sleep).connection("prod", "sys") == Connection("db", 2881, "root@sys", "")
    assert api.pauses == [0.125, 0.25, 0.5]


async def test_an_api_server_that_stays_away_fails_the_attempt() -> None:
    """After some seconds the attempt fails and says why."""
    api = AwayForAWhile(unanswered=100)

    answer = await SecretConnections(Objects(api), api.sleep).connection("prod", "sys")

    assert isinstance(answer, Failed)
    assert answer.reason is FailureReason.CONNECTION_FAILED
    assert len(api.pauses) == TRIES - 1
    assert 5 < sum(api.pauses) < 10
