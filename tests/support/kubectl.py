"""Owns how tests speak of kubectl: what the fixture of that name is, and what it raises."""

from collections.abc import Mapping
from typing import Any, Protocol


class KubectlError(Exception):
    """A kubectl command failed; the text is what it said on stderr."""


class Kubectl(Protocol):
    """Runs kubectl as the admin of the control plane."""

    def __call__(self, *words: str, manifest: Mapping[str, Any] | None = None) -> str:
        """Run one command and return what it prints; raises KubectlError. `-f -` reads the manifest."""
