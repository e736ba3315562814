"""Run in namespaces of its own, by test_dns: looks names up while the name server does not answer for those of one tenant."""

import asyncio
import socket
import struct
import sys
import threading
import time
from pathlib import Path

from obtask.executors.network.lookup import Reach, reachable, share_of
from obtask.shares import Threads

HOME = ("127.0.0.1", 53)


def serve(server: socket.socket) -> None:
    """Answer for ``*.corp`` only: 10.9.8.7."""
    while True:
        query, who = server.recvfrom(4096)
        kind = struct.unpack("!H", query.rstrip()[12:][query[12:].index(b"\0") + 1 :][:2])[0]
        if b"\x04corp" in query:
            question = query[12 : 12 + query[12:].index(b"\0") + 5]
            answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes([10, 9, 8, 7]) if kind == 1 else b""
            server.sendto(query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if kind == 1 else 0, 0, 0) + question + answer, who)


async def main() -> None:
    """Print how long the neighbour's lookups took, and how many threads the greedy one has."""
    hosts = Reach(threads=Threads(64, most=8))
    greedy = share_of(hosts, "greedy")
    stuck = [asyncio.create_task(reachable(greedy, f"h{number}.attacker.test", 80)) for number in range(200)]
    await asyncio.sleep(0.2)
    began = time.monotonic()
    found = await reachable(share_of(hosts, "neighbour"), "db.corp", 2881)
    literal = await reachable(greedy, "10.1.2.3", 80)
    took = time.monotonic() - began
    for task in stuck:
        task.cancel()
    ends = await asyncio.gather(*stuck, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    threads = sum(thread.name == "for greedy" for thread in threading.enumerate())
    sys.stdout.write(f"{found[0][1]} {literal[0][1]} {threads} {took:.3f}\n")


if __name__ == "__main__":
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(HOME)
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    assert "127.0.0.1" in Path("/etc/resolv.conf").read_text()
    asyncio.run(main())
