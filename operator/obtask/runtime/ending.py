"""Owns the shutdown of an operator: attempts end, their ends are recorded, leadership is handed over.

All of it takes at most the grace period plus MARGIN_SECONDS, whatever hangs: after that the kubelet kills the process (the chart's
terminationGracePeriodSeconds), and another operator has to wait until the Lease expires.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from typing import Final

from obtask.runtime.assembly import Operator

logger = logging.getLogger(__name__)

MARGIN_SECONDS: Final = 25.0  # as in the chart
BEGUN_SECONDS = 2.0
CLEANUP_SECONDS = 7.5  # what executors.inprocess gives to statements that are cut off, and a moment more
RECORD_SECONDS = 4.0
FLUSH_SECONDS = 2.0
RESIGN_SECONDS = 4.0
CLOSE_SECONDS = 2.0


async def drain(operator: Operator) -> None:
    """Let running attempts end, and record their ends."""
    grace = operator.settings.grace_seconds
    logger.info("stopping: running attempts get %g s", grace)
    operator.engine.locking.draining = True
    # A reconcile under way may have recorded an attempt that it is about to start: once started, it has a chance to end in time.
    await within(BEGUN_SECONDS, operator.queue.quiet())
    await within(grace + CLEANUP_SECONDS, operator.executors.stop(grace))
    await within(RECORD_SECONDS, operator.queue.quiet())


async def cut(operator: Operator) -> None:
    """Stop running attempts at once; nothing of them can be recorded."""
    operator.engine.locking.draining = True
    await within(CLEANUP_SECONDS, operator.executors.stop(0))


async def hand_over(operator: Operator) -> None:
    """Post the last Events and give leadership back: nothing of this operator is at work any more."""
    resigning = within(RESIGN_SECONDS, operator.leadership.resign()) if operator.leadership is not None else asyncio.sleep(0)
    await asyncio.gather(operator.events.flush(FLUSH_SECONDS), resigning)


async def close(operator: Operator) -> None:
    """Close what is still open."""
    parts = (operator.engine.checks.close(), operator.engine.answers.close(), operator.executors.close(), operator.api.close())
    await within(CLOSE_SECONDS, asyncio.gather(*parts))


async def within(seconds: float, work: Awaitable[object]) -> None:
    """Wait for this work, but no longer than so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work
