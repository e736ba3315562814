"""Owns the browser of the browser suite: Debian's Chromium, found or installed, and the flags that it needs where there is no network."""

import contextlib
import functools
import os
import shutil

from devcluster.commands import run
from devcluster.errors import DevClusterError
from devcluster.node.machine import command, install
from devcluster.progress import Report

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-noto-cjk")
# Without the later ones Chromium looks for servers of its maker, and waits for what a closed network refuses.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str | None:
    """Return the path of a Chromium on this machine."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


@functools.cache
def find_or_install(report: Report) -> str:
    """Return the path of a Chromium; raises DevClusterError, which says what to do, where none can be had."""
    missing = [] if find() else list(PACKAGES[:1])
    missing += [] if _writes_chinese() else list(PACKAGES[1:])
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        install(missing, report)
    found = find()
    if found is None:
        raise DevClusterError(f"the browser suite needs Chromium: {command(PACKAGES)}, or set CHROMIUM to its path")
    return found


def _writes_chinese() -> bool:
    fonts = shutil.which("fc-list")
    return fonts is not None and bool(run([fonts, ":lang=zh-cn"], env=os.environ).stdout.strip())


def prepare(report: Report) -> None:
    """Install a Chromium before the tests begin, if that can be done: it takes longer than a test may."""
    with contextlib.suppress(DevClusterError):
        find_or_install(report)
