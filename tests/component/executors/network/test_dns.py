"""Looking names up: a namespace whose name servers do not answer keeps nobody else waiting."""

import asyncio
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from obtask.executors.network.lookup import Reach, reachable, share_of
from obtask.shares import Threads

SCRIPT = Path(__file__).with_name("stuck_resolver.py")
# In user, mount and network namespaces of its own: the resolver's configuration is the script's, and so is port 53.
NAMESPACES = ["unshare", "--map-root-user", "--mount", "--net", "sh", "-c"]
SETUP = 'ip link set lo up && mount --bind "$0" /etc/resolv.conf && exec "$@"'


@pytest.mark.skipif(shutil.which("unshare") is None or shutil.which("ip") is None, reason="needs Linux namespaces")
def test_a_stuck_name_server_of_one_tenant(tmp_path: Path) -> None:
    """200 lookups that nobody answers take 8 threads; a neighbour's name is resolved at once, and the process ends without waiting."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
    argv = [*NAMESPACES, SETUP, str(tmp_path / "resolv.conf"), sys.executable, str(SCRIPT)]
    began = time.monotonic()

    told = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - ours

    assert told.returncode == 0, told.stderr
    found, literal, threads, seconds = told.stdout.split()
    assert (found, literal, threads) == ("10.9.8.7", "10.1.2.3", "8")
    assert float(seconds) < 1
    assert time.monotonic() - began < 20


async def test_an_address_needs_no_thread() -> None:
    """In any spelling, even if the threads of its namespace are all stuck."""
    threads, stuck = Threads(4, most=1), threading.Event()
    hosts = share_of(Reach(threads=threads), "team")
    waiting = asyncio.create_task(threads.run("team", stuck.wait))
    await asyncio.sleep(0)
    try:
        assert threads.full("team")
        for written in ("10.1.2.3", "0x0a010203", "[::ffff:10.1.2.3]"):
            async with asyncio.timeout(1):
                assert len(await reachable(hosts, written, 80)) == 1
    finally:
        stuck.set()
        await waiting
