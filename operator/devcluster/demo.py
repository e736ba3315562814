"""Owns the demonstration: real tasks on a real API server and SQL server, told step by step."""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster import environment
from devcluster.errors import DevClusterError
from devcluster.files import checkout
from devcluster.kubectl import Kubectl

WAIT = "60s"


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

    def until(self, phase: str, *tasks: str) -> None:
        """Wait, without a word, until the tasks are in a phase."""
        names = [f"obtask/{task}" for task in tasks]
        self.kubectl.run(["wait", f"--for=jsonpath={{.status.phase}}={phase}", f"--timeout={WAIT}", *names], timeout=90)

    def apply(self, file: Path) -> None:
        """Apply a file of deploy/demo."""
        self.type("apply", "-f", str(file.relative_to(checkout())))


def exclusion(narrator: Narrator, folder: Path) -> None:
    """Show a failed task that keeps its lock, waiters, and a retry that lets everybody go on."""
    narrator.say("A maintenance task that locks the whole cluster.")
    narrator.apply(folder / "1-tune.yaml")
    narrator.until("Failed", "tune")
    narrator.say("Three more: two lock a tenant each, 'report' locks nothing.")
    narrator.apply(folder / "2-tenants.yaml")
    narrator.until("Succeeded", "report")
    narrator.until("Waiting", "resize-orders", "resize-billing")
    narrator.say("'tune' failed and keeps its lock: both tenants wait and say for whom. 'report' is done.")
    narrator.type("get", "obtasks")
    narrator.say("Which step failed, and why? The log is in the status.")
    narrator.type("get", "obtask", "tune", "-o", 'jsonpath={.status.message}{"\\n\\n"}{.status.failedSubtask.logTail}')
    narrator.say("What is a waiting task told?")
    narrator.type("get", "obtask", "resize-orders", "-o", "jsonpath={.status.message}")
    narrator.say("The cause is mended, by a task that needs no lock. Then: retry.")
    narrator.apply(folder / "3-mend.yaml")
    narrator.until("Succeeded", "open-window")
    narrator.type("annotate", "obtask", "tune", "action=retry")
    narrator.until("Succeeded", "tune", "resize-orders", "resize-billing")
    narrator.say("'tune' went on at the failed step; then the two tenants ran side by side.")
    narrator.type("get", "obtasks")


def rollback(narrator: Narrator, folder: Path) -> None:
    """Show a failed task being rolled back."""
    narrator.say("A migration whose third step fails. Everything it did can be undone.")
    narrator.apply(folder / "4-migrate.yaml")
    narrator.until("Failed", "migrate")
    narrator.type("get", "obtask", "migrate")
    narrator.type("annotate", "obtask", "migrate", "action=rollback")
    narrator.until("RolledBack", "migrate")
    steps = '{range .status.steps[*]}{.name}{"\\t"}{.phase}{"\\n"}{end}'
    narrator.type("get", "obtask", "migrate", "-o", f"jsonpath={steps}")


def skip(narrator: Narrator, folder: Path) -> None:
    """Show a failed task being skipped."""
    narrator.say("A task that is not worth mending: skip runs nothing, undoes nothing, and frees the lock.")
    narrator.apply(folder / "5-cleanup.yaml")
    narrator.until("Failed", "cleanup")
    narrator.type("annotate", "obtask", "cleanup", "action=skip", "task.oceanbase.com/action-reason=table is gone already")
    narrator.until("Skipped", "cleanup")
    narrator.type("get", "obtask", "cleanup", "-o", "jsonpath={.status.lastAction}")


def demonstrate(root: Path) -> None:
    """Start an environment of its own, tell the story, stop the environment."""
    sys.stdout.write("Starting a Kubernetes control plane, a SQL server and the operator; the first time this can take some minutes.\n")
    with environment.leashed(root):
        running = environment.up(root, operator=True, report=_tell)
        narrator = Narrator(Kubectl(running.kubectl, running.kubeconfig))
        folder = checkout() / "deploy" / "demo"
        for scene in (exclusion, rollback, skip):
            scene(narrator, folder)
        narrator.say("All of it, with the locks free again:")
        narrator.type("get", "obtasks")
        narrator.type("get", "leases", "-l", "task.oceanbase.com/lock")
        environment.down(root, report=_tell)
    sys.stdout.write("\nThat was the demo; nothing is left running. `make up` keeps such an environment for you to try.\n")


def _tell(what: str, seconds: float | None) -> None:
    if seconds is not None:
        sys.stdout.write(f"  ✓ {what} ({seconds:.1f} s)\n")
        sys.stdout.flush()


def main(arguments: Sequence[str] = ()) -> int:
    """Run the demonstration; return the exit code."""
    try:
        demonstrate(Path(arguments[0]) if arguments else checkout() / ".dev" / "demo")
    except DevClusterError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
