"""Owns the three panes of `watch`: what is drawn, as tasks change, and what is chosen in them."""

from collections.abc import Sequence
from typing import Final

from textual import on, work
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.widgets import DataTable, Footer, Input, Log, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from kubectl_obtask.logs import Attempt, working
from kubectl_obtask.logs import Log as FoundLog
from kubectl_obtask.outcome import Fault
from kubectl_obtask.rows import in_order
from kubectl_obtask.screen.looks import LOOKS
from kubectl_obtask.screen.overview import Source
from kubectl_obtask.screen.panes import HEADINGS, Filter, cells, headline, key_of, lines_of, located, shown_lines
from kubectl_obtask.session import Session
from kubectl_obtask.tasks import Task
from kubectl_obtask.wording import watching

LOOK_SECONDS: Final = 0.5
LOG_SECONDS: Final = 2.0
AGE_SECONDS: Final = 10.0
MOST_ROWS: Final = 500
NAME_WIDTH: Final = 26


class Board(App[int]):
    """The three panes. ``where``: the namespace, or all. ``wanted``: the name of the task that is chosen at first."""

    CSS = LOOKS
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, session: Session, source: Source, where: str | None, wanted: str | None) -> None:
        super().__init__()
        self.session = session
        self.source = source
        self.where = where
        self.wanted = wanted
        self.tasks: dict[str, Task] = {}
        self.rows: list[str] = []
        self.chosen_uid: str | None = None
        self.attempt: Attempt | None = None
        self.shown = Filter()
        self.following, self.wrapping = True, False
        self.found_log: FoundLog | None = None
        self.title = session.say(watching.TITLE)

    def compose(self) -> ComposeResult:
        """Yield the panes."""
        say = self.session.say
        yield Static(say(watching.TITLE), id="head", markup=False)
        yield Input(placeholder=say(watching.SEARCH), id="search")
        table: DataTable[object] = DataTable(id="tasks", cursor_type="row")
        table.border_title = say(watching.TASKS)
        yield table
        yield Static(say(watching.LOADING), id="empty", markup=False)
        with Horizontal(id="below"):
            steps = OptionList(id="steps", markup=False)
            steps.border_title = say(watching.STEPS)
            yield steps
            log = Log(id="log", auto_scroll=False)
            log.border_title = say(watching.LOG)
            yield log
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin to read."""
        self.table.focus()
        for words in HEADINGS:
            self.table.add_column(self.session.say(words), key=words.en)
        self.read()
        self.set_interval(LOG_SECONDS, self.look_again)
        self.set_interval(AGE_SECONDS, self.draw)

    def on_unmount(self) -> None:
        """Read no more."""
        self.source.stop()

    @property
    def table(self) -> DataTable[object]:
        """The pane of tasks."""
        return self.query_one("#tasks", DataTable)

    @property
    def chosen(self) -> Task | None:
        """The task that is chosen."""
        return self.tasks.get(self.chosen_uid) if self.chosen_uid is not None else None

    @work(thread=True, group="tasks")
    def read(self) -> None:
        """Read the tasks as they change."""
        worker = get_current_worker()
        while not worker.is_cancelled:
            for seen in self.source.changes(LOOK_SECONDS):
                if not worker.is_cancelled:
                    self.call_from_thread(self.take, seen)

    def take(self, seen: dict[str, Task] | Fault) -> None:
        """Draw what has come."""
        self.set_class(isinstance(seen, Fault), "away")
        if isinstance(seen, Fault):
            self._head(self.session.say(watching.AWAY, said=next(iter(seen.said.splitlines()), "")))
            if not self.tasks:
                self._say_instead(seen.said)
            return
        self.tasks = seen
        self.draw()

    def draw(self) -> None:
        """Draw all panes anew, as far as anything has changed."""
        fitting = [task for task in in_order([*self.tasks.values()]) if self.shown.fits(task)]
        wanted = {self.chosen_uid} | {task.uid for task in fitting if task.name == self.wanted}
        tasks = fitting[:MOST_ROWS] + [task for task in fitting[MOST_ROWS:] if task.uid in wanted]
        self._head(f"{self.where or self.session.say(watching.EVERYWHERE)}   {headline(self.session, [*self.tasks.values()])}")
        if self.wanted is not None:
            self.chosen_uid = next((task.uid for task in tasks if task.name == self.wanted), None)
            self.wanted = None
        if self.chosen_uid not in {task.uid for task in tasks}:
            self.chosen_uid = tasks[0].uid if tasks else None
            self.attempt = None
        self._draw_rows(tasks)
        none = watching.NONE_LIKE_THAT if self.tasks else watching.NO_TASKS
        self._say_instead("" if tasks else self.session.say(none))
        self.draw_steps()

    def _draw_rows(self, tasks: Sequence[Task]) -> None:
        table, rows = self.table, [task.uid for task in tasks]
        drawn = [cells(self.session, task, namespaces=self.where is None) for task in tasks]
        for row in drawn:
            row[0].truncate(NAME_WIDTH, overflow="ellipsis")
        if rows == self.rows:
            for uid, row in zip(rows, drawn, strict=True):
                for words, cell in zip(HEADINGS, row, strict=True):
                    if table.get_cell(uid, words.en) != cell:
                        table.update_cell(uid, words.en, cell, update_width=True)
            return
        self.rows = rows
        table.clear()
        for uid, row in zip(rows, drawn, strict=True):
            table.add_row(*row, key=uid)
        if self.chosen_uid in rows:
            table.move_cursor(row=rows.index(self.chosen_uid))

    def draw_steps(self) -> None:
        """Draw the steps of the chosen task, and the log of what is chosen in them."""
        task, steps = self.chosen, self.query_one("#steps", OptionList)
        lines = [*lines_of(self.session, task)] if task is not None else []
        if self.following or self.attempt is None:
            self.attempt = located(task) if task is not None else None
        with self.prevent(OptionList.OptionHighlighted):
            steps.set_options([Option(line.label, id=line.key) for line in lines])
            here = key_of(self.attempt) if self.attempt is not None else None
            steps.highlighted = next((index for index, line in enumerate(lines) if line.key == here), None)
        self.read_log()

    @work(thread=True, exclusive=True, group="log")
    def read_log(self) -> None:
        """Read the log of the chosen attempt."""
        worker, task, attempt = get_current_worker(), self.chosen, self.attempt
        found = self.source.log(task, attempt) if task is not None and attempt is not None else None
        if not worker.is_cancelled:
            self.call_from_thread(self.draw_log, attempt, found)

    def draw_log(self, attempt: Attempt | None, found: FoundLog | Fault | None) -> None:
        """Draw a log, at its end if it is followed."""
        pane = self.query_one("#log", Log)
        self.found_log = None if isinstance(found, Fault) else found
        columns = max(pane.scrollable_content_region.width, 1) if self.wrapping else 0
        lines, said = shown_lines(self.session, self.found_log, columns)
        said = found.said if isinstance(found, Fault) else said
        pane.border_title = " · ".join(filter(None, (self.session.say(watching.LOG), attempt.label if attempt is not None else "")))
        pane.border_subtitle = " · ".join(filter(None, (said, self.session.say(watching.FOLLOWING) if self.following else "")))
        if lines != [*pane.lines][: len(lines)] or len(lines) != pane.line_count:
            pane.clear()
            pane.write_lines(lines, scroll_end=self.following)

    def look_again(self) -> None:
        """Read the log of what runs again."""
        task = self.chosen
        if task is not None and self.attempt in working(task):
            self.read_log()

    def _head(self, text: str) -> None:
        self.query_one("#head", Static).update(f"{self.session.say(watching.TITLE)}   {text}")

    def _say_instead(self, text: str) -> None:
        """Say why there is no task, in the place of the tasks."""
        instead = self.query_one("#empty", Static)
        instead.update(text)
        instead.set_class(bool(text), "shown")
        self.table.display = not text

    @on(DataTable.RowHighlighted)
    def choose(self, event: DataTable.RowHighlighted) -> None:
        """Show the task that was chosen."""
        uid = event.row_key.value
        # An event from before the rows were drawn anew is about another row.
        if uid is None or uid == self.chosen_uid or event.cursor_row != self.table.cursor_row or uid not in self.rows:
            return
        self.chosen_uid, self.attempt, self.following = uid, None, True
        self.draw_steps()

    @on(OptionList.OptionHighlighted)
    def choose_step(self, event: OptionList.OptionHighlighted) -> None:
        """Show the log of what was chosen, and stay there."""
        task = self.chosen
        lines = {line.key: line for line in lines_of(self.session, task)} if task is not None else {}
        line = lines.get(event.option_id or "")
        if line is not None and line.attempt != self.attempt:
            self.attempt, self.following = line.attempt, False
            self.read_log()
