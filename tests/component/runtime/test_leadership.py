"""A leader that is not sure to lead any more ends in time. Rules: client-go, tools/leaderelection."""

import asyncio
from datetime import UTC, datetime

import pytest

from obtask.kube.api import ApiError, Json
from obtask.runtime.leader import Leadership, LeadershipLost


class Silent:
    """An API server that has a Lease made, and answers nothing after that."""

    def __init__(self) -> None:
        self.made = False

    async def send(self, method: str, path: str, *, query: object = None, body: Json | None = None) -> Json | ApiError:
        """Answer the first read and the first write."""
        if self.made:
            await asyncio.Event().wait()
        if method == "GET" or body is None:
            return ApiError(404, "NotFound", f"{path} {query}")
        self.made = True
        return body


async def test_a_renewal_without_an_answer_does_not_prolong_leadership() -> None:
    """The time that is left after the deadline is what others count on; a request under way takes none of it."""
    deadline = 1.5
    leadership = Leadership(Silent(), namespace="ns", identity="me", clock=lambda: datetime.now(UTC), deadline_seconds=deadline)
    loop = asyncio.get_running_loop()
    began = loop.time()

    with pytest.raises(LeadershipLost):
        await leadership.run()

    assert not leadership.leads
    assert deadline <= loop.time() - began < deadline + 1
