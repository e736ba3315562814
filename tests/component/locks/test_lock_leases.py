"""Lock Leases on the real API server: tokens at the ends of what a Lease can hold, and Leases that nobody uses any more."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.builders import TaskBuilder
from tests.support.kubectl import Kubectl

from devcluster.controlplane import ControlPlane
from obtask.cache.locks import LockCache
from obtask.kube import client as api
from obtask.kube.api import ApiError, ApiForbidden, ApiUnavailable, Json
from obtask.kube.client import Api
from obtask.kube.leases import LARGEST_TOKEN, LARGEST_TRANSITIONS, Lease, Leases, micro_time
from obtask.kube.tasks import Tasks
from obtask.locks.protocol import TRIES, Claimed, Locks, Outpaced
from obtask.locks.sweep import COLLECTED_AT_ONCE, Sweeper
from obtask.model.contract import Maintenance, TaskType
from obtask.model.task import Task
from obtask.rules.lock_keys import Domain, LockKey, task_lock_key


@dataclass
class Bench:
    """A namespace, and how an operator takes and frees the lock of tasks in it, at a time that the test says."""

    client: Api
    namespace: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    cache: LockCache = field(init=False)
    leases: Leases = field(init=False)
    locks: Locks = field(init=False)
    sweeper: Sweeper = field(init=False)

    def __post_init__(self) -> None:
        """Begin with an empty memory."""
        self.forget()

    def forget(self) -> None:
        """Start the operator again."""
        self.cache = LockCache(lambda _: None)
        self.leases = Leases(self.client)
        self.locks = Locks(self.leases, self.cache, lambda: self.now)
        self.sweeper = Sweeper(self.leases, Tasks(self.client), self.cache, lambda: self.now)

    def task(self, name: str = "x") -> tuple[Task, LockKey]:
        """Return a task for the whole cluster, and what it locks."""
        task = TaskBuilder({"namespace": self.namespace}).named(name, f"{name}-uid").step("a").build()
        key = task_lock_key(task)
        assert key is not None
        return task, key

    async def take(self, name: str) -> int:
        """Let a task take the lock; return its token."""
        task, key = self.task(name)
        taken = await self.locks.take(task, key)
        if isinstance(taken, Outpaced):  # it has read the Lease now
            taken = await self.locks.take(task, key)
        assert isinstance(taken, Claimed), taken
        return taken.lock.token

    async def hold(self, name: str) -> int:
        """Let a task take the lock and give it back; return its token."""
        token = await self.take(name)
        await self.locks.release(*self.task(name))
        return token

    async def lease(self) -> Lease | ApiError:
        """Return the Lease as it is stored."""
        return await self.leases.get(self.namespace, self.task()[1].lease_name)


@pytest.fixture
async def bench(control_plane: ControlPlane, namespace: str) -> AsyncIterator[Bench]:
    """Return the operators' way to Leases."""
    connected = await api.connect(str(control_plane.operator_kubeconfig))
    yield Bench(connected, namespace)
    await connected.close()


async def test_a_new_lease_starts_at_the_clock_and_grows_by_one(bench: Bench) -> None:
    """Also when it was deleted in between: what replaces it begins above all tokens before."""
    first = await bench.hold("a")
    second = await bench.hold("b")
    lease = await bench.lease()
    assert isinstance(lease, Lease)
    await bench.leases.delete(lease)
    bench.forget()
    bench.now += timedelta(seconds=2)

    assert (first, second) == (int((bench.now - timedelta(seconds=2)).timestamp()), first + 1)
    assert await bench.hold("c") > second


