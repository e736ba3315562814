"""Owns what must have held in everything that the API server and the SQL server saw, and must hold once everything is quiet."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tests.support.apiserver import Body
from tests.support.history import Change, History
from tests.support.journal import Entry, Journal
from tests.support.promises import attempts

# An attempt: uid of its task, step, subtask, direction, number.
Name = tuple[str, str, str, str, int]


def note(journal: Journal) -> str:
    """Return the statement that writes down which attempt executes it, by uid: namesakes are other tasks."""
    values = ", ".join(f"@OBTASK_{name}" for name in ("UID", "STEP", "SUBTASK", "DIRECTION", "ATTEMPT", "LOCK_TOKEN"))
    return f"insert into {journal.table} (task, step, subtask, direction, attempt, token) values ({values})"


def broken(history: History, journal: Journal, commands: Mapping[str, int]) -> list[str]:
    """Return every broken promise."""
    versions = _versions(history.changes())
    found = history.problems()
    found += _executions(versions, journal)
    found += _commands(versions, commands)
    return found


def _versions(changes: list[Change]) -> dict[str, list[Body]]:
    """Return all versions of each task, by uid."""
    found: dict[str, list[Body]] = defaultdict(list)
    for change in changes:
        if change.kind == "obtask" and change.body is not None:
            found[change.body["metadata"]["uid"]].append(change.body)
    return found


def _executions(versions: Mapping[str, list[Body]], journal: Journal) -> Iterator[str]:
    """An attempt is executed at most once, only after it was recorded, and with the token of the lock under which it was recorded."""
    recorded: dict[Name, int | None] = {}
    for uid, bodies in versions.items():
        for body in bodies:
            status = body.get("status", {})
            for (step, subtask, direction), count in attempts(status):
                recorded.setdefault((uid, step, subtask, direction, count), status.get("lock", {}).get("token"))
    for twice in journal.twice():
        yield f"executed more than once: {twice}"
    for entry in journal.entries():
        name = _name(entry)
        if name not in recorded:
            yield f"executed and never recorded: {entry}"
        elif recorded[name] != entry.token:
            yield f"executed with token {entry.token}, recorded under token {recorded[name]}: {entry}"


def _name(entry: Entry) -> Name:
    return (entry.task, entry.step, entry.subtask, entry.direction, entry.attempt)


def _commands(versions: Mapping[str, list[Body]], commands: Mapping[str, int]) -> Iterator[str]:
    """Each command is answered exactly once; a task that is deleted may leave some unanswered."""
    for uid, bodies in versions.items():
        meta = bodies[-1]["metadata"]
        answers = {answer["id"] for body in bodies if (answer := body.get("status", {}).get("lastAction"))}
        given = commands.get(uid, 0)
        if len(answers) > given or (len(answers) < given and "deletionTimestamp" not in meta):
            yield f"{meta['name']}: {given} commands were given and {len(answers)} answered"


def trace(history: History, task: str) -> Iterator[str]:
    """Say what the API server saw of a task and of the Leases that named it, one line for each version."""
    for change in history.changes():
        body = change.body or {}
        if change.kind == "obtask" and change.name == task:
            yield f"{change.version} {task}: {_summary(body)}"
        elif change.kind == "lease" and body.get("spec", {}).get("holderIdentity", "").startswith(f"{task}/"):
            yield f"{change.version} {task} is named by Lease {change.name}"


def _summary(body: Body) -> str:
    if not body:
        return "gone"
    meta, status = body["metadata"], body.get("status", {})
    failed, answer = status.get("failedSubtask", {}), status.get("lastAction", {})
    parts = [
        f"uid {meta['uid'][:8]}",
        status.get("phase", "Pending"),
        status.get("direction", ""),
        " ".join(f"{step}/{subtask}/{direction}={count}" for (step, subtask, direction), count in attempts(status) if count),
        f"failed: {failed['reason']}, {failed['message']}" if failed else "",
        f"{answer['verb']} ({answer['id']}) {answer['result']}" if answer else "",
        f"annotated {command}" if (command := meta.get("annotations", {}).get("action")) else "",
        "deleted" if "deletionTimestamp" in meta else "",
        "with finalizer" if meta.get("finalizers") else "",
    ]
    return ", ".join(part for part in parts if part)
