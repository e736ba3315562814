"""Putting back what was there before a resource action, on a real API server."""

import asyncio
import json

from tests.component.executors.workplace import RESTORE, Workplace, apply, config_map, patch
from tests.support.rights import grant

from obtask.executors.resource.kept import name_of
from obtask.model.attempt import NOTHING_KEPT, Failed, Succeeded
from obtask.model.kubernetes_actions import ResourceAction
from obtask.model.reasons import FailureReason


async def test_what_was_there_before_comes_back(workplace: Workplace) -> None:
    """Fields that the step changed, added and removed are as before; the kept object belongs to the task and has no server fields."""
    workplace.put(config_map(size="1", color="red"))
    action = patch({"data": {"size": "2", "color": None, "new": "x"}, "metadata": {"labels": {"a": "b"}}})
    one = workplace.forward(action)
    await workplace.bench().run(one)

    back = await workplace.bench().run(workplace.backward(action))

    place = f'ConfigMap "settings" in namespace "{workplace.namespace}"'
    assert back == Succeeded(f"{place} put back")
    live = workplace.get("configmap", "settings")
    assert live is not None
    assert live["data"] == {"size": "1", "color": "red"}
    assert "labels" not in live["metadata"]
    stored = workplace.get("configmap", name_of(one, workplace.kept))
    assert stored is not None
    assert stored["immutable"] is True
    [owner] = stored["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("OBTask", workplace.uid)
    assert not {"managedFields", "resourceVersion", "uid"} & json.loads(stored["data"]["object.json"])["metadata"].keys()


async def test_the_first_view_stays(workplace: Workplace) -> None:
    """A retry does not keep the half changed object of the attempt before; the same attempt may be done twice, too."""
    workplace.put(config_map(size="1"))
    action = patch({"data": {"size": "2"}})
    for number in (1, 1, 2):
        assert isinstance(await workplace.bench().run(workplace.forward(action, number=number)), Succeeded)

    for number in (1, 1, 2):
        assert isinstance(await workplace.bench().run(workplace.backward(action, number=number)), Succeeded)

    live = workplace.get("configmap", "settings")
    assert live is not None
    assert live["data"] == {"size": "1"}


async def test_what_was_not_there_is_deleted(workplace: Workplace) -> None:
    """An object that the step made goes, and restore ends when it is gone; once more is harmless."""
    action = apply(config_map(size="1") | {"metadata": {"name": "settings", "finalizers": ["example.com/hold"]}})
    await workplace.bench().run(workplace.forward(action))
    on = workplace.bench()
    one = workplace.backward(action)
    await on.executor.start(one, on.log)
    async with asyncio.timeout(20):
        while "held by example.com/hold" not in await on.progress(one):  # noqa: ASYNC110 - progress enqueues nothing
            await asyncio.sleep(0.01)

    workplace.change("settings", {"metadata": {"finalizers": None}})
    await on.bells.wait()

    place = f'ConfigMap "settings" in namespace "{workplace.namespace}"'
    assert await on.end_of(one) == Succeeded(f"{place} deleted: it was not there before")
    assert workplace.get("configmap", "settings") is None
    assert await workplace.bench().run(workplace.backward(action)) == Succeeded(f"{place} is gone, as before", untouched=True)


async def test_what_was_deleted_meanwhile_is_made_again(workplace: Workplace) -> None:
    """Putting back works without the object, too; then its until is waited for."""
    workplace.put(config_map(size="1"))
    action = patch({"data": {"size": "2"}})
    await workplace.bench().run(workplace.forward(action))
    workplace.delete("configmap", "settings")
    restore = ResourceAction.model_validate({"restore": True, "until": {"expect": "object.data.size == '1'"}})

    end = await workplace.bench().run(workplace.backward(action, restore))

    assert end == Succeeded(f'ConfigMap "settings" in namespace "{workplace.namespace}" put back; data.size=1')
    live = workplace.get("configmap", "settings")
    assert live is not None
    assert live["data"] == {"size": "1"}


async def test_a_step_that_changed_nothing_has_nothing_to_put_back(workplace: Workplace) -> None:
    """A forward step that failed before its change does not keep the task from rolling back."""
    action = patch({"data": {"size": "2"}}, name="nothing")

    assert await workplace.bench().run(workplace.backward(action)) == Succeeded(
        "nothing to put back: the step changed nothing", untouched=True
    )
    workplace.put(config_map("nothing", size="1"))
    assert await workplace.bench().run(workplace.backward(action)) == Succeeded(
        "nothing to put back: the step changed nothing", untouched=True
    )


async def test_a_kept_object_that_was_deleted_by_hand_is_not_found(workplace: Workplace) -> None:
    """Restore does not pretend: the object shows that the step changed it."""
    workplace.put(config_map(size="1"))
    action = patch({"data": {"size": "2"}})
    one = workplace.forward(action)
    await workplace.bench().run(one)
    workplace.delete("configmap", name_of(one, workplace.kept))

    end = await workplace.bench().run(workplace.backward(action))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.NOT_FOUND
    assert end.message.startswith(f"ConfigMap {name_of(one, workplace.kept)}, which kept ")


async def test_what_cannot_be_kept_is_not_changed(workplace: Workplace) -> None:
    """A rollback that could not work is known before the change: the object is too large, or may not be read."""
    workplace.kubectl("create", "-n", workplace.namespace, "-f", "-", manifest=config_map(size="1", big="x" * 270_000))
    grant(workplace.kubectl, workplace.namespace, "writer", ["patch", "create"])
    action = patch({"data": {"size": "2"}})

    large = await workplace.bench().run(workplace.forward(action))
    blind = await workplace.bench().run(workplace.forward(action, account="writer"))

    assert isinstance(large, Failed)
    assert large.reason is FailureReason.EXPECTATION_NOT_MET
    assert large.message.endswith("more than the 256 KiB that can be kept for restore; nothing was changed")
    assert isinstance(blind, Failed)
    assert blind.reason is FailureReason.FORBIDDEN
    assert "grant get on configmaps" in blind.message
    live = workplace.get("configmap", "settings")
    assert live is not None
    assert live["data"]["size"] == "1"


async def test_nothing_is_kept_unless_it_is_to_be_put_back(workplace: Workplace) -> None:
    """Objects that only the account may read are copied only where the task asks for it."""
    workplace.put(config_map(size="1"))
    one = workplace.attempt(patch({"data": {"size": "2"}}))

    await workplace.bench().run(one)

    assert workplace.kept == NOTHING_KEPT
    assert not workplace.kept_names()


async def test_restore_has_the_rights_of_the_account_only(workplace: Workplace) -> None:
    """Putting back needs update of the account; the refusal says so."""
    grant(workplace.kubectl, workplace.namespace, "patcher", ["get", "patch"])
    workplace.put(config_map(size="1"))
    action = patch({"data": {"size": "2"}})
    await workplace.bench().run(workplace.forward(action, account="patcher"))

    end = await workplace.bench().run(workplace.backward(action, RESTORE, account="patcher"))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.FORBIDDEN
    assert "; grant update on configmaps" in end.message


async def test_what_the_step_never_changed_is_left_alone(workplace: Workplace) -> None:
    """The change was refused; then a person made the object: a rollback neither deletes nor overwrites it."""
    action = apply(config_map(size="1") | {"no": "such field"})
    assert isinstance(await workplace.bench().run(workplace.forward(action)), Failed)
    workplace.put(config_map(size="of a person"))

    back = await workplace.bench().run(workplace.backward(action))

    place = f'ConfigMap "settings" in namespace "{workplace.namespace}"'
    assert back == Succeeded(f"{place} was not changed by this step: left as it is", untouched=True)
    live = workplace.get("configmap", "settings")
    assert live is not None
    assert live["data"] == {"size": "of a person"}
