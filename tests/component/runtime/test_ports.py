"""Probes and metrics while strangers hold connections open."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, suppress

import pytest
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from tests.support.attempts import until

from devcluster.ports import free_port
from obtask.runtime.health import Health
from obtask.runtime.loop_errors import LoopErrors
from obtask.runtime.ports import MOST_CONNECTIONS, listening

HOST = "127.0.0.1"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Return the port of probes and metrics."""
    registry, at = CollectorRegistry(auto_describe=True), free_port()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    async with listening((HOST, at), (HOST, at), Health(None), registry):
        yield at


async def ask(port: int, text: str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") -> str:
    """Send this and return the whole answer; the server ends the connection."""
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(text.encode())
        try:
            return (await reader.read()).decode()
        except ConnectionError:
            return ""
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def opened(port: int, said: bytes) -> socket.socket:
    """Open a connection that is never ended from here."""
    loop, made = asyncio.get_running_loop(), socket.socket()
    made.setblocking(False)
    await loop.sock_connect(made, (HOST, port))
    with suppress(ConnectionError):
        await loop.sock_sendall(made, said)
    return made


def is_open(held: socket.socket) -> bool:
    """Return whether the server has left a connection alone."""
    try:
        while held.recv(4096):
            pass
    except BlockingIOError:
        return True
    except ConnectionError:
        pass
    return False


@pytest.mark.slow
@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nX: ", b"POST /healthz HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"])
async def test_a_probe_among_a_thousand_half_open_connections(port: int, said: bytes) -> None:
    """It is answered at once, from the same address; only so many connections stay, and those not for long."""
    held: list[socket.socket] = []
    with ExitStack() as stack:
        for _ in range(20):
            held += [stack.enter_context(one) for one in await asyncio.gather(*(opened(port, said) for _ in range(50)))]
            began = time.monotonic()
            assert "200 OK" in await ask(port)
            assert time.monotonic() - began < 5
        assert sum(map(is_open, held)) <= MOST_CONNECTIONS

        await until(lambda: not any(map(is_open, held)), seconds=20)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "process_resident_memory_bytes"),
        ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "process_open_fds"),
        ("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\n\r\n", "# EOF"),
        ("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "loading"),
        ("GET /secret HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405"),
        (f"GET /{'a' * 10_000} HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        (f"GET /metrics HTTP/1.1\r\nHost: x\r\nX: {'a' * 10_000}\r\n\r\n", "400"),
        ("GET /metrics HTTP/1.1\r\n" + "X: a\r\n" * 1000 + "\r\n", "400"),
        ("\x00\x01\x02\r\n\r\n", "400"),
    ],
)
async def test_answers(port: int, text: str, said: str) -> None:
    """One address serves both; what is too long, or no HTTP, is refused, and the next one is answered."""
    assert said in await ask(port, text)
    assert "200 OK" in await ask(port)


async def test_two_addresses_tell_each_only_its_own() -> None:
    """Who may scrape need not be able to probe, and the other way round."""
    health, metrics = free_port(), free_port()
    async with listening((HOST, health), (HOST, metrics), Health(None), CollectorRegistry()):
        assert "404" in await ask(health, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert "404" in await ask(metrics)


async def test_a_scrape_may_ask_for_some_series_only(port: int) -> None:
    """``name[]`` selects, as in every exporter that is made with this library."""
    answer = await ask(port, "GET /metrics?name[]=process_max_fds HTTP/1.1\r\nHost: x\r\n\r\n")

    series = [line for line in answer.splitlines() if line and not line.startswith("#")]
    assert "200 OK" in series[0]
    assert [line.split()[0] for line in series if line.startswith(("process_", "python_"))] == ["process_max_fds"]


async def test_metrics_are_collected_on_the_loop() -> None:
    """What a scrape reads cannot change under it: it is read where it is changed."""
    tasks: dict[int, int] = {}
    loop, at, registry = asyncio.get_running_loop(), free_port(), CollectorRegistry()

    class Reading(Collector):
        def collect(self) -> Iterable[Metric]:
            assert asyncio.get_running_loop() is loop
            return [GaugeMetricFamily("tasks", "How many.", sum(tasks.values()))]

    registry.register(Reading())
    async with listening(None, (HOST, at), Health(None), registry):
        asking = [asyncio.create_task(ask(at, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")) for _ in range(20)]
        number = 0
        while not all(task.done() for task in asking):
            tasks[number] = 1
            tasks.pop(number - 1000, None)
            number += 1
            await asyncio.sleep(0)

    assert all("200 OK" in task.result() for task in asking)


def test_errors_of_the_loop_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """10,000 of a kind are one line, and one more that counts them when the next one comes later; another kind is told at once."""
    now = [0.0]
    told = LoopErrors(lambda: now[0])
    loop = asyncio.new_event_loop()
    with caplog.at_level(logging.ERROR):
        for _ in range(10_000):
            told(loop, {"message": "socket.accept() out of system resource", "exception": OSError(24, "Too many open files")})
        told(loop, {"message": "another"})
        assert len(caplog.records) == 2
        now[0] = 31
        told(loop, {"message": "socket.accept() out of system resource", "exception": OSError(24, "Too many open files")})
    loop.close()

    assert len(caplog.records) == 4
    assert "9999 more of these" in caplog.records[2].getMessage()
