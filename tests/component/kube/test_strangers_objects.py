"""What strangers wrote into objects of the API server is parsed beside the event loop, and little of it is kept. API.md section 2.2."""

import threading
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from obtask import names
from obtask.kube.api import ApiError, Json, Response
from obtask.kube.client import Api
from obtask.kube.config_maps import ConfigMaps
from obtask.kube.impersonation import Impersonation, ServiceAccount
from obtask.kube.login import LoadedConfiguration, Login

LARGE = b'{"kind":"Thing","items":[],"metadata":{"managedFields":[' + b",".join([b'{"a":{}}'] * 50_000) + b"]}}"
PAGE_OF_STRANGERS = [
    {
        "metadata": {
            "name": f"obt-log-{number}",
            "uid": f"u-{number}",
            "labels": {names.TASK_UID_LABEL: "t"},
            "annotations": {names.STEP_ANNOTATION: "s" * 30_000, names.ATTEMPT_ANNOTATION: "1", "theirs": "x" * 30_000},
            "ownerReferences": [{"kind": names.KIND, "uid": "t"}] * 50,
        }
    }
    for number in range(100)
]


class Text(bytes):
    """A text that knows which threads have looked through it."""

    readers: set[int]

    def count(self, *what: Any) -> int:
        """Count, as every reading of JSON does first."""
        self.readers.add(threading.get_ident())
        return super().count(*what)


class OneAnswer(Api):
    """An API server that always answers with this text."""

    def __init__(self, text: Text) -> None:
        """Take the text."""
        configuration = Configuration(host="http://127.0.0.1:9")
        super().__init__(configuration, Login(LoadedConfiguration(configuration, None)))
        self._text = text

    async def exchange(self, *_: object, **__: object) -> Response:
        """Return it."""
        return Response(200, self._text)


async def as_somebody(api: Api) -> object:
    """Read it as a service account."""
    return await Impersonation(api).send(ServiceAccount("ns", "runner"), "GET", "/apis/example.com/v1/namespaces/ns/things/x")


async def as_metadata(api: Api) -> object:
    """Read the metadata of a list."""
    return await api.metadata("/api/v1/namespaces/ns/configmaps")


async def as_it_is(api: Api) -> object:
    """Read it with the operator's own rights."""
    return await api.send("GET", "/api/v1/namespaces/ns/pods/x")


@pytest.mark.parametrize("reading", [as_somebody, as_metadata, as_it_is])
async def test_large_objects_are_not_parsed_on_the_loop(reading: Callable[[Api], Awaitable[object]]) -> None:
    """Nobody stands still for the time that it takes."""
    text = Text(LARGE)
    text.readers = set()
    api = OneAnswer(text)
    await reading(api)
    await api.close()

    assert text.readers
    assert threading.get_ident() not in text.readers


class Strangers:
    """An API server with many ConfigMaps that bear the label of a task, on page after page."""

    async def metadata(self, path: str, *, query: object = None) -> Json | ApiError:
        """Return one more page."""
        return {"items": PAGE_OF_STRANGERS, "metadata": {"continue": "more"}, "path": path, "query": query}

    async def send(self, *_: Any, **__: Any) -> Json | ApiError:
        """Nothing else is asked for."""
        raise NotImplementedError


async def test_little_is_kept_of_what_bears_a_label() -> None:
    """Anybody may put the label of a task on thousands of ConfigMaps, with as many annotations and owners as fit."""
    tracemalloc.start()
    found = await ConfigMaps(Strangers()).of_task("ns", "t")
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert not isinstance(found, ApiError)
    assert found[0]["annotations"] == {names.ATTEMPT_ANNOTATION: "1"}
    assert all(len(meta["ownerReferences"]) == 1 for meta in found)
    assert kept < 2048 * len(found)
