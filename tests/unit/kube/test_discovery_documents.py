"""A discovery document may say anything: an aggregated API answers for itself."""

from collections.abc import Mapping
from typing import Any

import pytest

from obtask.kube.api import ApiError, Json
from obtask.kube.discovery import Discovery, Served

RIGHT = {"kind": "Widget", "name": "widgets", "namespaced": True}


class OneDocument:
    """An API server with one discovery document. Implements ``Requests``."""

    def __init__(self, resources: Any) -> None:
        self._body = {"resources": resources}

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Return it."""
        assert (method, path, body, query) == ("GET", "/apis/odd.example.com/v1", None, {})
        return self._body


@pytest.mark.parametrize(
    "odd", [None, 1, [], {}, "x", {"kind": "Widget"}, {"kind": 1, "name": [], "namespaced": 0}, {"kind": "Widget", "name": None}]
)
async def test_what_describes_no_kind_is_passed_over(odd: object) -> None:
    """One entry of nonsense takes nothing away from the others."""
    found = await Discovery(OneDocument([odd, RIGHT])).find("odd.example.com/v1", "Widget")

    assert found == Served("odd.example.com/v1", "Widget", "widgets", namespaced=True)


@pytest.mark.parametrize("resources", [None, 1, "x", {}, [], [[]] * 100_000, [{**RIGHT, "name": "widgets/status"}]])
async def test_a_document_without_the_kind(resources: object) -> None:
    """The kind is not served, and nothing is remembered."""
    discovery = Discovery(OneDocument(resources))

    found = await discovery.find("odd.example.com/v1", "Widget")

    assert isinstance(found, ApiError)
    assert found.missing
    assert not discovery._known


async def test_only_what_was_asked_for_is_remembered() -> None:
    """A list of a hundred thousand kinds stays on its side."""
    discovery = Discovery(OneDocument([{"kind": f"K{at}", "name": f"k{at}s", "namespaced": True} for at in range(100_000)]))

    await discovery.find("odd.example.com/v1", "K7")

    assert len(discovery._known) == 1
