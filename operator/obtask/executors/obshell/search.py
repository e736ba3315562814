"""Owns finding the DAG that an unanswered request may have started, by its start time and name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from obtask.executors.obshell.answers import Miss
from obtask.executors.obshell.context import Context
from obtask.executors.obshell.dag import NO_MAINTENANCE, SHOWN_NAME, TENANT_MAINTENANCE, Dag, moment
from obtask.executors.obshell.marks import mark_of
from obtask.model.actions import ObshellAction

# Answers tell the agent's time to the second, and its database may have a time of its own.
EARLIER = timedelta(seconds=3)
SHOWN = 3

# Which operation of obshell's API starts a task of which name; what matches none is taken for none.
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

_TENANT_PATH = re.compile(r"/api/v1/(?:recyclebin/)?tenant/(?P<tenant>[^/]++)")
_CREATES_TENANT = re.compile(r"/api/v1/(?:tenant(?:/restore)?|(?:ob/)?restore)/?")
_TENANT_FIELDS = ("name", "tenant_name", "restore_tenant_name")  # of the bodies of those
_TENANT_NAME = re.compile(r"(?:Create tenant|Cancel restore|.* for) (?P<tenant>\S++)$")


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has brought: the one task that it must have been, or None and why. ``answered``: the agent could be asked."""

    dag: Dag | None
    told: str
    answered: bool = True


def is_another(path: str, name: str) -> bool:
    """Return whether a task of this name may be started by something else than a request to this path: any that is not known to be."""
    told, meant = _NAMES.match(name), _PATHS.match(path)
    return told is None or meant is None or told.lastgroup != meant.lastgroup


def tenant_of(action: ObshellAction) -> str:
    """Return which tenant a request is about; an empty text if it names none."""
    path, body = action.path or "", action.body or {}
    if (about := _CREATES_TENANT.fullmatch(path)) is None:
        about = _TENANT_PATH.match(path)
        return about["tenant"] if about is not None else ""
    return next((body[name] for name in _TENANT_FIELDS if isinstance(body.get(name), str)), "")


def is_of_another_tenant(tenant: str, dag: Dag) -> bool:
    """Return whether a task is about another tenant, or names none."""
    named = _TENANT_NAME.match(dag.name)
    about = dag.maintenance_key if tenant or dag.maintenance == TENANT_MAINTENANCE else ""
    return (about or (named["tenant"] if named else "")) != tenant[:SHOWN_NAME]


def _kept_out(dag: Dag, others: Iterable[Dag], since: datetime) -> Dag | None:
    """Return a task that a request for this one may have waited for since a moment."""
    for other in others:
        ended = other.ended_at is not None and other.ended and other.ended_at < since
        if other.id == dag.id or ended or other.maintenance in NO_MAINTENANCE or not _began_before(other, dag):
            continue
        if TENANT_MAINTENANCE not in {other.maintenance, dag.maintenance} or other.maintenance_key == dag.maintenance_key:
            return other
    return None


def _began_before(other: Dag, dag: Dag) -> bool:
    return other.started_at is None or dag.started_at is None or other.started_at <= dag.started_at


@dataclass(frozen=True, slots=True)
class _Listed:
    """The tasks that an agent lists, the agent's URL if it matters which one it is, and the moment to look from, by its clock."""

    dags: list[Dag] | Miss
    url: str | None
    since: datetime


async def _lists(context: Context, at: datetime, seconds: float) -> dict[str, _Listed]:
    """Return the lists of tasks in which it may be."""
    conversation = context.conversation
    agents = await conversation.may_have_got_it() or (None,)
    lists: dict[str, _Listed] = {}
    for url in agents:
        with conversation.only(url):
            for path in ("dags/agent", "dags/ob"):
                of_all = path == "dags/ob"  # every agent has the same ones
                if of_all and path in lists and not isinstance(lists[path].dags, Miss):
                    continue
                found = await conversation.dags(path, seconds)
                name = path if of_all or len(agents) == 1 else f"{path} of {url}"
                lists[name] = _Listed(found, url, at + (conversation.agent_now - context.tools.clock()) - EARLIER)
    return lists


async def started_since(context: Context, at: datetime, seconds: float, *, may_have_waited: bool = False) -> Found:
    """Look for what the attempt's own request may have started since a moment of our clock; each question takes at most so long.

    ``may_have_waited``: the request may have been sent much later than that, as obshell was busy.
    """
    lists = await _lists(context, at, seconds)
    unread = [f"{name}: {listed.dags.message}" for name, listed in lists.items() if isinstance(listed.dags, Miss)]
    all_dags = {dag.id: (dag, listed) for listed in lists.values() if not isinstance(listed.dags, Miss) for dag in listed.dags}
    path, tenant, before = context.action.path or "", tenant_of(context.action), context.attempt.previous_external
    fresh = [dag for dag, listed in all_dags.values() if dag.started_at is not None and dag.started_at >= listed.since]
    likely = [dag for dag in fresh if dag.id != before and not is_another(path, dag.name) and not is_of_another_tenant(tenant, dag)]
    likely = [dag for dag in likely if not context.watcher.is_of_another(dag)]
    if len(likely) == 1:
        dag = likely[0]
        every, listed = [one for one, _ in all_dags.values()], all_dags[dag.id][1]
        if may_have_waited and (other := _kept_out(dag, every, listed.since)) is not None:
            return Found(None, f"{dag.title} may be it, or somebody else's: the request may have waited for {other.title}")
        await context.conversation.stay_with(listed.url)
        context.watcher.tell(dag.progress, external=dag.id, mark=mark_of(dag))
        return Found(dag, f"{dag.title} was started at {moment(dag.started_at or at)}, and nothing else that it could be")
    if not all_dags and len(unread) == len(lists):
        return Found(None, f"obshell could not be asked which task it has started ({'; '.join(unread)})", answered=False)
    if not likely:
        others = f" but {'; '.join(dag.title for dag in fresh[:SHOWN])}, which are not of it" if fresh else ""
        if unread:
            others += f", as far as it could be asked ({'; '.join(unread)})"
        return Found(None, f"obshell has started no task since then{others}", answered=not unread)
    more = f" and {len(likely) - SHOWN} more" if len(likely) > SHOWN else ""
    told = "; ".join(f"{dag.title} ({dag.state} {dag.position})" for dag in likely[:SHOWN])
    return Found(None, f"obshell has started {len(likely)} tasks since then, and nobody knows which of them it was: {told}{more}")
