"""Owns what is stored as the explorer keeps it: by the numbers of the catalogue, and without what makes no difference. Pure.

What becomes of it by a request or an act of a person, the API server in memory says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tests.exploration.catalogue import Catalogue, Json, Ranks
from tests.exploration.requests import Answer, Call, Found, Listed, Refused
from tests.support import memory_api
from tests.support.memory_api import Request

from obtask import names
from obtask.kube.api import ApiError
from obtask.rules.lock_keys import holder_uid

LEASES = "leases"
GROUP = "dba"


@dataclass(frozen=True, slots=True)
class Store:
    """What is in the API server: the current version of each object by "plural/name", and the last version that each name had.

    ``bereft``: uids of tasks whose Lease a person took away. ``approvals``: the current step of a task whenever somebody who may has
    approved, as (uid, step), each as often as that was.
    """

    objects: tuple[tuple[str, int], ...]
    last: tuple[tuple[str, int], ...]
    bereft: frozenset[str] = frozenset()
    approvals: tuple[tuple[str, str], ...] = ()

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
        return self.of(names.PLURAL)

    def leases(self) -> list[int]:
        """Return the versions of all Leases."""
        return self.of(LEASES)

    def of(self, resource: str) -> list[int]:
        """Return the versions of all objects of a resource."""
        return [number for place, number in self.objects if place.startswith(f"{resource}/")]


Answered = tuple[Store, Answer]

# What only tells people why. States that differ in nothing else are the same, and a write that changes nothing else is none.
TEXTS = frozenset({"message", "conditions", "blockedBy", "blockedByCount", "blockedBySummary"})

# When anything is written: no decision of the lock protocol depends on it.
WHEN = "1970-01-01T00:00:17Z"


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A store together with what its numbers stand for. Implements ``memory_api.Stored``."""

    catalogue: Catalogue
    store: Store

    def body(self, place: str) -> Json | None:
        number = self.store.find(place)
        return None if number is None else self.catalogue.entries[number].body

    def bodies(self, resource: str) -> Iterable[Json]:
        return [self.catalogue.entries[number].body for number in self.store.of(resource)]

    def last(self, place: str) -> int:
        return dict(self.store.last).get(place, 0)

    def having(self, place: str, body: Json | None, version: int) -> "_Numbered":
        number = None if body is None else self.number(place, body)
        return replace(self, store=self.store.having(place, number, version))

    def number(self, place: str, body: Json) -> int:
        """Return the number of a version; the times of a Lease are not kept, but renewing it makes every write a change."""
        if not place.startswith(f"{LEASES}/"):
            return self.catalogue.add_task(body)
        metadata = {key: value for key, value in body["metadata"].items() if key != "creationTimestamp"}
        spec = {key: value for key, value in body["spec"].items() if key != "renewTime"}
        return self.catalogue.add_lease(body | {"metadata": metadata, "spec": spec})


class ApiServer:
    """Answers requests. Nothing is kept here but the catalogue."""

    def __init__(self, catalogue: Catalogue, *, policies: bool = True) -> None:
        self._catalogue = catalogue
        self._policies = policies

    def answer(self, store: Store, call: Call) -> Answered:
        """Return what is stored after a request, and the answer to it."""
        before = _Numbered(self._catalogue, store)
        after, found = memory_api.answer(before, Request(call.method, call.path, call.selector, self._written(call.json)), WHEN)
        if isinstance(found, ApiError):
            return after.store, Refused(found.status, found.reason)
        resource = call.path.partition("/namespaces/")[2].split("/")[1]
        if "items" in found:
            return after.store, Listed(tuple(after.number(f"{resource}/", body) for body in found["items"]))
        return after.store, Found(after.number(f"{resource}/", found))

    # What a person does by hand.

    def create_task(self, store: Store, body: Json) -> Store:
        """Return the store with a new task."""
        return memory_api.create(_Numbered(self._catalogue, store), names.PLURAL, body, WHEN)[0].store

    def delete_task(self, store: Store, name: str) -> Store:
        """Return the store with a task deleted, or marked for deletion while it has a finalizer."""
        return self._delete(store, f"{names.PLURAL}/{name}")

    def _delete(self, store: Store, place: str) -> Store:
        before = _Numbered(self._catalogue, store)
        return store if before.body(place) is None else memory_api.delete(before, place, WHEN)[0].store

    def annotate_task(self, store: Store, name: str, annotations: Mapping[str, str]) -> Store:
        """Return the store with annotations written to a task."""
        before, place = _Numbered(self._catalogue, store), f"{names.PLURAL}/{name}"
        old = before.body(place)
        if old is None:
            return store
        return memory_api.write(before, place, memory_api.merged(old, {"metadata": {"annotations": annotations}}))[0].store

    def approve_task(self, store: Store, name: str, *, forged: bool) -> Store:
        """Return the store with an approval of the current step of a task by a member of a group; ``forged``: by somebody else.

        The chart's policies stamp the step and the group, and refuse whoever is in none; without them, anybody writes what he likes.
        """
        number = store.find(f"{names.PLURAL}/{name}")
        if number is None or (forged and self._policies):
            return store
        task = self._catalogue.task(number)
        step = task.status.current_step or ""
        given = {names.ACTION_ANNOTATION: "approve", names.APPROVER_GROUP_ANNOTATION: f"{step}/{GROUP}"}
        after = self.annotate_task(store, name, given)
        if forged or after == store:
            return after
        return replace(after, approvals=tuple(sorted((*store.approvals, (task.metadata.uid, step)))))

    def delete_lease(self, store: Store, name: str) -> Store:
        """Return the store without a Lease, and with a note of whom it was taken from."""
        current = store.find(f"{LEASES}/{name}")
        lease = None if current is None else self._catalogue.lease(current)
        bereft = {holder_uid(lease.holder)} if lease is not None and lease.holder else set()
        return replace(self._delete(store, f"{LEASES}/{name}"), bereft=store.bereft | bereft)

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

    def _written(self, body: Json) -> Json:
        """Return the body of a write as it is stored. Who notes an approval is told by a mark that the policies are at work."""
        annotations = body.get("metadata", {}).get("annotations", {})
        if self._policies and '"verb":"approve"' in (annotations.get(names.ACCEPTED_COMMAND_ANNOTATION) or ""):
            proven = annotations | {names.GROUPS_STAMPED_ANNOTATION: "true"}
            body = body | {"metadata": body["metadata"] | {"annotations": proven}}
        return _without_texts(body)


def _without_texts(body: Json) -> Json:
    if "status" not in body:
        return body
    return body | {"status": {key: value for key, value in body["status"].items() if key not in TEXTS}}
