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
_PATHS = re.compile(
    r"""
    /api/v1/(?:
    (?P<members>agent(?:/join|/remove)?/?$) | (?P<agent_check>agent/upgrade/check) | (?P<agent_upgrade>agent/upgrade)
  | (?P<config>obcluster/config) | (?P<server_config>observer/config) | (?P<init>ob/init)
  | (?P<start>ob/start|zone/[^/]++/start) | (?P<stop>ob/stop|zone/[^/]++/stop)
  | (?P<scale_out>ob/scale_out) | (?P<scale_in>ob/scale_in) | (?P<delete_zone>zone/[^/]++/?$)
  | (?P<check>ob/upgrade/check) | (?P<upgrade>ob/upgrade) | (?P<take_over>ob/take_over|ob/rebuild)
  | (?P<restore>(?:ob/)?restore|tenant/[^/]++/restore) | (?P<backup>(?:obcluster|tenant/[^/]++)/backup)
  | (?P<create_tenant>tenant/?$) | (?P<drop_tenant>tenant/[^/]++/?$) | (?P<replicas>tenant/[^/]++/replicas)
  | (?P<primary_zone>tenant/[^/]++/primary-?zone) | (?P<purge>recyclebin)
  | (?P<obproxy>obproxy/?$) | (?P<start_obproxy>obproxy/start) | (?P<stop_obproxy>obproxy/stop) | (?P<upgrade_obproxy>obproxy/upgrade)
  | (?P<start_seekdb>seekdb/start) | (?P<stop_seekdb>seekdb/stop) | (?P<restart_seekdb>seekdb/restart)
    )
    """,
    re.VERBOSE,
)
_NAMES = re.compile(
    r"""
    (?P<members>Join[ ]|Follower[ ]remove|Remove[ ](?:follower|all)|Agent[ ]to[ ]single)
  | (?P<agent_check>Upgrade[ ]check[ ]obshell) | (?P<agent_upgrade>Upgrade[ ]obshell)
  | (?P<config>Update[ ]cluster[ ]config) | (?P<server_config>Update[ ]observer[ ]config) | (?P<init>Initialize[ ]cluster)
  | (?P<start>Start[ ](?:OB$|local[ ]observer)) | (?P<stop>Stop[ ](?:OB$|local[ ]observer))
  | (?P<scale_out>Cluster[ ]scale[ ]out) | (?P<scale_in>Cluster[ ]scale[ ]in) | (?P<delete_zone>Delete[ ]zone)
  | (?P<check>Upgrade[ ]check[ ]OB) | (?P<upgrade>OB[ ](?:stop[ ]service|rolling)[ ]upgrade) | (?P<take_over>Take[ ]over|Rebuild[ ])
  | (?P<restore>Restore[ ]backup|Cancel[ ]restore) | (?P<backup>Obcluster[ ]start[ ]|Set[ ]obcluster[ ]backup)
  | (?P<create_tenant>Create[ ]tenant) | (?P<drop_tenant>Drop[ ]tenant) | (?P<replicas>(?:Scale[ ](?:out|in)|Modify)[ ]tenant[ ]replicas)
  | (?P<primary_zone>Modify[ ]tenant[ ]primary[ ]zone) | (?P<purge>Wait[ ]tenant[ ]purge)
  | (?P<obproxy>(?:Add|Delete)[ ]obproxy) | (?P<start_obproxy>Start[ ]obproxy) | (?P<stop_obproxy>Stop[ ]obproxy)
  | (?P<upgrade_obproxy>Upgrade[ ]obproxy)
  | (?P<start_seekdb>Start[ ](?:local[ ])?seekdb) | (?P<stop_seekdb>Stop[ ](?:local[ ])?seekdb) | (?P<restart_seekdb>Restart[ ]seekdb)
  | (?P<part_of_another>(?:Start|Stop|Kill)[ ]observer|(?:Create|Destroy)[ ]observer[ ]workdir|Local[ ]scale[ ]out|Synchronize[ ]agent)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has brought: the one task that it must have been, or None and why. ``answered``: the agent could be asked."""

    dag: Dag | None
    told: str
    answered: bool = True


def is_another(path: str, name: str) -> bool:
    """Return whether a task of this name is known to be started by something else than a request to this path."""
    told, meant = _NAMES.match(name), _PATHS.match(path)
    return told is not None and (meant is None or told.lastgroup != meant.lastgroup)


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
