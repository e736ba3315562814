"""Owns the answer to a shell that asks what could follow the words of a command line (KEP-2379), as kubectl's own completion reads it."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from typing import Final

import click
from click.shell_completion import CompletionItem, ShellComplete

from kubectl_obtask.cli import build
from kubectl_obtask.options import FLAGS

# What the shell is told to do besides, as cobra numbers it.
FILES: Final = ":0"
NOTHING: Final = ":4"
OWN_FILES: Final = frozenset({"--kubeconfig", "--certificate-authority", "--client-certificate", "--client-key", "--cache-dir", "--kuberc"})


def answer(words: Sequence[str]) -> Iterator[str]:
    """Yield what could follow, one candidate a line, then what the shell is to do. The last word is the one that is being typed."""
    *before, beginning = words or [""]
    prefix, value = _split(beginning)
    if prefix:
        before, beginning = [*before, prefix], value
    if (prefix or _last(before)) in OWN_FILES:
        yield FILES
        return
    found = _found(before, beginning)
    if any(item.type == "file" for item in found):
        yield FILES
        return
    for item in found:
        # The words before the equals sign belong to the same word of the shell.
        word = f"{prefix}={item.value}" if prefix else item.value
        yield f"{word}\t{_one_line(item.help)}" if item.help else word
    yield NOTHING


def _found(before: Sequence[str], beginning: str) -> list[CompletionItem]:
    found = ShellComplete(build(), {}, "kubectl obtask", "").get_completions(list(before), beginning)
    if beginning.startswith("-"):
        flags = (f"--{flag.name}" for flag in FLAGS if len(flag.name) > 1)
        known = {item.value for item in found}
        found += [CompletionItem(flag) for flag in flags if flag.startswith(beginning) and flag not in known]
    return found


def _split(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    return (name, value) if equals and name.startswith("--") else ("", word)


def _last(words: Sequence[str]) -> str:
    return words[-1] if words else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def run(words: Sequence[str]) -> int:
    """Answer; nothing may ever be said on stderr, where it would stand in the middle of what the user types."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):  # noqa: PTH123 - a device
        try:
            lines = [*answer(words)]
        except (click.ClickException, click.exceptions.Exit, OSError):
            lines = [NOTHING]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0
