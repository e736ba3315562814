"""Owns the demonstration of runbooks: operations by templates of the catalogue, on the real SQL server."""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from devcluster.environment import Environment, connection_secret
from devcluster.narrator import Narrator

TEMPLATES: Final = (
    "set-cluster-parameters",
    "major-compaction-in-tenant",
    "create-database",
    "create-user",
    "grant",
    "change-root-password",
    "kill-sessions",
)
STEPS: Final = 'jsonpath={range .status.steps[*]}{.name}{"\\t"}{.phase}{"\\n"}{end}'
ITEMS: Final = 'jsonpath={range .status.steps[4].subtasks[*]}{.item}{"\\t"}{.phase}{"\\t"}{.message}{"\\n"}{end}'
COMPACTION_SECONDS: Final = 150
SLOW_SECONDS: Final = 2  # the runbook looks for what has been running for one


def parameters(narrator: Narrator, folder: Path) -> None:
    """Show parameters being changed, and brought back to what they were."""
    narrator.say("Templates of the catalogue; there are more: kubectl get clusterobtasktemplates")
    narrator.type("get", "clusterobtasktemplates", *TEMPLATES)
    narrator.say("seekdb is no cluster: a task makes the few views that the templates need beyond its own.")
    narrator.apply(folder / "1-views.yaml")
    narrator.until("Succeeded", "views")
    narrator.say("1. Change parameters, one after the other. The server refuses one of the values.")
    narrator.apply(folder / "2-parameters.yaml")
    narrator.until("Failed", "parameters")
    narrator.type("get", "obtask", "parameters", "-o", "jsonpath={.status.message}")
    narrator.say("The template has remembered the values before it changed anything: the rollback knows what to put back.")
    narrator.type("get", "obtask", "parameters", "-o", "jsonpath={.status.steps[1].subtasks[0].outputs}")
    narrator.type("annotate", "obtask", "parameters", "action=rollback")
    narrator.until("RolledBack", "parameters")
    narrator.type("get", "obtask", "parameters", "-o", ITEMS)


def compaction(narrator: Narrator, folder: Path) -> None:
    """Show a major compaction that is waited for, with its progress."""
    narrator.say("2. A major compaction: frozen, then merged. The message says how far it is.")
    narrator.apply(folder / "3-compaction.yaml")
    narrator.until_field("{.status.steps[4].subtasks[0].message}", None, "compaction")
    narrator.type("get", "obtask", "compaction", "-o", "jsonpath={.status.steps[4].subtasks[0].message}")
    narrator.until("Succeeded", "compaction", seconds=COMPACTION_SECONDS)
    narrator.type("get", "obtask", "compaction", "-o", STEPS)


def users(narrator: Narrator, folder: Path) -> None:
    """Show a database, a user and its rights, and then its new password."""
    narrator.say("3. A database, a user, what the user may do. All three lock the tenant, so they take turns.")
    narrator.apply(folder / "4-user.yaml")
    narrator.until("Succeeded", "database", "user", "user-rights")
    narrator.type("get", "obtasks", "database", "user", "user-rights")
    narrator.say("4. A new password. It comes from a Secret, and is shown nowhere.")
    narrator.apply(folder / "5-password.yaml")
    narrator.until("Succeeded", "password")
    narrator.type("get", "obtask", "password", "-o", "jsonpath={.status.steps[1].subtasks[0].logTail}")


def sessions(narrator: Narrator, folder: Path) -> None:
    """Show statements that are ended, once a person has approved."""
    narrator.say("5. A query runs for too long.")
    narrator.apply(folder / "6-slow.yaml")
    narrator.until_field("{.status.steps[0].phase}", "Running", "slow")
    time.sleep(SLOW_SECONDS)
    narrator.apply(folder / "7-kill.yaml")
    narrator.say("The runbook has found it, and asks.")
    narrator.until_field("{.status.steps[2].subtasks[0].message}", None, "kill")
    narrator.type("get", "obtask", "kill", "-o", "jsonpath={.status.reason}: {.status.steps[2].subtasks[0].message}")
    narrator.type("annotate", "obtask", "kill", "action=approve")
    narrator.until("Succeeded", "kill")
    narrator.until("Failed", "slow")
    narrator.type("get", "obtask", "slow", "-o", "jsonpath={.status.message}")
    narrator.type("annotate", "obtask", "slow", "action=skip")
    narrator.until("Skipped", "slow")


SCENES: Final[tuple[Callable[[Narrator, Path], None], ...]] = (parameters, compaction, users, sessions)


def connections(environment: Environment) -> list[dict[str, Any]]:
    """Return the Secrets of the user that the demonstration makes: with the first password, and with the next one."""
    return [_connection(environment, name) for name in ("reporting", "reporting-new")]


def _connection(environment: Environment, name: str) -> dict[str, Any]:
    secret = connection_secret(environment.database)
    known = {key: secret["stringData"][key] for key in ("host", "port")}
    user = {"user": "reporting", "password": secrets.token_urlsafe(16)}
    return secret | {"metadata": {**secret["metadata"], "name": name}, "stringData": known | user}
