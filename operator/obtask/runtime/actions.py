"""Owns which executor carries out which action, and the end of them all when the operator stops."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from obtask.executors.base import Executor
from obtask.executors.evaluation.evaluator import Evaluator
from obtask.executors.http.work import HttpWork
from obtask.executors.inprocess import InProcess
from obtask.executors.job.executor import JobExecutor
from obtask.executors.job.target import PodSecrets
from obtask.executors.job.work import Tools as JobTools
from obtask.executors.network.large_answers import LargeAnswers
from obtask.executors.network.lookup import LOOKUP_THREADS, Reach
from obtask.executors.obshell.executor import Obshell
from obtask.executors.obshell.target import Tools
from obtask.executors.obshell.wire import Client
from obtask.executors.records import Records
from obtask.executors.resource.work import ResourceWork
from obtask.executors.resumable import Resumable
from obtask.executors.secret_connections import SecretConnections
from obtask.executors.sql.work import SqlWork
from obtask.executors.wait.executor import Wait
from obtask.kube.client import Api
from obtask.kube.discovery import Discovery
from obtask.kube.impersonation import Impersonation
from obtask.kube.jobs import Jobs
from obtask.kube.objects import Objects
from obtask.model.actions import Action, HttpAction, ObshellAction, SqlAction, WaitAction
from obtask.model.attempt import AttemptId
from obtask.model.kubernetes_actions import JobAction, ResourceAction
from obtask.rules.nonces import Nonces
from obtask.settings import Settings
from obtask.shares import Pace, Slots, Threads

# Starts and polls of one namespace: some milliseconds of the loop each.
TURNS_PER_SECOND = 50
TURNS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What executors need of the operator.

    ``confirmed`` returns while no other operator can have taken over; ``on_news`` rings the task of an attempt.
    """

    clock: Callable[[], datetime]
    confirmed: Callable[[], Awaitable[None]]
    on_news: Callable[[AttemptId], None]
    nonces: Nonces


@dataclass(frozen=True, slots=True)
class Actions:
    """The executors of an operator."""

    executors: Mapping[type[Action], Executor]
    sql: InProcess
    http: InProcess
    obshell: Obshell
    resource: Resumable
    jobs: JobExecutor
    acting: Api
    evaluator: Evaluator

    async def stop(self, grace_seconds: float) -> None:
        """Start nothing any more; what runs inside the operator may end within the grace period, what others can go on with is left."""
        inside = (executor.stop(grace_seconds) for executor in (self.sql, self.http, self.obshell))
        await asyncio.gather(self.resource.stop(), *inside)

    async def close(self) -> None:
        """Close what is still open."""
        await asyncio.gather(self.jobs.close(), self.acting.close(), self.evaluator.close())


def build_actions(settings: Settings, api: Api, objects: Objects, around: Surroundings) -> Actions:
    """Return the executors of all actions. Needs a running event loop."""
    # What waits long for an object, or for obshell, must not keep statements waiting: each kind has slots of its own.
    slots, acting_slots, agent_slots, idle, watches = (
        Slots(settings.in_process_attempts, most=settings.in_process_attempts_per_namespace) for _ in range(5)
    )
    pace = Pace(TURNS_PER_SECOND, burst=TURNS_AT_ONCE)
    secrets = SecretConnections(objects)
    hosts = Reach(settings.allowed_hosts, threads=Threads(LOOKUP_THREADS, most=settings.lookups_per_namespace))
    evaluator = Evaluator()
    large = LargeAnswers()
    clock, confirmed = around.clock, around.confirmed
    sql_work = SqlWork(secrets, clock=clock, confirmed=confirmed, expressions=evaluator, hosts=hosts, large=large)
    tls = ssl.create_default_context()
    http_work = HttpWork(secrets, clock=clock, confirmed=confirmed, expressions=evaluator, hosts=hosts, tls=tls, large=large)
    sql, http = (InProcess(work, clock=clock, slots=slots, idle=idle, pace=pace, on_end=around.on_news) for work in (sql_work, http_work))
    obshell = Obshell(
        Tools(secrets, Client(clock=clock, hosts=hosts, large=large), clock, confirmed, agent_slots, pace, evaluator),
        on_news=around.on_news,
    )
    acting = api.apart()
    records = Records(around.on_news)
    parts = Impersonation(acting), Discovery(api), objects
    changing = ResourceWork(*parts, record=records.record, confirmed=confirmed, expressions=evaluator)
    inner = InProcess(changing, clock=clock, slots=acting_slots, idle=watches, pace=pace, on_end=around.on_news)
    resource = Resumable(inner, records)
    job_tools = JobTools(
        Jobs(api), PodSecrets(objects), clock, confirmed, settings.pod_start_seconds, around.nonces, settings.followed_logs_per_namespace
    )
    jobs = JobExecutor(job_tools)
    executors: dict[type[Action], Executor] = {
        SqlAction: sql,
        HttpAction: http,
        ObshellAction: obshell,
        ResourceAction: resource,
        JobAction: jobs,
        WaitAction: Wait(clock=clock),
    }
    return Actions(executors, sql, http, obshell, resource, jobs, acting, evaluator)
