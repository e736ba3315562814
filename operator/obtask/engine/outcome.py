"""Owns what a reconcile says when it is over: when to reconcile the task again."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing to do for the task until it is enqueued again."""


@dataclass(frozen=True, slots=True)
class Again:
    """Reconcile the task again after this time, unless it is enqueued before."""

    after: timedelta


Outcome = Done | Again
