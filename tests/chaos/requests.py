"""Owns what a request is called in these tests: its method and object, the same in every run."""

from tests.support.gateway import is_watch


def label(method: str, path: str) -> str:
    """Return the name of a request without what differs between runs, such as ``PUT obtasks/main/status``."""
    place = path.partition("?")[0].partition("/namespaces/")[2].partition("/")[2] or path.partition("?")[0]
    return f"{'WATCH' if is_watch(path) else method} {place}"
