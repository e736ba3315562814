"""How answers of an until are judged and how pauses grow: one place for sql, http and resource."""

from itertools import islice
from typing import Any

import pytest
from tests.support.attempts import Evaluated

from obtask.executors.inprocess import Reporter
from obtask.executors.until import Arrived, Judge, NotYet, pauses, tell
from obtask.model.attempt import Failed
from obtask.model.reasons import FailureReason
from obtask.model.until import Until
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind, Vocabulary
from obtask.shares import Slot, Slots

SEEN = {"status": 200, "headers": {}, "body": {"state": "busy", "done": 40}}


def until(expect: str = "body.state == 'done'", **more: Any) -> Until:
    """Return an until."""
    return Until.model_validate({"expect": expect, **more})


class Broken(Evaluated):
    """Has one and the same fault for every expression."""

    def __init__(self, kind: ExpressionFaultKind) -> None:
        self._fault = ExpressionFault("secret words", kind)

    async def holds(self, *_: object) -> ExpressionFault:
        """Return the fault."""
        return self._fault

    async def shown(self, *_: object) -> ExpressionFault:
        """Return the fault."""
        return self._fault


def judge(expressions: Evaluated | None = None, *, discreet: bool = False) -> Judge:
    """Return who judges answers of HTTP."""
    return Judge(expressions or Evaluated(), "prod", Vocabulary.HTTP, discreet)


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({}, NotYet()),
        ({"expect": "body.state == 'busy'"}, Arrived),
        ({"failWhen": "body.done < 50"}, Failed),
        ({"expect": "true", "failWhen": "true"}, Failed),
        ({"expect": "true", "failWhen": "body.nothing"}, Arrived),
        ({"expect": "true", "failWhen": "body.done.nothing"}, Failed),
        ({"message": "string(body.done) + ' %'"}, NotYet(text="40 %")),
        ({"message": "body.done"}, NotYet(text="40")),
    ],
)
async def test_an_answer_is_judged(fields: dict[str, str], end: NotYet | type) -> None:
    """FailWhen goes first; what it cannot tell yet keeps nothing from arriving."""
    found = await judge().look(until(**fields), SEEN, "busy")

    assert end in (found, found.__class__)


@pytest.mark.parametrize("kind", ExpressionFaultKind)
@pytest.mark.parametrize("field", ["expect", "failWhen"])
async def test_which_faults_are_waited_for(kind: ExpressionFaultKind, field: str) -> None:
    """What can be otherwise with the next answer is "not yet", everything else ends the attempt, without a retry by itself."""
    fields = {"expect": "x"} if field == "expect" else {"expect": "x", "failWhen": "x"}
    found = await judge(Broken(kind)).look(until(**fields), SEEN, "busy")

    if kind in {ExpressionFaultKind.MISSING, ExpressionFaultKind.VALUE, ExpressionFaultKind.UNAVAILABLE}:
        assert found == NotYet(note="secret words")
    else:
        assert found == Failed(FailureReason.INVALID_EXPRESSION, f"until.{field}: secret words: x; saw busy", permanent=True)


async def test_an_error_of_the_other_side_says_nothing_of_types() -> None:
    """The page of a proxy instead of JSON is no mistake of the expression; what takes too much is one in any case."""
    page = {"status": 502, "headers": {}, "body": "<html>"}

    found = await judge().look(until(), page, "502", as_expected=False)

    assert isinstance(found, NotYet)
    assert isinstance(await judge(Broken(ExpressionFaultKind.EXCEEDED)).look(until(), page, "502", as_expected=False), Failed)


async def test_a_message_without_an_answer_ends_nothing() -> None:
    """It is for people; why there is none shows beside what was seen."""
    found = await judge().look(until(message="body.state + 1"), SEEN, "busy")

    assert isinstance(found, NotYet)
    assert found.text is None
    assert (found.note or "").startswith("until.message: ")


@pytest.mark.parametrize("kind", ExpressionFaultKind)
async def test_nothing_of_a_secret_is_told(kind: ExpressionFaultKind) -> None:
    """Of what nobody may see neither the task's words nor the fault's are shown."""
    found = await judge(Broken(kind), discreet=True).look(until(message="x", failWhen="x"), SEEN, "busy")

    assert "secret words" not in repr(found)


def test_pauses() -> None:
    """They double up to the longest; without one they stay as they are."""
    assert list(islice(pauses(2, 15), 6)) == [2, 4, 8, 15, 15, 15]
    assert list(islice(pauses(5, None), 3)) == [5, 5, 5]


@pytest.mark.parametrize(
    ("told", "words", "stage"),
    [
        (None, "waiting until status == 1: last saw HTTP 200", None),
        (" \n", "waiting until status == 1: last saw HTTP 200", None),
        ("40 %", "40 %", "40 %"),
    ],
)
def test_the_words_of_the_task(told: str | None, words: str, stage: str | None) -> None:
    """They are the progress, and how far the step is; an empty message is none."""
    heard: list[tuple[str, str | None]] = []
    slots = Slots(1)

    async def no_turn() -> None:
        """Let everybody go on."""

    tell(Reporter(lambda *said: heard.append(said), Slot(slots, ""), Slot(slots, ""), no_turn), until("status == 1"), "HTTP 200", told, str)

    assert heard == [(words, stage)]