@pytest.mark.parametrize("by_hand", [0, 7, None])
async def test_a_token_that_was_lowered_by_hand_does_not_come_back(bench: Bench, kubectl: Kubectl, by_hand: int | None) -> None:
    """Set to something else or taken away: the next holder is above all before it, as in Leases of operators that began at one."""
    first = await bench.hold("a")
    lease = await bench.lease()
    assert isinstance(lease, Lease)
    change = f'{{"spec": {{"leaseTransitions": {"null" if by_hand is None else by_hand}}}}}'
    kubectl("patch", "lease", lease.name, "-n", bench.namespace, "--type=merge", "-p", change)
    bench.forget()
    bench.now += timedelta(seconds=2)

    assert await bench.hold("b") > first


async def test_tokens_go_on_beyond_the_end_of_lease_transitions(bench: Bench, kubectl: Kubectl) -> None:
    """The field is an int32 and stays at its end; the token goes on in an annotation, and a new operator reads it there."""
    await bench.hold("a")
    lease = await bench.lease()
    assert isinstance(lease, Lease)
    words = ("patch", "lease", lease.name, "-n", bench.namespace, "--type=merge", "-p")
    kubectl(*words, f'{{"spec": {{"leaseTransitions": {LARGEST_TRANSITIONS}}}}}')
    tokens = []
    for name in ("b", "c", "d"):
        bench.forget()
        tokens.append(await bench.hold(name))

    assert tokens == [LARGEST_TRANSITIONS + 1, LARGEST_TRANSITIONS + 2, LARGEST_TRANSITIONS + 3]
    assert f'"leaseTransitions":{LARGEST_TRANSITIONS}' in kubectl(
        "get", "lease", lease.name, "-n", bench.namespace, "-o", "jsonpath={.spec}"
    )


async def test_after_2038_a_lease_is_made_as_before(bench: Bench) -> None:
    """Unix time does not fit into leaseTransitions then."""
    bench.now = datetime(2039, 1, 1, tzinfo=UTC)

    assert await bench.hold("a") == int(bench.now.timestamp())
    assert await bench.hold("b") == int(bench.now.timestamp()) + 1


async def test_a_lease_at_the_very_end_says_what_to_type(bench: Bench, kubectl: Kubectl) -> None:
    """Only a person can put it there."""
    await bench.hold("a")
    lease = await bench.lease()
    assert isinstance(lease, Lease)
    kubectl("annotate", "lease", lease.name, "-n", bench.namespace, f"task.oceanbase.com/token={LARGEST_TOKEN}")
    bench.forget()

    with pytest.raises(
        ApiForbidden, match=rf"{lease.name}: its fencing token is used up; type: kubectl -n {bench.namespace} annotate lease"
    ):
        await bench.hold("b")


async def test_a_lease_that_cannot_be_freed_does_not_keep_others_from_being_freed(bench: Bench) -> None:
    """The sweep looks at every Lease, whatever a person wrote into one."""
    await bench.take("x")
    lease = await bench.lease()
    assert isinstance(lease, Lease)
    names = [f"{letter}{lease.name[1:]}" for letter in "az"]
    for name in (names[0], lease.name, names[1]):
        bench.cache.update_lease(replace(lease, name=name, transitions=LARGEST_TOKEN + 1 if name != lease.name else lease.transitions))

    assert await bench.sweeper.sweep() == 1
    freed = await bench.lease()
    assert isinstance(freed, Lease)
    assert not freed.holder


async def test_a_lock_that_nobody_uses_any_more_is_collected(bench: Bench) -> None:
    """A day after its last use; the token of the one that is made again is greater."""
    token = await bench.hold("a")
    assert await bench.sweeper.collect() == 0
    bench.now += timedelta(days=1, seconds=1)

    assert await bench.sweeper.collect() == 1
    assert isinstance(await bench.lease(), ApiError)
    assert await bench.hold("b") > token


async def test_a_lock_that_was_just_taken_is_not_collected(bench: Bench) -> None:
    """The operator that wants to collect it has not heard yet: its version is the wrong one."""
    await bench.hold("a")
    bench.now += timedelta(days=2)
    other = Bench(bench.client, bench.namespace, bench.now)
    await other.take("b")

    assert await bench.sweeper.collect() == 0
    lease = await bench.lease()
    assert isinstance(lease, Lease)
    assert lease.holder == "b/b-uid"


