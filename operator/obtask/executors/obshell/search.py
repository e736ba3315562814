"""Owns looking for the task (DAG) that an unanswered request may have started: by when it was started, and by its name."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from obtask.executors.obshell.context import Context
from obtask.executors.obshell.dag import Dag, moment
from obtask.executors.obshell.speech import Miss

# Answers tell the agent's time to the second, and its database may have a time of its own.
EARLIER = timedelta(seconds=3)
SHOWN = 3

# Which operation of obshell's API starts a task of which name; what matches none may be anything.
_NAMES = tuple(
    (re.compile(path), re.compile(name))
    for path, name in (
        (r"/api/v1/agent/?$|/api/v1/agent/join", r"Join |(Follower r|R)emove |Agent to single"),
        (r"/api/v1/agent/remove", r"(Follower r|R)emove |Agent to single"),
        (r"/api/v1/agent/upgrade/check", r"Upgrade check obshell"),
        (r"/api/v1/agent/upgrade", r"Upgrade obshell"),
        (r"/api/v1/obcluster/config", r"Update cluster config"),
        (r"/api/v1/observer/config", r"Update observer config"),
        (r"/api/v1/ob/init", r"Initialize cluster"),
        (r"/api/v1/ob/start|/api/v1/zone/[^/]+/start", r"Start (OB|local observer)"),
        (r"/api/v1/ob/stop|/api/v1/zone/[^/]+/stop", r"Stop (OB|local observer)"),
        (r"/api/v1/ob/scale_out", r"Cluster scale out"),
        (r"/api/v1/ob/scale_in", r"Cluster scale in"),
        (r"/api/v1/zone/[^/]+$", r"Delete zone"),
        (r"/api/v1/ob/upgrade/check", r"Upgrade check OB"),
        (r"/api/v1/ob/upgrade", r"OB (stop service|rolling) upgrade"),
        (r"/api/v1/ob/take_over|/api/v1/ob/rebuild", r"Take over|Rebuild "),
        (r"/api/v1/(ob/)?restore|/api/v1/tenant/[^/]+/restore", r"Restore backup|Cancel restore"),
        (r"/api/v1/(obcluster|tenant/[^/]+)/backup", r"Obcluster start|Set obcluster backup config|.*backup"),
        (r"/api/v1/tenant/?$", r"Create tenant"),
        (r"/api/v1/tenant/[^/]+$", r"Drop tenant"),
        (r"/api/v1/tenant/[^/]+/replicas", r"(Scale out|Scale in|Modify) tenant replicas"),
        (r"/api/v1/tenant/[^/]+/primary-?zone", r"Modify tenant primary zone"),
        (r"/api/v1/recyclebin", r"Wait tenant purge finished"),
        (r"/api/v1/obproxy/?$", r"(Add|Delete) obproxy"),
        (r"/api/v1/obproxy/start", r"Start obproxy"),
        (r"/api/v1/obproxy/stop", r"Stop obproxy"),
        (r"/api/v1/obproxy/upgrade", r"Upgrade obproxy"),
        (r"/api/v1/.*inspection", r"Cluster inspection"),
        (r"/api/v1/seekdb/start", r"Start (local )?seekdb"),
        (r"/api/v1/seekdb/stop", r"Stop (local )?seekdb"),
        (r"/api/v1/seekdb/restart", r"Restart seekdb"),
        (r"(?!)", r"(Start|Stop|Kill) observer|(Create|Destroy) observer workdir|Local scale out|Synchronize agent"),
    )
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has brought: the one task that it must have been, or None and why. ``answered``: the agent could be asked."""

    dag: Dag | None
    told: str
    answered: bool = True


def is_another(path: str, name: str) -> bool:
    """Return whether a task of this name is known to be started by something else than a request to this path."""
    paths = [known for known, names in _NAMES if names.match(name)]
    return bool(paths) and not any(known.match(path) for known in paths)


async def started_since(context: Context, at: datetime, seconds: float) -> Found:
    """Look for what the attempt's own request may have started since a moment of our clock; each question takes at most so long."""
    speech = context.speech
    local = await speech.dags("dags/agent", seconds)
    cluster = await speech.dags("dags/ob", seconds) if not isinstance(local, Miss) or local.answered else local
    lists = [found for found in (local, cluster) if not isinstance(found, Miss)]
    if not lists:
        return Found(
            None,
            f"obshell could not be asked which task it has started ({local.message if isinstance(local, Miss) else '?'})",
            answered=False,
        )
    since = at + (speech.agent_now - context.tools.clock()) - EARLIER
    path, before = context.action.path or "", context.attempt.previous_external
    fresh = {dag.id: dag for found in lists for dag in found if dag.started_at is not None and dag.started_at >= since}
    likely = [dag for dag in fresh.values() if dag.id != before and not is_another(path, dag.name)]
    if len(likely) == 1:
        dag = likely[0]
        return Found(dag, f"{dag.title} was started at {moment(dag.started_at or at)}, and nothing else that it could be")
    if not likely:
        others = f" but {'; '.join(dag.title for dag in list(fresh.values())[:SHOWN])}, which are not of it" if fresh else ""
        return Found(None, f"obshell has started no task since then{others}")
    more = f" and {len(likely) - SHOWN} more" if len(likely) > SHOWN else ""
    told = "; ".join(f"{dag.title} ({dag.state} {dag.position})" for dag in likely[:SHOWN])
    return Found(None, f"obshell has started {len(likely)} tasks since then, and nobody knows which of them it was: {told}{more}")
