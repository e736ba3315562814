"""What proves that an object was made for an attempt: only the operator that recorded the attempt, or said so since, can make it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import a_task
from tests.support.world import World

from obtask import names
from obtask.model.attempt import Attempt, AttemptId, Running
from obtask.model.contract import Direction
from obtask.model.limits import NONCE_DIGESTS
from obtask.rules.nonces import Nonces, proves
from obtask.rules.owned import attempt_annotations, is_made_for, owner_reference
from obtask.rules.subtask_context import live, running_attempts

TEXTS = st.text(min_size=1, max_size=20)
IDS = st.builds(AttemptId, TEXTS, TEXTS, TEXTS, st.sampled_from(Direction), st.integers(1, 100))
ABSENT = "-"


def running(world: World) -> Attempt:
    """Return the attempt that runs."""
    return running_attempts(world.task)[0]


def made(attempt: Attempt, nonce: str = ABSENT, **annotations: str) -> dict[str, object]:
    """Return the metadata of an object of the attempt, with this nonce."""
    proof = {} if nonce is ABSENT else {names.NONCE_ANNOTATION: nonce}
    return {"annotations": attempt_annotations(attempt) | proof | annotations, "ownerReferences": [owner_reference(attempt)]}


@given(st.lists(IDS, min_size=2, max_size=2, unique=True), st.binary(min_size=1), st.binary(min_size=1))
def test_a_nonce_is_good_for_one_attempt_of_one_operator(ids: list[AttemptId], key: bytes, other: bytes) -> None:
    """Whoever has seen one nonce, or a digest, knows no other."""
    one, two = ids
    nonces = Nonces(key)

    assert proves(nonces.of(one), [nonces.digest(one)])
    assert not proves(nonces.of(two), [nonces.digest(one)])
    assert not proves(nonces.digest(one), [nonces.digest(one)])
    assert key == other or not proves(Nonces(other).of(one), [nonces.digest(one)])


def test_every_attempt_is_recorded_with_a_digest_of_its_own() -> None:
    """Each try, in each direction; the nonce itself is nowhere in the status."""
    undo = {"rollback": {"wait": {"seconds": 1}}}
    world = World(a_task().with_steps({"name": "s", "wait": {"seconds": 1}, **undo}))
    world.run()
    found = [running(world)]
    for verb in ("retry", "rollback"):
        world.fail("s")
        world.command(verb)
        found.append(running(world))

    digests = [digest for attempt in found for digest in attempt.nonce_digests]
    assert digests == [world.nonces.digest(attempt.id) for attempt in found]
    assert len(set(digests)) == 3
    assert all(len(sub.nonce_digests) <= 1 for status in world.stored for step in status.steps for sub in step.subtasks)
    assert all(bool(sub.nonce_digests) is live(sub) for status in world.stored for step in status.steps for sub in step.subtasks)
    assert not any(world.nonces.of(attempt.id) in str(status.dump()) for attempt in found for status in world.stored)


def test_the_next_operator_adds_its_own() -> None:
    """It is stored at once and once; what the one before may still make keeps its proof; there are never too many of them."""
    world = World(a_task().with_steps({"name": "s", "wait": {"seconds": 1}}))
    world.run()
    before = running(world).nonce_digests

    for number in range(NONCE_DIGESTS + 2):
        digest = Nonces(f"restart {number}".encode()).digest(running(world).id)
        world.executors.look("s", Running(nonce_digest=digest))
        world.run()
        writes = len(world.stored)
        world.run()
        assert len(world.stored) == writes
        assert running(world).nonce_digests[0] == digest
        assert number or running(world).nonce_digests[1:] == before

    assert len(running(world).nonce_digests) == NONCE_DIGESTS


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"ownerReferences": []}, False),
        ({"ownerReferences": [{"kind": "OBTask", "uid": "another"}]}, False),
        ({"annotations": {}}, False),
        ({"ownerReferences": None, "annotations": None}, False),
    ],
    ids=["genuine", "no-owner", "another-owner", "no-annotations", "nothing"],
)
def test_owner_annotations_and_nonce_are_all_needed(change: dict[str, object], *, expected: bool) -> None:
    """What anybody can compute is not enough; nor is a nonce without it."""
    world = World(a_task().with_steps({"name": "s", "wait": {"seconds": 1}}))
    world.run()
    attempt = running(world)

    assert is_made_for(made(attempt, world.nonces.of(attempt.id)) | change, attempt) is expected


def test_the_nonce_is_what_cannot_be_guessed() -> None:
    """Without it, with the digest in its place, or with that of another attempt, an object is somebody else's."""
    world = World(a_task().with_steps({"name": "s", "wait": {"seconds": 1}}))
    world.run()
    attempt = running(world)
    other = replace(attempt.id, number=2)

    for wrong in (ABSENT, "", attempt.nonce_digests[0], world.nonces.of(other)):
        assert not is_made_for(made(attempt, wrong), attempt)


def test_an_attempt_of_an_older_operator_needs_no_nonce() -> None:
    """What it had made is still known after an upgrade in the middle: by owner and annotations, as it was then."""
    world = World(a_task().with_steps({"name": "s", "wait": {"seconds": 1}}))
    world.run()
    old = replace(running(world), nonce_digests=())

    assert is_made_for(made(old), old)
    assert not is_made_for(made(old) | {"ownerReferences": []}, old)