async def test_a_held_lock_and_a_strangers_lease_are_never_collected(bench: Bench, kubectl: Kubectl) -> None:
    """However long ago they were written."""
    await bench.take("a")
    kubectl(
        "create",
        "-f",
        "-",
        manifest={
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "theirs", "namespace": bench.namespace, "labels": {"task.oceanbase.com/lock": "global"}},
            "spec": {"renewTime": "2020-01-01T00:00:00.000000Z"},
        },
    )
    theirs = await bench.leases.get(bench.namespace, "theirs")
    assert isinstance(theirs, Lease)
    bench.cache.update_lease(theirs)
    bench.now += timedelta(days=400)

    assert await bench.sweeper.collect() == 0


async def test_a_lock_that_others_hold_back_is_asked_for_once(bench: Bench, kubectl: Kubectl) -> None:
    """A finalizer of somebody else keeps it: it would be deleted again and again, in the way of others."""
    await bench.hold("a")
    lease = await bench.lease()
    assert isinstance(lease, Lease)
    kubectl("patch", "lease", lease.name, "-n", bench.namespace, "--type=merge", "-p", '{"metadata":{"finalizers":["x.io/y"]}}')
    held = await bench.lease()
    assert isinstance(held, Lease)
    bench.cache.update_lease(held)
    bench.now += timedelta(days=2)

    assert [await bench.sweeper.collect() for _ in range(3)] == [1, 0, 0]
    kubectl("patch", "lease", lease.name, "-n", bench.namespace, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


@dataclass
class Refusing:
    """The way to an API server that refuses every PUT; it counts them. The Lease stays what it is."""

    through: Api
    answer: ApiError
    writes: int = 0

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Send a request, unless it would change something."""
        if method != "PUT":
            return await self.through.send(method, path, query=query, body=body)
        self.writes += 1
        return self.answer


@pytest.mark.parametrize(
    ("answer", "most"),
    [
        (ApiError(403, "Forbidden", "no rights"), 1),
        (ApiError(422, "Invalid", "a policy"), 1),
        (ApiError(400, "BadRequest", "a webhook"), 1),
        (ApiError(409, "Conflict", "a webhook that says so"), TRIES),
        (ApiError(404, "NotFound", "a webhook that says so"), TRIES),
    ],
)
async def test_a_lease_that_cannot_be_freed_keeps_no_worker(bench: Bench, answer: ApiError, most: int) -> None:
    """Whatever the API server says to it, and however often: the reconcile ends, with a word why, and the next one frees it."""
    await bench.take("x")
    refusing = Refusing(bench.client, answer)
    locks = Locks(Leases(refusing), bench.cache, lambda: bench.now)

    with pytest.raises(ApiForbidden, match="cannot free lease"):
        await locks.release(*bench.task())

    assert refusing.writes == most
    await bench.locks.release(*bench.task())
    lease = await bench.lease()
    assert isinstance(lease, Lease)
    assert not lease.holder


async def test_the_cache_finds_the_leases_of_a_holder(bench: Bench) -> None:
    """As long as they name it, and not after they were freed, given to another or deleted."""
    await bench.take("x")
    found = bench.cache.leases_of(bench.task()[0].key)
    assert [lease.name for lease in found] == [bench.task()[1].lease_name]

    bench.cache.update_lease(replace(found[0], holder="y/y-uid", version=str(int(found[0].version) + 1)))
    assert bench.cache.leases_of(bench.task()[0].key) == []
    assert len(bench.cache.leases_of(bench.task("y")[0].key)) == 1

    bench.cache.forget_lease(found[0])
    assert not bench.cache._named_by


@dataclass
class Undeletable:
    """The way to an API server that deletes no Lease of one namespace, and every one of the others; it counts."""

    deleted: list[str] = field(default_factory=list)
    refused: int = 0

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Delete a Lease, or refuse to."""
        if method != "DELETE" or query or body is None:
            return ApiError(404, "NotFound", "gone") if path in self.deleted else ApiError(403, "Forbidden", "not shown")
        if "/namespaces/closed/" in path:
            self.refused += 1
            return ApiError(403, "Forbidden", "a policy")
        self.deleted.append(path)
        return {}


async def test_locks_that_may_not_be_deleted_are_in_nobodys_way() -> None:
    """They are tried once; those of other namespaces are collected."""
    api, cache, now = Undeletable(), LockCache(lambda _: None), datetime.now(UTC)
    for namespace, count in (("closed", 2 * COLLECTED_AT_ONCE), ("open", 3)):
        for number in range(count):
            domain = Domain(namespace, TaskType.CLUSTER, f"c{number}")
            key = LockKey(domain, Maintenance.GLOBAL)
            renewed = micro_time(now - timedelta(days=9))
            lease = Lease(namespace, key.lease_name, "", 1, None, str(number + 1), key.labels, key.annotations, renewed_at=renewed)
            cache.update_lease(lease)
    sweeper = Sweeper(Leases(api), Tasks(api), cache, lambda: now)

    assert sum([await sweeper.collect() for _ in range(4)]) == 3
    assert api.refused == 2 * COLLECTED_AT_ONCE


@dataclass
class WithoutTasks:
    """An API server that knows no task, frees every Lease, and gives no answer while it is ``down`` or, to changes, ``closed``."""

    down: bool = True
    closed: bool = False

    async def send(self, method: str, path: str, *, query: object = None, body: Json | None = None) -> Json | ApiError:
        """Answer one request."""
        if self.down:
            raise ApiUnavailable("restarting")
        if method == "PUT" and body is not None:
            if self.closed:
                return ApiError(403, "Forbidden", "a policy")
            return body | {"metadata": body["metadata"] | {"resourceVersion": "9", "creationTimestamp": "2026-01-01T00:00:00Z"}}
        return ApiError(403, "Forbidden", "not shown") if "/leases/" in path else ApiError(404, "NotFound", f"{path} {query}")


@pytest.fixture
def strays() -> LockCache:
    """Return the cache of an operator that knows thirty Leases with holders that are gone."""
    cache = LockCache(lambda _: None)
    for number in range(30):
        lock = LockKey(Domain("prod", TaskType.CLUSTER, f"c-{number}"), Maintenance.GLOBAL)
        lease = Lease("prod", lock.lease_name, f"gone-{number}/uid-{number}", 1, None, "1", lock.labels, lock.annotations)
        cache.update_lease(lease)
    return cache


async def test_an_outage_does_not_have_a_lease_of_a_lost_holder_overlooked(strays: LockCache) -> None:
    """Those that nobody could ask for are asked for when the API server is back."""
    api = WithoutTasks()
    sweeper = Sweeper(Leases(api), Tasks(api), strays, lambda: datetime.now(UTC))
    assert await sweeper.sweep_strays() == 0
    with pytest.raises(ApiUnavailable):
        await sweeper.sweep_strays()

    api.down = False
    assert await sweeper.sweep_strays() == 30
    assert strays.held() == {}


async def test_a_lease_that_could_not_be_freed_is_freed_soon_after_it_can_be(strays: LockCache) -> None:
    """It is not asked for all the time, and does not wait for all Leases of other holders to have their turn."""
    api = WithoutTasks(down=False, closed=True)
    sweeper = Sweeper(Leases(api), Tasks(api), strays, lambda: datetime.now(UTC))
    assert [await sweeper.sweep_strays() for _ in range(3)] == [0, 0, 0]

    api.closed = False
    assert await sweeper.sweep_strays() == 0
    freed = await sweeper.sweep()
    assert freed + await sweeper.sweep_strays() == 30
