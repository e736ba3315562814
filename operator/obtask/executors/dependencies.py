"""Owns what executors are built from: what the operator hands in, and what all of them share."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from obtask.executors.evaluation.evaluator import Evaluator
from obtask.executors.inprocess import InProcess, Work
from obtask.executors.network.large_answers import LargeAnswers
from obtask.executors.network.lookup import LOOKUP_THREADS, Reach
from obtask.executors.records import Records
from obtask.executors.secret_connections import SecretConnections
from obtask.kube.client import Api
from obtask.kube.objects import Objects
from obtask.model.attempt import AttemptId
from obtask.rules.nonces import Nonces
from obtask.settings import Settings
from obtask.shares import Pace, Slots, Threads

# Starts and polls of one namespace: some milliseconds of the loop each.
TURNS_PER_SECOND = 50
TURNS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class FromOperator:
    """What the operator gives.

    ``confirmed`` returns while no other operator can have taken over; ``on_news`` has the task of an attempt reconciled; ``sleep`` lets
    time pass between two polls; obshell is asked every ``obshell_seconds``.
    """

    settings: Settings
    api: Api
    objects: Objects
    clock: Callable[[], datetime]
    confirmed: Callable[[], Awaitable[None]]
    on_news: Callable[[AttemptId], None]
    nonces: Nonces
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    obshell_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What an executor may use.

    ``slots`` are for statements and requests, ``idle`` for the connections of those that pause; ``tls`` verifies whom no ``ca.crt`` is for.
    """

    operator: FromOperator
    secrets: SecretConnections
    hosts: Reach
    expressions: Evaluator
    large: LargeAnswers
    tls: ssl.SSLContext
    pace: Pace
    slots: Slots
    idle: Slots

    def own_slots(self) -> Slots:
        """Return slots for one kind of actions alone: what waits long there must not keep statements waiting."""
        return slots_of(self.operator.settings)

    def in_process(
        self,
        work: Work,
        *,
        slots: Slots | None = None,
        idle: Slots | None = None,
        records: Records | None = None,
        closing: Callable[[], Awaitable[None]] | None = None,
    ) -> InProcess:
        """Return the executor of a work that runs inside the operator; see ``InProcess``."""
        return InProcess(
            work,
            clock=self.operator.clock,
            slots=slots or self.slots,
            idle=idle or self.idle,
            pace=self.pace,
            on_end=self.operator.on_news,
            records=records,
            closing=closing,
        )


def shared(operator: FromOperator) -> Dependencies:
    """Return what the executors of one operator share. Needs a running event loop."""
    settings = operator.settings
    return Dependencies(
        operator,
        secrets=SecretConnections(operator.objects),
        hosts=Reach(settings.allowed_hosts, threads=Threads(LOOKUP_THREADS, most=settings.lookups_per_namespace)),
        expressions=Evaluator(),
        large=LargeAnswers(),
        tls=ssl.create_default_context(),
        pace=Pace(TURNS_PER_SECOND, burst=TURNS_AT_ONCE),
        slots=slots_of(settings),
        idle=slots_of(settings),
    )


def slots_of(settings: Settings) -> Slots:
    """Return slots as the settings have them."""
    return Slots(settings.in_process_attempts, most=settings.in_process_attempts_per_namespace)
