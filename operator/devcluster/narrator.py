"""Owns how a demonstration is told: remarks, the commands that a person would type, and what they answer."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from devcluster.files import checkout
from devcluster.kubectl import Kubectl

WAIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Narrator:
    """Prints what is done, the command a person would type, and what it answers."""

    kubectl: Kubectl

    def say(self, text: str) -> None:
        """Print a remark."""
        sys.stdout.write(f"\n\033[1m# {text}\033[0m\n" if sys.stdout.isatty() else f"\n# {text}\n")
        sys.stdout.flush()

    def type(self, *words: str) -> None:
        """Run a kubectl command and print both it and its answer."""
        shown = " ".join(word if word.isascii() and " " not in word and "{" not in word else shlex.quote(word) for word in words)
        sys.stdout.write(f"$ kubectl {shown}\n{self.kubectl.run(words).rstrip()}\n")
        sys.stdout.flush()

    def until(self, phase: str, *tasks: str, seconds: int = WAIT_SECONDS) -> None:
        """Wait, without a word, until the tasks are in a phase."""
        self.until_field("{.status.phase}", phase, *tasks, seconds=seconds)

    def until_field(self, path: str, value: str | None, *tasks: str, seconds: int = WAIT_SECONDS) -> None:
        """Wait, without a word, until a field of the tasks has a value, or any value at all."""
        wanted = f"--for=jsonpath={path}" + ("" if value is None else f"={value}")
        names = [f"obtask/{task}" for task in tasks]
        self.kubectl.run(["wait", wanted, f"--timeout={seconds}s", *names], timeout=seconds + 30)

    def apply(self, file: Path) -> None:
        """Apply a file of deploy/demo."""
        self.type("apply", "-f", str(file.relative_to(checkout())))
