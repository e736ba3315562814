"""Owns what one command works with: kubectl, the terminal, the language and the clock; and the command classes that make it."""

import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from locale import getlocale
from os import environ
from time import monotonic
from typing import Any, Final

import click

from kubectl_obtask.kubectl import Kubectl
from kubectl_obtask.options import SECRETS, Given, normalised, shared_options, taken
from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.terminal import Terminal, terminal
from kubectl_obtask.wording.language import Language, Text, language_of

SINGLE_QUOTES: Final = (
    "'\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}\N{SINGLE LOW-9 QUOTATION MARK}\N{SINGLE HIGH-REVERSED-9 QUOTATION MARK}"
)


@dataclass(frozen=True, slots=True)
class Session:
    """What one command works with."""

    kubectl: Kubectl
    terminal: Terminal
    language: Language
    now: Callable[[], datetime]
    seconds: Callable[[], float]

    def say(self, text: Text, **values: object) -> str:
        """Return a text in the user's language, with these values in it."""
        return text.in_(self.language).format(**values)

    def command_line(self, *words: str) -> str:
        """Return what the user would type for another command, with the same flags; a token or password is not shown."""
        namespace = () if self.kubectl.namespace is None else ("-n", self.kubectl.namespace)
        flags = [flag for flag in self.kubectl.flags if not flag.startswith(SECRETS)]
        return quoted(["kubectl", "obtask", *words, *namespace, *flags], sys.platform)

    def within(self, namespace: str) -> "Session":
        """Return the session of a namespace that a task is in; itself if that is where the user is."""
        if not namespace or self.kubectl.namespace == namespace:
            return self
        return replace(self, kubectl=replace(self.kubectl, namespace=namespace))

    def failed(self, fault: Fault) -> int:
        """Tell the user why something could not be done; return the exit code."""
        self.terminal.note(fault.said)
        return fault.code


def session(given: Given) -> Session:
    """Return the session of this process."""
    return Session(
        kubectl=Kubectl(given.connection, given.namespace),
        terminal=terminal(given.colour, environ),
        language=language_of(given.language, environ, (getlocale()[0] or "") if sys.platform == "win32" else ""),
        now=lambda: datetime.now(UTC),
        seconds=monotonic,
    )


def quoted(words: Sequence[str], platform: str) -> str:
    """Return a command line that a shell reads as these words: PowerShell on Windows, elsewhere one like sh."""
    return " ".join(map(_in_powershell, words)) if platform == "win32" else shlex.join(words)


def _in_powershell(word: str) -> str:
    # A leading @ names a variable there, and typographic quotes end a text as plain ones do.
    if re.fullmatch(r"(?!@)[\w@+=:./\\-]+", word):
        return word
    return "'" + re.sub("[" + SINGLE_QUOTES + "]", r"\g<0>\g<0>", word) + "'"


class Verb(click.Command):
    """A command: it has kubectl's flags, gets a Session as its first argument, and returns its exit code (None: done)."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params += shared_options()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line as kubectl would."""
        return super().parse_args(ctx, normalised(args, self.params))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command with its Session."""
        before = ctx.parent.obj if ctx.parent is not None and isinstance(ctx.parent.obj, Given) else Given()
        ctx.obj = session(before.then(taken(ctx.params)))
        return super().invoke(ctx)


def verb(name: str) -> Callable[[Callable[..., int | ExitCode | None]], click.Command]:
    """Make a function the command of this name; its first argument is the Session."""

    def made(function: Callable[..., int | ExitCode | None]) -> click.Command:
        return click.command(name, cls=Verb)(click.pass_obj(function))

    return made
