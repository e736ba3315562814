"""Owns the demonstrations: real tasks on a real API server and SQL server, told step by step."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from devcluster import environment, runbook_demo
from devcluster.errors import DevClusterError
from devcluster.files import checkout
from devcluster.kubectl import Kubectl
from devcluster.narrator import Narrator


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


def demonstrate(root: Path, *, runbook: bool = False) -> None:
    """Start an environment of its own, tell the story, stop the environment."""
    sys.stdout.write("Starting a Kubernetes control plane, a SQL server and the operator; the first time this can take some minutes.\n")
    with environment.leashed(root):
        running = environment.up(root, operator=True, report=_tell)
        narrator = Narrator(Kubectl(running.kubectl, running.kubeconfig))
        folder = checkout() / "deploy" / "demo"
        if runbook:
            narrator.kubectl.apply(runbook_demo.connections(running))
            folder = folder / "runbook"
        for scene in runbook_demo.SCENES if runbook else (exclusion, rollback, skip):
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
    """Run a demonstration: `--runbook`, and the folder for its files, if other than .dev/demo. Return the exit code."""
    folders = [Path(word) for word in arguments if word != "--runbook"]
    try:
        demonstrate(folders[0] if folders else checkout() / ".dev" / "demo", runbook="--runbook" in arguments)
    except DevClusterError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
