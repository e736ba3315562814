"""Tables, spans and terminals: what is shown stays readable, whatever is in it."""

import io
import string
from collections.abc import Sequence
from datetime import timedelta
from importlib import import_module
from pkgutil import iter_modules

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.watching import BODIES, silent_session

from kubectl_obtask import wording
from kubectl_obtask.blocking import line_of
from kubectl_obtask.commands.why import told_why
from kubectl_obtask.table import table
from kubectl_obtask.tasks import MOST_CHARACTERS, Fields, Task
from kubectl_obtask.terminal import Terminal
from kubectl_obtask.text import cut, width
from kubectl_obtask.times import duration, span
from kubectl_obtask.wording.language import Language, Text, language_of


def a_terminal(encoding: str = "utf-8", *, colour: bool = False) -> Terminal:
    """Return a terminal that writes into memory."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return Terminal(out, out, io.StringIO(), interactive=False, colour=colour, width=80)


@given(rows=st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=5))
def test_every_cell_begins_below_its_heading(rows: Sequence[tuple[str, str]]) -> None:
    """Whatever the cells are: wide, combining, controlling, or turning the line around."""
    lines = [*table(("A", "B"), rows, a_terminal())]
    second = width(lines[0]) - 1

    assert len(lines) == len(rows) + 1
    for line in lines:
        assert line.isprintable() or all(character.isprintable() or character.isspace() for character in line)
        assert "\n" not in line
        assert width(line) < second or any(width(line[:end]) == second for end in range(len(line) + 1))


@given(text=st.text("abc租户…"), columns=st.integers(1, 20))
def test_what_is_cut_fits(text: str, columns: int) -> None:
    """An ellipsis takes a column, too; what fits is not touched."""
    assert width(cut(text, columns)) <= columns
    assert width(text) > columns or cut(text, columns) == text


@pytest.mark.parametrize(
    ("seconds", "en", "zh"),
    [
        (0, "0s", "0秒"),
        (59, "59s", "59秒"),
        (65, "1m5s", "1分5秒"),
        (1380, "23m", "23分"),
        (7500, "2h5m", "2小时5分"),
        (273600, "3d4h", "3天4小时"),
    ],
)
def test_spans_are_short(seconds: int, en: str, zh: str) -> None:
    """At most two units."""
    length = timedelta(seconds=seconds)

    assert (span(length), span(length, Language.ZH)) == (en, zh)
    assert duration(en) == seconds - seconds % 60 * (seconds > 3600)


@pytest.mark.parametrize("text", ["", "x", "5x", "m", "1h30", "-5s", "1..5s"])
def test_what_is_no_duration(text: str) -> None:
    """It is not guessed."""
    assert duration(text) is None


def test_a_terminal_that_knows_no_symbols() -> None:
    """What its encoding does not have is shown in plain letters, not as an error."""
    terminal = a_terminal("ascii")

    terminal.line("✗ Failed \N{EN DASH} 租户")

    terminal.out.flush()
    written = terminal.out.buffer.getvalue()  # type: ignore[attr-defined] # a TextIOWrapper
    assert written == b"x Failed - ??\n"


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, Language.ZH),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, Language.EN),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_TW"}, Language.ZH),
        ({}, Language.EN),
    ],
)
def test_the_language_is_that_of_the_locale(environment: dict[str, str], language: Language) -> None:
    """The first variable that is set decides; a flag decides before all."""
    assert language_of(None, environment) is language
    assert language_of("zh", environment) is Language.ZH


def test_the_language_of_a_system_without_a_locale() -> None:
    """What Windows calls it counts where no variable is set."""
    assert language_of(None, {}, "Chinese (Simplified)_China") is Language.ZH
    assert language_of(None, {}, "German_Germany") is Language.EN
    assert language_of(None, {"LANG": "C"}, "Chinese (Simplified)_China") is Language.EN


KEYS = ["metadata", "spec", "status", "steps", "subtasks", "name", "forEach", "parallel", "blockedBy", "attempts"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=20,
)


@given(raw=JSON)
def test_a_task_is_read_whatever_it_is(raw: object) -> None:
    """Another version, or somebody with too many rights, may have written anything."""
    task = Task(raw)

    assert isinstance(task.name, str)
    assert all(isinstance(step.name, str) for step in task.planned)
    assert all(isinstance(sub.number("attempts"), int) for step in task.steps for sub in step.subtasks)
    assert (task.phase, task.answered >= 0, task.pending_command) is not None


def test_texts_are_bounded() -> None:
    """However long somebody made them."""
    assert len(Fields({"a": "x" * 1_000_000}).text("a")) == MOST_CHARACTERS


@pytest.mark.parametrize(
    ("language", "of_itself", "of_the_holder"),
    [
        (Language.EN, "tune has been Failed since", "1. tune   Global, cluster obdemo   has been Failed since"),
        (Language.ZH, "tune 自 ", "1. tune   集群 obdemo\N{FULLWIDTH COMMA}全局   自 "),
    ],
)
def test_since_when_a_task_is_as_it_is(language: Language, of_itself: str, of_the_holder: str) -> None:
    """Of the task itself, and of the one that it waits for."""
    tune, _, orders, *_ = tasks = [Task(each) for each in BODIES]
    told = {task.name: [*told_why(silent_session(language), task, line_of(task, tasks))] for task in (tune, orders)}

    assert told["tune"][0].startswith(of_itself)
    assert any(line.strip().startswith(of_the_holder) for line in told["resize-orders"]), told["resize-orders"]


def test_translations_have_the_same_values() -> None:
    """Each text of the plugin has both languages, and the same names in braces."""
    modules = [import_module(f"kubectl_obtask.wording.{found.name}") for found in iter_modules(wording.__path__)]
    values = [value for module in modules for value in vars(module).values()]
    texts = [text for value in values for text in (value.values() if isinstance(value, dict) else [value]) if isinstance(text, Text)]

    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    assert len(texts) > 80
    ordinals = {"place", "number"}
    assert [text for text in texts if names(text.en) - ordinals != names(text.zh) - ordinals] == []
    assert all(text.en and text.zh for text in texts)
