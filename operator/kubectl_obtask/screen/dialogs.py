"""Owns what stands in front of the panes: the question before a command, and longer texts."""

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static


class Question(ModalScreen[str | None]):
    """Asks whether to give a command; gives the reason, which may be empty, or None to keep everything as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "keep", show=False)]

    def __init__(self, verb: str, summary: str, details: Iterable[str], *, reason: str, keep: str) -> None:
        super().__init__()
        self._verb = verb
        self._summary = summary
        self._details = [*details]
        self._reason = reason
        self._keep = keep

    def compose(self) -> ComposeResult:
        """Yield the dialog."""
        with Vertical(id="dialog"):
            yield Static(Text(self._summary), id="summary")
            if self._details:
                with VerticalScroll(id="details"):
                    yield Static(Text("\n".join(self._details)))
            yield Input(placeholder=self._reason, id="reason", max_length=512)
            with Horizontal(id="buttons"):
                yield Button(self._verb, id="do", variant="primary")
                yield Button(self._keep, id="keep")

    def on_mount(self) -> None:
        """Begin where nothing happens by Enter."""
        self.query_one("#keep").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Give the answer."""
        self.dismiss(self.query_one("#reason", Input).value if event.button.id == "do" else None)

    def on_input_submitted(self) -> None:
        """Go on from the reason to the button."""
        self.query_one("#do").focus()

    def action_keep(self) -> None:
        """Keep everything as it is."""
        self.dismiss(None)


class Page(ModalScreen[None]):
    """Shows a text until it is put away."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "put_away", show=False)]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        """Yield the text."""
        with VerticalScroll(id="page") as page:
            page.border_title = self._title
            yield Static(Text(self._text))

    def action_put_away(self) -> None:
        """Go back to the panes."""
        self.dismiss(None)
