"""Owns an API server in memory: what is stored, and what becomes of it by one request or by one act of a person. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.exploration.catalogue import Catalogue, Json, Ranks
from tests.exploration.requests import Answer, Call, Found, Listed, Refused

from obtask import names
from obtask.rules.lock_keys import holder_uid


@dataclass(frozen=True, slots=True)
class Store:
    """What is in the API server: the current version of each object by "kind/name", and the last version that each name had.

    ``bereft``: uids of tasks whose Lease a person took away.
    """

    objects: tuple[tuple[str, int], ...]
    last: tuple[tuple[str, int], ...]
    bereft: frozenset[str] = frozenset()

    def find(self, place: str) -> int | None:
        """Return the current version of an object."""
        return next((number for where, number in self.objects if where == place), None)

    def having(self, place: str, number: int | None, version: int) -> "Store":
        """Return the store with one object written, or taken away."""
        objects = dict(self.objects)
        objects.pop(place, None)
        if number is not None:
            objects[place] = number
        last = dict(self.last) | {place: version}
        return replace(self, objects=tuple(sorted(objects.items())), last=tuple(sorted(last.items())))

    def tasks(self) -> list[int]:
        """Return the versions of all tasks."""
        return [number for place, number in self.objects if place.startswith("task/")]

    def leases(self) -> list[int]:
        """Return the versions of all Leases."""
        return [number for place, number in self.objects if place.startswith("lease/")]


Answered = tuple[Store, Answer]

# What only tells people why. States that differ in nothing else are the same, and a write that changes nothing else is none.
TEXTS = frozenset({"message", "conditions", "blockedBy", "blockedByCount", "blockedBySummary"})


class ApiServer:
    """Answers requests. Nothing is kept here but the catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def answer(self, store: Store, call: Call) -> Answered:
        """Return what is stored after a request, and the answer to it."""
        *_, resource, name = ["", *call.path.split("/")]
        if name == "leases" and call.method == "GET":
            return store, self._list(store, call.selector)
        if name == "leases":
            return self._create_lease(store, call.json)
        subresource = name == "status"
        if subresource:
            *_, resource, name, _ = call.path.split("/")
        place = f"{'lease' if resource == 'leases' else 'task'}/{name}"
        current = store.find(place)
        if current is None:
            return store, Refused(404, "NotFound")
        if call.method == "GET":
            return store, Found(current)
        if not self._as_expected(current, call):
            return store, Refused(409, "Conflict")
        return self._written(store, place, self._change(call, subresource=subresource), current)

    def _as_expected(self, current: int, call: Call) -> bool:
        meta = self._catalogue.entries[current].body["metadata"]
        expected = call.json["metadata"]
        return all(expected.get(key) in (None, meta.get(key)) for key in ("uid", "resourceVersion"))

    def _change(self, call: Call, *, subresource: bool) -> Callable[[Json], Json]:
        if subresource:
            status = {key: value for key, value in call.json["status"].items() if key not in TEXTS}
            return lambda old: old | {"status": status}
        if call.method == "PATCH":
            return lambda old: old | {"metadata": _merged(old["metadata"], call.json["metadata"])}
        if call.method == "PUT":
            # The time of renewal is not kept, but it makes every write a change.
            spec = {key: value for key, value in call.json["spec"].items() if key != "renewTime"}
            meta = {key: call.json["metadata"][key] for key in ("labels", "annotations")}
            return lambda old: old | {"metadata": old["metadata"] | meta, "spec": spec}
        raise NotImplementedError(f"{call.method} {call.path}")

    def _written(self, store: Store, place: str, change: Callable[[Json], Json], current: int) -> Answered:
        old = self._catalogue.entries[current].body
        new = change(old)
        if new == old and not place.startswith("lease/"):
            return store, Found(current)
        version = dict(store.last)[place] + 1
        new = new | {"metadata": new["metadata"] | {"resourceVersion": str(version)}}
        number = self._add(place, new)
        gone = bool(new["metadata"].get("deletionTimestamp")) and not new["metadata"].get("finalizers")
        return store.having(place, None if gone else number, version), Found(number)

    def _list(self, store: Store, selector: str) -> Answer:
        key, _, value = selector.partition("=")
        found = [number for number in store.leases() if self._catalogue.entries[number].body["metadata"]["labels"].get(key) == value]
        return Listed(tuple(found))

    def _create_lease(self, store: Store, body: Json) -> Answered:
        place = f"lease/{body['metadata']['name']}"
        if store.find(place) is not None:
            return store, Refused(409, "AlreadyExists")
        version = dict(store.last).get(place, 0) + 1
        spec = {key: value for key, value in body["spec"].items() if key != "renewTime"}
        number = self._add(place, body | {"metadata": body["metadata"] | {"resourceVersion": str(version)}, "spec": spec})
        return store.having(place, number, version), Found(number)

    def _add(self, place: str, body: Json) -> int:
        return self._catalogue.add_lease(body) if place.startswith("lease/") else self._catalogue.add_task(body)

    # What a person does by hand.

    def create_task(self, store: Store, body: Json) -> Store:
        """Return the store with a new task."""
        place = f"task/{body['metadata']['name']}"
        version = dict(store.last).get(place, 0) + 1
        return store.having(place, self._add(place, body | {"metadata": body["metadata"] | {"resourceVersion": str(version)}}), version)

    def delete_task(self, store: Store, name: str, when: str) -> Store:
        """Return the store with a task deleted, or marked for deletion while it has a finalizer."""
        current = store.find(f"task/{name}")
        if current is None or self._catalogue.entries[current].body["metadata"].get("deletionTimestamp"):
            return store
        return self._written(store, f"task/{name}", lambda old: old | {"metadata": old["metadata"] | {"deletionTimestamp": when}}, current)[
            0
        ]

    def annotate_task(self, store: Store, name: str, verb: str) -> Store:
        """Return the store with a command given to a task."""
        current = store.find(f"task/{name}")
        if current is None:
            return store
        note = {"annotations": {names.ACTION_ANNOTATION: verb}}
        return self._written(store, f"task/{name}", lambda old: old | {"metadata": _merged(old["metadata"], note)}, current)[0]

    def delete_lease(self, store: Store, name: str) -> Store:
        """Return the store without a Lease, and with a note of whom it was taken from."""
        place = f"lease/{name}"
        current = store.find(place)
        if current is None:
            return store
        lease = self._catalogue.entries[current].lease
        bereft = {holder_uid(lease.holder)} if lease is not None and lease.holder else set()
        return replace(store.having(place, None, dict(store.last)[place] + 1), bereft=store.bereft | bereft)

    def renumbered(self, store: Store, ranks: Ranks) -> Store:
        """Return the store with its numbers replaced."""
        objects = tuple((place, self._catalogue.renumbered(number, ranks)) for place, number in store.objects)
        last = tuple((place, ranks.of(f"v:{place.partition('/')[2]}", version)) for place, version in store.last)
        return replace(store, objects=objects, last=last)

    def mask(self, store: Store) -> int:
        """Return the numbers that a store mentions."""
        mask = self._catalogue.bits(tuple((f"v:{place.partition('/')[2]}", version) for place, version in store.last))
        for _, number in store.objects:
            mask |= self._catalogue.mask(number)
        return mask


def _merged(old: Json, change: Json) -> Json:
    """Return what a JSON merge patch makes of an object; precondition fields are no change."""
    merged: dict[str, Any] = dict(old)
    for key, value in change.items():
        if key in ("uid", "resourceVersion"):
            continue
        if isinstance(value, dict):
            merged[key] = {name: new for name, new in _merged(old.get(key) or {}, value).items() if new is not None}
        else:
            merged[key] = value
    return merged
