"""Owns attacks on the ports that the operator listens on. S15."""

import socket
import time
from contextlib import ExitStack, suppress

from tests.attack.ground import Ground, until
from tests.attack.running import PROBE_SECONDS
from tests.attack.verdict import Attack, Held, Through, Verdict

MANY = 400


# A kubelet ends an operator that has not answered six probes, 10 s apart.
PATIENCE = 40.0


def half_open(ground: Ground) -> Verdict:
    """Open hundreds of connections to each port, send half a request, and wait."""
    before = ground.operator.threads()
    with ground.interruption(), ExitStack() as stack:
        for port in {ground.operator.health, ground.operator.metrics}:
            for number in range(MANY):
                with suppress(OSError):
                    line = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=2))
                    line.sendall((b"GET /healthz HTTP/1.1\r\nHost: x", b"", b"GET /metrics HTTP/1.1\r\n" + b"x: y\r\n" * 500)[number % 3])
        began = time.monotonic()
        threads = ground.operator.threads() - before
        answered = until(lambda: _answers(ground), PATIENCE)
        told = f"+{threads} threads, a probe is answered after {time.monotonic() - began:.1f} s"
        if threads > 20:
            return Through(told)
        return Held(told) if answered else Through(f"+{threads} threads, no probe is answered for {PATIENCE:.0f} s")


def _answers(ground: Ground) -> bool:
    return ground.operator.probe() < PROBE_SECONDS


def exhausted(ground: Ground) -> Verdict:
    """Use up the file descriptors of the process, as far as it lets anybody, and ask how it is."""
    with ground.interruption(), ExitStack() as stack:
        position = ground.operator.position()
        for _ in range(1100):
            with suppress(OSError):
                stack.enter_context(socket.create_connection(("127.0.0.1", ground.operator.health), timeout=2))
        began = time.monotonic()
        answered = until(lambda: _answers(ground), PATIENCE)
        # What it says of tasks, it says in any case.
        lines = sum("announcing: " not in line for line in ground.operator.logged(position).splitlines())
        told = f"a probe is {'answered' if answered else 'NOT answered'} after {time.monotonic() - began:.1f} s, {lines} lines logged"
        return Held(told) if answered and lines < 100 else Through(told)


ATTACKS = (
    Attack("S15", "half-open requests", "400 threads, 400 descriptors, none closed", half_open),
    Attack("S15", "more connections than descriptors", "probe 000; 52,885 lines logged in 23 s", exhausted),
)
