"""Whoever holds the event loop is named, with the time it took. docs/operations/troubleshooting.md."""

import asyncio
import logging
import time

import pytest
from prometheus_client import CollectorRegistry

from obtask.metrics import Metrics
from obtask.runtime.watchdog import LoopWatchdog


def dawdle(seconds: float) -> None:
    """Hold the loop."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def test_a_hold_is_counted_and_named(caplog: pytest.LogCaptureFixture) -> None:
    """The log says for how long, and in which function; a second hold soon after is counted only."""
    metrics = Metrics(CollectorRegistry())
    with caplog.at_level(logging.WARNING):
        async with LoopWatchdog(metrics.loop_held, held_seconds=0.3).watching():
            for _ in range(2):
                await asyncio.sleep(0.2)
                dawdle(0.8)
                await asyncio.sleep(0.2)

    said = [record.getMessage() for record in caplog.records if "was held for" in record.getMessage()]
    assert len(said) == 1
    assert "in dawdle" in said[0]
    assert count(metrics) >= 2
    assert (metrics.registry.get_sample_value("obtask_loop_held_seconds_sum", {}) or 0) >= 1.2


def count(metrics: Metrics) -> float:
    """Return how many holds were counted."""
    return metrics.registry.get_sample_value("obtask_loop_held_seconds_count", {}) or 0
