"""Owns the files of an evidence bundle, in their order, and what is in each. Pure."""

import csv
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from io import StringIO
from typing import Any, Final

import yaml

from obtask.rules.evidence.attempts import attempts
from obtask.rules.evidence.fields import at, number, objects, text
from obtask.rules.evidence.reading import Evidence
from obtask.rules.evidence.summary import readme, versions

HISTORY: Final = ("handledAt", "requestedAt", "verb", "requestedBy", "result", "reason")
COMPUTED: Final = ("=", "+", "-", "@", "\t")
NONE: Final = "-"
AMBIGUOUS: Final = re.compile(r"y|n|yes|no|on|off|true|false|null|~|[-+.]{0,2}[0-9][0-9a-z_.:+-]{0,99}", re.IGNORECASE)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines, such as scripts, as people read them, and in quotes what some reader takes for a number or a truth."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Return the node of a text."""
        style = "'" if AMBIGUOUS.fullmatch(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else style)


_Dumper.add_representer(str, _Dumper.represent_str)


def members(evidence: Evidence, moment: datetime) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file. Each is made only when it is asked for."""
    logs = attempts(evidence)
    yield "README.txt", _encoded(readme(evidence, logs, moment))
    yield "task.yaml", _encoded(_manifest(evidence.task))
    yield "events.txt", _encoded(_events(evidence))
    yield "history.csv", _encoded(_history(evidence))
    for attempt in logs:
        yield attempt.path, _encoded(attempt.log())
    yield "waiting.txt", _encoded(_waiting(evidence))
    yield "environment.txt", _encoded("".join(f"{name}: {value}\n" for name, value in versions(evidence)))


def _encoded(content: str) -> bytes:
    ended = content if not content or content.endswith("\n") else f"{content}\n"
    return ended.encode(errors="backslashreplace")


def _manifest(task: Mapping[str, Any]) -> str:
    metadata = {key: value for key, value in (at(task, "metadata") or {}).items() if key != "managedFields"}
    return yaml.dump({**task, "metadata": metadata}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _events(evidence: Evidence) -> str:
    rows = sorted((_seen(event), text(event, "metadata", "name"), event) for event in evidence.events)
    said = [
        f"{moment or NONE}  {text(event, 'type')}  {text(event, 'reason')}  x{max(number(event, 'count'), 1)}  {text(event, 'message')}"
        for moment, _, event in rows
    ]
    return "\n".join(said or ["no Events"])


def _seen(event: Mapping[str, Any]) -> str:
    return text(event, "lastTimestamp") or text(event, "eventTime") or text(event, "metadata", "creationTimestamp")


def _history(evidence: Evidence) -> str:
    written = StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(HISTORY)
    for command in objects(evidence.task, "status", "history"):
        writer.writerow([_cell(text(command, name)) for name in HISTORY])
    return written.getvalue()


def _cell(value: str) -> str:
    """Return a cell that no spreadsheet computes."""
    return f"'{value}" if value.startswith(COMPUTED) else value


def _waiting(evidence: Evidence) -> str:
    task = evidence.task
    uid = text(task, "metadata", "uid")
    lock = at(task, "status", "lock")
    held = (
        f"{text(lock, 'scope')}, Lease {text(lock, 'lease')}, since {text(lock, 'acquiredAt')}, token {text(lock, 'token')}"
        if isinstance(lock, Mapping)
        else "none"
    )
    before = [
        f"  {text(each, 'name')}  {text(each, 'phase')}  {text(each, 'scope')}  since {text(each, 'since') or NONE}"
        for each in objects(task, "status", "blockedBy")
    ]
    behind = [
        f"  {text(other, 'metadata', 'name')}  {_scope(other)}  created {text(other, 'metadata', 'creationTimestamp')}"
        for other in sorted(evidence.others, key=_place)
        if any(text(blocker, "uid") == uid for blocker in objects(other, "status", "blockedBy"))
    ]
    parts = (
        [f"lock held / 持有的锁: {held}"],
        ["in the way of this task / 阻塞本任务的任务:", *(before or ["  none"])],
        ["waiting behind this task / 等待本任务的任务:", *(behind or ["  none"])],
    )
    return "\n".join(line for part in parts for line in part)


def _scope(task: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (text(task, "spec", "maintenance"), text(task, "spec", "tenant"))))


def _place(task: Mapping[str, Any]) -> tuple[str, str]:
    return text(task, "metadata", "creationTimestamp"), text(task, "metadata", "name")
