"""Owns which executor carries out which action, and the end of them all when the operator stops."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from obtask.engine.secrets import SecretConnections
from obtask.executors.base import Executor
from obtask.executors.hosts import HostPolicy
from obtask.executors.http.work import HttpWork
from obtask.executors.inprocess import InProcess
from obtask.executors.obshell.client import Client
from obtask.executors.obshell.executor import Obshell
from obtask.executors.obshell.speech import Tools
from obtask.executors.sql.work import SqlWork
from obtask.executors.wait import Wait
from obtask.kube.objects import Objects
from obtask.model.actions import Action, HttpAction, ObshellAction, SqlAction, WaitAction
from obtask.model.attempt import AttemptId
from obtask.settings import Settings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What executors need of the operator. ``confirmed`` returns while no other operator can have taken over; ``on_news`` rings a task."""

    clock: Callable[[], datetime]
    confirmed: Callable[[], Awaitable[None]]
    on_news: Callable[[AttemptId], None]


@dataclass(frozen=True, slots=True)
class Actions:
    """The executors of an operator."""

    executors: Mapping[type[Action], Executor]
    sql: InProcess
    http: InProcess
    obshell: Obshell

    async def stop(self, grace_seconds: float) -> None:
        """Start nothing any more; what runs inside the operator may end within the grace period."""
        await asyncio.gather(*(executor.stop(grace_seconds) for executor in (self.sql, self.http, self.obshell)))


def build_actions(settings: Settings, objects: Objects, around: Surroundings) -> Actions:
    """Return the executors of all actions. Needs a running event loop."""
    slots = asyncio.Semaphore(settings.in_process_attempts)
    secrets, hosts = SecretConnections(objects), HostPolicy(settings.allowed_hosts)
    clock, confirmed = around.clock, around.confirmed
    sql_work = SqlWork(secrets, clock=clock, confirmed=confirmed, hosts=hosts)
    http_work = HttpWork(secrets, clock=clock, confirmed=confirmed, hosts=hosts, tls=ssl.create_default_context())
    sql, http = (InProcess(work, clock=clock, slots=slots, on_end=around.on_news) for work in (sql_work, http_work))
    obshell = Obshell(Tools(secrets, Client(clock=clock, hosts=hosts), clock, confirmed), on_news=around.on_news)
    executors: dict[type[Action], Executor] = {
        SqlAction: sql,
        HttpAction: http,
        ObshellAction: obshell,
        WaitAction: Wait(clock=clock),
    }
    return Actions(executors, sql, http, obshell)
