"""What was kept is believed by its digest in the status: ConfigMaps that others make, remake or change are named and refused."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from tests.component.executors.workplace import Body, Workplace, apply, config_map, patch

from obtask.executors.resource.kept import name_of, text_of
from obtask.model.attempt import NOTHING_KEPT, Attempt, Failed, Succeeded
from obtask.model.reasons import FailureReason
from obtask.rules.owned import owner_reference, subtask_annotations, task_labels

MALLORY = "mallory"
CHANGE = patch({"data": {"size": "2"}})


@pytest.fixture
def mallory(workplace: Workplace) -> Workplace:
    """Return the workplace, where a user may make ConfigMaps and read tasks, and nothing else."""
    rules = [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "get", "list", "delete"]},
        {"apiGroups": ["task.oceanbase.com"], "resources": ["obtasks"], "verbs": ["get"]},
    ]
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": MALLORY}, "rules": rules}
    subject = {"kind": "User", "name": MALLORY, "apiGroup": group}
    binding = role | {"kind": "RoleBinding", "roleRef": {"apiGroup": group, "kind": "Role", "name": MALLORY}, "subjects": [subject]}
    del binding["rules"]
    workplace.kubectl(
        "apply", "-n", workplace.namespace, "-f", "-", manifest={"apiVersion": "v1", "kind": "List", "items": [role, binding]}
    )
    return workplace


def forged(attempt: Attempt, name: str, body: Body | None) -> Body:
    """Return a ConfigMap that looks like one of the operator's, and keeps something else."""
    meta = {"name": name, "labels": task_labels(attempt), "annotations": subtask_annotations(attempt)}
    data = {"object.json": text_of(body)}
    owned = meta | {"ownerReferences": [owner_reference(attempt)]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": owned, "data": data, "immutable": True}


def evil(workplace: Workplace) -> Body:
    """Return what an attacker would like to have put back."""
    body = config_map(size="rootkit")
    body["metadata"]["namespace"] = workplace.namespace
    return body


def made_by(user: str, workplace: Workplace, manifest: Body) -> None:
    """Make an object as this user."""
    workplace.kubectl("create", "-n", workplace.namespace, "--as", user, "-f", "-", manifest=manifest)


def live(workplace: Workplace) -> Any:
    """Return the data of the object."""
    found = workplace.get("configmap", "settings")
    return found["data"] if found else None


async def test_made_before_the_step_changed_anything(mallory: Workplace) -> None:
    """By the name that an older operator would use: nobody looks at it, and what was there before comes back."""
    mallory.put(config_map(size="1"))
    one = mallory.forward(CHANGE)
    made_by(MALLORY, mallory, forged(one, name_of(one), evil(mallory)))

    assert isinstance(await mallory.bench().run(one), Succeeded)
    assert isinstance(await mallory.bench().run(mallory.backward(CHANGE)), Succeeded)

    assert live(mallory) == {"size": "1"}


async def test_made_before_and_nothing_was_kept(mallory: Workplace) -> None:
    """A step that changed nothing has nothing to put back, whatever lies there."""
    mallory.put(config_map(size="1"))
    back = mallory.backward(CHANGE)
    made_by(MALLORY, mallory, forged(back, name_of(back), evil(mallory)))

    assert await mallory.bench().run(back) == Succeeded("nothing to put back: the step changed nothing", untouched=True)
    assert live(mallory) == {"size": "1"}


async def test_the_name_is_taken_by_somebody_who_knew_it(mallory: Workplace) -> None:
    """Whoever may read the object can compute the name: the step changes nothing, names the ConfigMap and leaves it alone."""
    mallory.put(config_map(size="1"))
    one = mallory.forward(CHANGE)
    await mallory.bench().run(one)
    [name] = mallory.kept_names()
    mallory.delete("configmap", name)
    mallory.put(config_map(size="1"))
    mallory.recorded.clear()
    made_by(MALLORY, mallory, forged(one, name, evil(mallory)))

    end = await mallory.bench().run(mallory.forward(CHANGE))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.FORBIDDEN
    assert end.message.startswith(f"ConfigMap {name} does not hold what this step has kept")
    assert end.message.endswith("; nothing was changed")
    assert mallory.kept == NOTHING_KEPT
    assert live(mallory) == {"size": "1"}
    stored = mallory.get("configmap", name)
    assert stored is not None
    assert "rootkit" in stored["data"]["object.json"]


@pytest.mark.parametrize("body", ["evil", "nothing", "unowned"])
async def test_deleted_and_made_again(mallory: Workplace, body: str) -> None:
    """Neither another object, nor "there was none", nor the same without its owner is believed: nothing is put back or deleted."""
    mallory.put(config_map(size="1"))
    one = mallory.forward(CHANGE)
    await mallory.bench().run(one)
    [name] = mallory.kept_names()
    genuine = mallory.get("configmap", name)
    assert genuine is not None
    mallory.delete("configmap", name)
    fake = forged(one, name, {"evil": evil(mallory), "nothing": None}.get(body))
    if body == "unowned":
        fake = fake | {"metadata": {"name": name}, "data": genuine["data"]}
    made_by(MALLORY, mallory, fake)

    back = await mallory.bench().run(mallory.backward(CHANGE))
    again = await mallory.bench().run(mallory.forward(CHANGE, number=2))

    for end, advice in ((back, "back by hand"), (again, "nothing was changed")):
        assert isinstance(end, Failed)
        assert end.reason is FailureReason.FORBIDDEN
        assert end.message.startswith(f"ConfigMap {name} does not hold what this step has kept")
        assert end.message.endswith(advice)
    assert live(mallory) == {"size": "2"}


async def test_one_object_is_not_put_back_as_another(workplace: Workplace) -> None:
    """The digest says which object it is of, also where there was none: a ConfigMap of another step is no use."""
    action = apply(config_map("new", size="1"))
    one = workplace.forward(action)
    await workplace.bench().run(one)
    workplace.put(config_map("precious", size="1"))

    end = await workplace.bench().run(workplace.backward(apply(config_map("precious", size="2"))))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.FORBIDDEN
    assert workplace.get("configmap", "precious") is not None


async def test_the_change_comes_after_the_record(workplace: Workplace) -> None:
    """As long as the status does not have the digest, nothing is changed; an operator that finds another one on record goes by that."""
    workplace.put(config_map(size="1"))
    seen: list[Any] = []

    async def record(_: Attempt, digest: str) -> str:
        seen.append((live(workplace), digest))
        return workplace.recorded.setdefault(("resize", "zone1"), digest)

    assert isinstance(await replace(workplace, record_with=record).bench().run(workplace.forward(CHANGE)), Succeeded)

    assert seen == [({"size": "1"}, workplace.kept)]
    assert live(workplace) == {"size": "2"}
    workplace.change("settings", {"data": {"size": "of another operator"}})
    later = replace(workplace.forward(CHANGE), kept=NOTHING_KEPT)
    assert isinstance(await replace(workplace, record_with=record).bench().run(later), Succeeded)
    assert isinstance(await workplace.bench().run(workplace.backward(CHANGE)), Succeeded)
    assert live(workplace) == {"size": "1"}


async def test_what_an_older_operator_kept_is_put_back(workplace: Workplace) -> None:
    """An upgrade between a step and its rollback, or its retry: the ConfigMap has the older name, the status no digest."""
    workplace.put(config_map(size="3"))
    older = replace(workplace.backward(CHANGE), kept=None)
    before = config_map(size="1")
    before["metadata"]["namespace"] = workplace.namespace
    workplace.put(forged(older, name_of(older), before))
    again = replace(workplace.forward(CHANGE, number=2), kept=None)

    for recorded in (False, True):
        assert isinstance(await workplace.bench().run(again), Succeeded)
        assert workplace.kept != NOTHING_KEPT
        assert live(workplace) == {"size": "2"}
        assert isinstance(await workplace.bench().run(workplace.backward(CHANGE) if recorded else older), Succeeded)
        assert live(workplace) == {"size": "1"}


async def test_what_an_older_operator_did_not_keep(mallory: Workplace) -> None:
    """Without a digest the label counts, which the chart's policies keep for the operator: what lacks it is named and left alone."""
    mallory.put(config_map(size="1"))
    await mallory.bench().run(mallory.forward(CHANGE))
    older = replace(mallory.backward(CHANGE), kept=None)
    fake = forged(older, name_of(older), evil(mallory))
    del fake["metadata"]["labels"]
    made_by(MALLORY, mallory, fake)

    end = await mallory.bench().run(older)

    assert isinstance(end, Failed)
    assert end.message.startswith(f"ConfigMap {name_of(older)} does not hold what this step has kept")
    assert live(mallory) == {"size": "2"}


async def test_a_secret_is_not_kept(workplace: Workplace) -> None:
    """Nothing of it is stored, and no name of another kind leads to it: what a path could be made of is no name."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hunter2-again"}}
    workplace.put(secret)
    change = {"metadata": {"labels": {"a": "b"}}}

    end = await workplace.bench().run(workplace.forward(patch(change, name="s", kind="Secret")))
    with pytest.raises(ValidationError, match=r"patch\.name"):
        patch(change, name=f"{workplace.namespace}/secrets/s", kind="Namespace")

    assert isinstance(end, Failed)
    assert not workplace.kept_names()
    assert workplace.kept == NOTHING_KEPT


async def test_a_task_keeps_a_bounded_amount(workplace: Workplace) -> None:
    """What is left for one of its subtasks is said, and nothing is changed when that is too little."""
    workplace.put(config_map(size="1", big="x" * 5000))

    end = await workplace.bench().run(replace(workplace.forward(CHANGE), kept_room=4096))

    assert isinstance(end, Failed)
    assert "more than the 4 KiB that can be kept for restore; nothing was changed" in end.message
    assert live(workplace)["size"] == "1"
