"""Owns the terminal Task Center: the keys of `watch`, and the commands that are given by them. API.md section 10."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from textual import on, work
from textual.widgets import Input

from kubectl_obtask.acting import NOTE_AFTER, refusal
from kubectl_obtask.blocking import line_of
from kubectl_obtask.outcome import Fault
from kubectl_obtask.preview import told
from kubectl_obtask.screen.board import Board
from kubectl_obtask.screen.dialogs import Page, Question
from kubectl_obtask.screen.keys import KEYS
from kubectl_obtask.screen.overview import Source
from kubectl_obtask.session import Session
from kubectl_obtask.tasks import FINISHED, Task
from kubectl_obtask.times import span
from kubectl_obtask.wording import acting, waiting, watching
from kubectl_obtask.wording.language import Text
from kubectl_obtask.wording.preview_wording import details, starts_next, summary

Told = Callable[[Task, Sequence[Task]], Iterable[str]]
"""Explains a task among all others, line by line."""


@dataclass(frozen=True, slots=True)
class Given:
    """A command that was given. ``version``: the one of the task that bears it. ``until``: when somebody should have answered."""

    verb: str
    name: str
    version: int
    until: float


class TaskCenter(Board):
    """The panes with their keys. ``why`` and ``locks``: what the commands of these names would print."""

    def __init__(self, session: Session, source: Source, *, where: str | None, wanted: str | None, why: Told, locks: Told) -> None:
        super().__init__(session, source, where, wanted)
        self.texts: Mapping[str, tuple[Text, Told]] = {"why": (watching.BLOCKED_KEY, why), "locks": (watching.LOCKS_KEY, locks)}
        self.given: dict[str, Given] = {}
        for key in KEYS:
            self.bind(key.name, key.action, description=session.say(key.words), show=key.shown, key_display=key.shows)

    def take(self, seen: dict[str, Task] | Fault) -> None:
        """Draw what has come, and tell the answers to commands that were given here."""
        super().take(seen)
        self._judge()

    def look_again(self) -> None:
        """Read the log of what runs again, and say so if nobody has answered a command. Without its terminal it ends."""
        if not (self.is_headless or os.isatty(sys.__stderr__.fileno() if sys.__stderr__ else -1)):
            self.exit()
            return
        super().look_again()
        late = [uid for uid, given in self.given.items() if self.session.seconds() > given.until]
        for uid in late:
            self.given.pop(uid)
            length = span(timedelta(seconds=NOTE_AFTER), self.session.language)
            self.notify(self.session.say(acting.NO_OPERATOR, span=length), severity="warning", markup=False)

    def _judge(self) -> None:
        for uid, given in [*self.given.items()]:
            task = self.tasks.get(uid)
            if task is None or task.answered < given.version:
                continue
            self.given.pop(uid)
            answer = task.at("status", "lastAction")
            accepted = answer.text("result") == "Accepted"
            message = self.session.say(waiting.MESSAGE, message=answer.text("message")) if answer.text("message") else ""
            said = self.session.say(acting.ACCEPTED if accepted else acting.REJECTED, name=given.name, verb=given.verb, message=message)
            self._tell(said, failed=not accepted)

    @on(Input.Changed, "#search")
    def _search(self, event: Input.Changed) -> None:
        self.shown = replace(self.shown, search=event.value.strip())
        self.draw()

    @on(Input.Submitted, "#search")
    def _searched(self) -> None:
        self._close_search()

    def key_escape(self) -> None:
        """Leave the search."""
        if self.query_one("#search").has_class("open"):
            self.query_one("#search", Input).value = ""
            self._close_search()

    def _close_search(self) -> None:
        self.query_one("#search").remove_class("open")
        self.table.focus()

    def action_search(self) -> None:
        """Search for tasks."""
        self.query_one("#search").add_class("open").focus()

    def action_failed(self) -> None:
        """Show only tasks that failed, or all again."""
        self.shown = replace(self.shown, failed=not self.shown.failed)
        self.draw()

    def action_locate(self) -> None:
        """Go to what runs, else to what failed, and follow it from step to step."""
        self.following, self.attempt = True, None
        self.draw_steps()
        self.query_one("#steps").focus()

    def action_follow(self) -> None:
        """Follow the task from step to step, or stay."""
        self.following = not self.following
        self.draw_steps()

    def action_wrap(self) -> None:
        """Wrap long lines of the log, or do not."""
        self.wrapping = not self.wrapping
        self.draw_log(self.attempt, self.found_log)

    def action_why(self) -> None:
        """Say what the task waits for."""
        self._explain("why")

    def action_locks(self) -> None:
        """Show who holds which lock."""
        self._explain("locks")

    def _explain(self, which: str) -> None:
        words, explain = self.texts[which]
        task = self.chosen
        if task is not None:
            self.push_screen(Page(self.session.say(words), "\n".join(explain(task, [*self.tasks.values()]))))

    def action_help(self) -> None:
        """Show all keys."""
        lines = [f"  {key.shows}   {self.session.say(key.words)}" for key in KEYS]
        self.push_screen(Page(self.session.say(watching.HELP), "\n".join([*lines, "", self.session.say(watching.MOVE)])))

    @work(thread=True, exclusive=True, group="manifest")
    def action_manifest(self) -> None:
        """Show the task as YAML."""
        task = self.chosen
        if task is not None:
            found = self.source.manifest(task)
            self.call_from_thread(self._show_page, f"{task.namespace}/{task.name}", found)

    def _show_page(self, title: str, found: str | Fault) -> None:
        self.push_screen(Page(title, found.said if isinstance(found, Fault) else found))

    @work(thread=True, exclusive=True, group="download")
    def action_download(self) -> None:
        """Write the evidence bundle into the current folder."""
        task = self.chosen
        if task is not None:
            found = self.source.download(task)
            said = found.said if isinstance(found, Fault) else self.session.say(watching.SAVED, file=found)
            self.call_from_thread(self._tell, said, failed=isinstance(found, Fault))

    def _tell(self, said: str, *, failed: bool = False) -> None:
        self.notify(said, severity="error" if failed else "information", markup=False)

    def action_give(self, verb: str) -> None:
        """Ask, then give a command."""
        task = self.chosen
        if task is None:
            return
        refused = refusal(self.session, task, verb)
        if refused is not None:
            self._tell(refused.said, failed=True)
            return
        seen = told(task, verb)
        said = summary(seen, self.session.language)
        if seen.ends in FINISHED and seen.lock and verb != "retry":
            starting = [other.name for other in line_of(task, [*self.tasks.values()]).starting_after(task)]
            said = " ".join(filter(None, (said, starts_next(starting, self.session.language))))
        word = self.session.say(acting.VERBS[verb])
        question = Question(
            word,
            self.session.say(acting.WILL, verb=word, name=task.name, summary=said),
            details(seen, self.session.language),
            reason=self.session.say(watching.REASON),
            keep=self.session.say(watching.KEEP),
        )

        def answered(reason: str | None) -> None:
            if reason is not None:
                self._tell(self.session.say(watching.SENT, verb=word, name=task.name))
                self._give(task, verb, reason)

        self.push_screen(question, answered)

    @work(thread=True, group="give")
    def _give(self, task: Task, verb: str, reason: str) -> None:
        found = self.source.give(task, verb, reason)
        self.call_from_thread(self._note, task, verb, found)

    def _note(self, task: Task, verb: str, found: int | Fault) -> None:
        if isinstance(found, Fault):
            self._tell(found.said, failed=True)
            return
        self.given[task.uid] = Given(verb, task.name, found, self.session.seconds() + NOTE_AFTER)
        self._judge()
