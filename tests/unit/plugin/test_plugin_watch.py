"""`kubectl obtask watch`: three panes on 80 columns and 24 lines, by keys alone, in both languages. API.md section 10."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.support.watching import BODIES, FAILED_LOG, PICTURES, SIZE, Still, center, pictures
from textual.pilot import Pilot
from textual.widgets import Input, Log, OptionList, Static

from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.screen.app import TaskCenter
from kubectl_obtask.screen.dialogs import Page, Question
from kubectl_obtask.screen.keys import KEYS
from kubectl_obtask.wording.language import Language

Scene = Callable[[Pilot[int], TaskCenter], Awaitable[None]]
PATIENCE = 400


def played(source: Still, scene: Scene, **settings: Any) -> TaskCenter:
    """Play a scene on the screen; return the screen as it was left."""
    app = center(source, **settings)

    async def play() -> None:
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            await until(pilot, lambda: bool(app.tasks) or source.away is not None)
            await scene(pilot, app)

    asyncio.run(play())
    return app


async def until(pilot: Pilot[int], holds: Callable[[], bool]) -> None:
    """Let the screen go on until something holds."""
    for _ in range(PATIENCE):
        if holds():
            return
        await pilot.pause(0.01)
    raise AssertionError("it did not come about")


def log_lines(app: TaskCenter) -> list[str]:
    """Return what stands in the pane of the log."""
    return [*app.query_one("#log", Log).lines]


def page(app: TaskCenter) -> str:
    """Return the text that stands in front of the panes."""
    assert isinstance(app.screen, Page)
    return str(app.screen.query_one(Static).content)


def said(app: TaskCenter) -> list[str]:
    """Return what was said at the edge of the screen."""
    return [each.message for each in app._notifications]


def test_it_opens_on_what_failed() -> None:
    """The failed task comes first, its failed subtask is chosen, and its log is there."""

    async def scene(pilot: Pilot[int], app: TaskCenter) -> None:
        await until(pilot, lambda: log_lines(app) == FAILED_LOG.split("\n"))
        assert app.chosen is not None
        assert app.chosen.name == "tune"
        steps = app.query_one("#steps", OptionList)
        assert steps.highlighted_option is not None
        assert steps.highlighted_option.id == "window/zone2"

    app = played(Still(*BODIES), scene)
    assert app.source.stopped  # type: ignore[attr-defined] # that of this test


def test_a_task_can_be_named() -> None:
    """`watch NAME` opens on that task."""

    async def scene(pilot: Pilot[int], app: TaskCenter) -> None:
        await until(pilot, lambda: app.chosen is not None)
        assert app.chosen is not None
        assert app.chosen.name == "resize-orders"
        assert app.table.cursor_row == 2

    played(Still(*BODIES), scene, wanted="resize-orders")


def test_moving_shows_another_task_and_another_step() -> None:
    """The panes follow the cursor; a step that is chosen is stayed at, and `g` goes back to what failed."""

    async def scene(pilot: Pilot[int], app: TaskCenter) -> None:
        await pilot.press("down")
        await until(pilot, lambda: app.chosen is not None and app.chosen.name == "restart-zone1")
        await pilot.press("up", "tab", "up")
        await until(pilot, lambda: app.attempt is not None and app.attempt.subtask == "zone1")
        await until(pilot, lambda: not app.following and log_lines(app) == [])
        await pilot.press("g")
        await until(pilot, lambda: app.attempt is not None and app.attempt.subtask == "zone2")
        await until(pilot, lambda: app.following)
        await pilot.press("l")
        await until(pilot, lambda: not app.following)

    played(Still(*BODIES), scene)


def test_searching_and_failed_ones() -> None:
    """`/` looks at names, targets and tenants; `f` keeps those that failed; what is not there is said."""

    async def scene(pilot: Pilot[int], app: TaskCenter) -> None:
        await pilot.press("slash", *"orders", "enter")
        await until(pilot, lambda: app.rows == ["uid-resize-orders"])
        await pilot.press("f")
        assert app.rows == []
        assert "no task is like that" in str(app.query_one("#empty", Static).content)
        await pilot.press("slash", "escape")
        await until(pilot, lambda: app.rows == ["uid-tune"])
        await pilot.press("f")
        assert len(app.rows) == len(BODIES)

    played(Still(*BODIES), scene)


@pytest.mark.parametrize(
    ("key", "verb", "sentence"),
    [
        (
            "r",
            "retry",
            "Retry tune: Runs again what is not done of step window: zone2; if it succeeds, goes on with the step that follows: apply.",
        ),
        ("R", "rollback", "Roll back tune: Undoes 1 subtask: window/zone2."),
        ("s", "skip", "Skip task tune: Runs nothing and undoes nothing"),
        ("S", "skip-step", "Skip step tune: Leaves window/zone2 as it is and goes on"),
    ],
)
def test_a_command_says_what_it_will_do(key: str, verb: str, sentence: str) -> None:
    """The same sentence as on the page; Enter at first keeps everything as it is; the reason is sent, the answer is told."""
    source = Still(*BODIES)

    async def scene(pilot: Pilot[int], app: TaskCenter) -> None:
        await pilot.press(key)
        assert isinstance(app.screen, Question)
        assert str(app.screen.query_one("#summary", Static).content).startswith(sentence)
        await pilot.press("enter")
        assert source.given == []
        await pilot.press(key)
        app.screen.query_one("#reason", Input).focus()
        await pilot.press(*"disk", "enter", "enter")
        await until(pilot, lambda: source.given == [("tune", verb, "disk")])
        answered = copy.deepcopy([*BODIES])
        answered[0]["status"]["lastAction"] = {"id": "101", "verb": verb, "result": "Accepted", "message": "it goes on"}
        source.change(*answered)
        await until(pilot, lambda: f"tune: {verb} accepted: it goes on" in said(app))
        assert app.given == {}

    played(source, scene)


def test_what_follows_is_in_the_question() -> None:
    """Whoever waits for the lock is named."""

    async def scene(pilot: Pilot[int], app: TaskCenter) -> None:
        await pilot.press("s")
        assert "resize-orders、resize-billing。" in str(app.screen.query_one("#summary", Static).content)
        assert str(app.screen.query_one("#keep").label) == "保持不变"  # type: ignore[attr-defined] # a button

    played(Still(*BODIES), scene, language=Language.ZH)


def test_what_is_not_allowed_is_not_asked() -> None:
    """A command that would be refused is not offered; what the API server refuses is said in its words."""
    source = Still(*BODIES)
    source.refusal = Fault(ExitCode.REFUSED, "Error from server (Forbidden): you may not")

    async def scene(pilot: Pilot[int], app: TaskCenter) -> None:
        await pilot.press("c")
        assert not isinstance(app.screen, Question)
        assert "cancel of tune is not allowed while it is Failed" in said(app)[-1]
        await pilot.press("r", "shift+tab", "enter")
        await until(pilot, lambda: "Error from server (Forbidden): you may not" in said(app))

    played(source, scene)


@pytest.mark.parametrize(
    ("key", "text"),
    [("L", "prod / cluster obdemo"), ("b", "2 tasks wait for it"), ("y", "kind: OBTask"), ("question_mark", "Download evidence")],
)
def test_longer_texts(key: str, text: str) -> None:
    """Locks, reasons, YAML and the keys stand in front of the panes until they are put away."""

    async def scene(pilot: Pilot[int], app: TaskCenter) -> None:
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, Page))
        assert text in page(app)
        await pilot.press("escape")
        assert not isinstance(app.screen, Page)

    played(Still(*BODIES), scene)


def test_downloading() -> None:
    """`d` writes the bundle and says where."""
    source = Still(*BODIES)

    async def scene(pilot: Pilot[int], app: TaskCenter) -> None:
        await pilot.press("d")
        await until(pilot, lambda: "evidence bundle: tune.zip" in said(app))

    played(source, scene)
    assert source.saved == ["tune"]


def test_a_long_log_is_cut_and_wrapped() -> None:
    """Of 6,000 lines the last 5,000 are shown, and it says so; `w` wraps by columns, wide characters counted."""
    source = Still(*BODIES, log="\n".join([*(f"line {number}" for number in range(6000)), "租户" * 40]))

    async def scene(pilot: Pilot[int], app: TaskCenter) -> None:
        await until(pilot, lambda: len(log_lines(app)) == 5000)
        assert "the last 5000 of 6001 lines" in str(app.query_one("#log").border_subtitle)
        await pilot.press("w")
        assert len(log_lines(app)) == 5003
        assert "".join(log_lines(app)[-4:]) == "租户" * 40

    played(source, scene)


def test_changes_come_by_themselves_and_keep_the_place() -> None:
    """A task that ends stays chosen; an API server that is away is said so, and what was there stays."""
    source = Still(*BODIES)

    async def scene(pilot: Pilot[int], app: TaskCenter) -> None:
        await pilot.press("down", "down")
        await until(pilot, lambda: app.chosen is not None and app.chosen.name == "resize-orders")
        changed = copy.deepcopy([*BODIES])
        changed[0]["status"] |= {"phase": "Skipped", "finishedAt": "2026-11-28T14:25:10Z"}
        source.change(*changed)
        await until(pilot, lambda: app.rows[0] == "uid-restart-zone1")
        assert app.chosen is not None
        assert app.chosen.name == "resize-orders"
        assert app.table.cursor_row == 1
        source.away = Fault(ExitCode.ERROR, "Unable to connect to the server", passing=True)
        await until(pilot, lambda: "no answer: Unable to connect" in str(app.query_one("#head", Static).content))
        assert len(app.rows) == len(BODIES)

    played(source, scene)


def test_nothing_at_all() -> None:
    """Without tasks it says how to make one; a refusal is never an empty page."""
    source = Still()
    source.away = Fault(ExitCode.REFUSED, "Error from server (Forbidden): obtasks is forbidden")

    async def scene(pilot: Pilot[int], app: TaskCenter) -> None:
        await until(pilot, lambda: "obtasks is forbidden" in str(app.query_one("#empty", Static).content))
        source.away = None
        await until(pilot, lambda: "kubectl obtask run" in str(app.query_one("#empty", Static).content))

    played(source, scene)


def test_the_keys_at_the_bottom_fit() -> None:
    """80 columns have room for those that are shown, in both languages."""
    for language in Language:
        shown = "".join(f" {key.shows} {key.words.in_(language)}" for key in KEYS if key.shown)
        columns = sum(2 if ord(character) > 0x2E80 else 1 for character in shown)
        assert columns <= SIZE[0], language


def test_the_pictures_in_the_documents_are_of_this_screen() -> None:
    """They are made by `make pictures`."""
    kept = {each.stem: each.read_text().rstrip() for each in PICTURES.glob("watch-*.svg")}
    assert kept == {name: drawn.rstrip() for name, drawn in pictures().items()}
