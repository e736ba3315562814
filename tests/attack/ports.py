"""Owns attacks on the ports that the operator listens on. S15."""

import socket
from contextlib import ExitStack, suppress

from tests.attack.ground import Ground, until
from tests.attack.verdict import Attack, Held, Through, Verdict

MANY = 400


def half_open(ground: Ground) -> Verdict:
    """Open hundreds of connections to each port, send half a request, and wait."""
    before = ground.operator.threads()
    with ExitStack() as stack:
        for port in {ground.operator.health, ground.operator.metrics}:
            for number in range(MANY):
                with suppress(OSError):
                    line = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=2))
                    line.sendall((b"GET /healthz HTTP/1.1\r\nHost: x", b"", b"GET /metrics HTTP/1.1\r\n" + b"x: y\r\n" * 500)[number % 3])
        probes = [ground.operator.probe() for _ in range(5)]
        threads = ground.operator.threads() - before
        closed = until(lambda: _answers_again(ground), 15)
        told = f"+{threads} threads, the slowest of 5 probes took {max(probes):.2f} s"
        if threads > 20:
            return Through(told)
        return Held(told) if max(probes) < 2.5 or closed else Through(f"{told}, and none was answered for 15 s")


def _answers_again(ground: Ground) -> bool:
    return ground.operator.probe() < 1


def exhausted(ground: Ground) -> Verdict:
    """Use up the file descriptors of the process, as far as it lets anybody, and ask how it is."""
    with ExitStack() as stack:
        for _ in range(1100):
            with suppress(OSError):
                stack.enter_context(socket.create_connection(("127.0.0.1", ground.operator.health), timeout=2))
        position = ground.operator.position()
        answered = until(lambda: ground.operator.probe() < 1, 12)
        lines = ground.operator.logged(position).count("\n")
        told = f"probe {'answered' if answered else 'not answered'}, {lines} lines logged"
        return Held(told) if answered and lines < 200 else Through(told)


ATTACKS = (
    Attack("S15", "half-open requests", "400 threads, 400 descriptors, none closed", half_open),
    Attack("S15", "more connections than descriptors", "probe 000; 52,885 lines logged in 23 s", exhausted),
)
