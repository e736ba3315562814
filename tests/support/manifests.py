"""Owns reading manifests in tests, as kubectl reads them."""

from typing import Any

from obtask.kube.yaml_text import data_of, documents


def read(text: str) -> Any:
    """Return the only document of a text."""
    (found,) = read_all(text)
    return found


def read_all(text: str) -> list[Any]:
    """Return the documents of a text that are not empty."""
    return [data_of(root) for root in documents(text)]
