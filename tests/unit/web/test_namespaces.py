"""What is made of namespaces: options for kubectl, and questions to the API server of what may be done in them."""

from collections.abc import Mapping, Sequence

import pytest

from obtask.kube.api import ApiError, Json
from obtask.web.creation import may_create
from obtask.web.views.namespaces import ASKED_AT_ONCE, MOST_ASKED, place


@pytest.mark.parametrize("namespace", ["x\u2018;calc;\u2018", "x&calc&", "x y", "$(id)", "X", "-x", "x-", "x.y", "x" * 64, "x\n"])
def test_what_cannot_be_a_namespace_is_no_part_of_a_line_to_type(namespace: str) -> None:
    """An address may have been made by somebody else, and shells differ in what they take for a quotation mark."""
    assert place(namespace) == ""
    assert place("", known=[namespace]) == ""


def test_the_options_that_show_what_a_page_shows() -> None:
    """Of one namespace, of all, or of the only one that the visitor sees; of several there is no such option."""
    assert place("x" * 63) == f"-n {'x' * 63}"
    assert place("", everywhere=True) == "-A"
    assert place("", known=["team-a"]) == "-n team-a"
    assert place("", known=["team-a", "team-b"]) == ""


class Rights:
    """An API server that allows in some namespaces what is asked, None for all; it notes of which it was asked."""

    def __init__(self, *allowed: str | None) -> None:
        self._allowed = allowed
        self.asked: list[str | None] = []

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Answer a review."""
        assert (method, body is not None, query) == ("POST", True, {}), path
        namespace = (body or {})["spec"]["resourceAttributes"]["namespace"] or None
        self.asked.append(namespace)
        return {"status": {"allowed": namespace in self._allowed}}


@pytest.mark.parametrize(
    ("allowed", "may", "questions"),
    [([None], True, 1), (["n3"], True, 1 + ASKED_AT_ONCE), ([], False, 1 + MOST_ASKED), (["n999"], False, 1 + MOST_ASKED)],
)
async def test_who_may_create_tasks_is_asked_with_few_questions(allowed: Sequence[str | None], may: bool, questions: int) -> None:
    """First of all namespaces; then of some at once, and of so many at most."""
    rights = Rights(*allowed)

    assert await may_create(rights, [f"n{at}" for at in range(1000)]) is may
    assert len(rights.asked) == questions
