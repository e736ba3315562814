"""The pure parts of the resource action: what is shown, kept, named and masked."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from tests.component.executors.workplace import apply, config_map, patch
from tests.support.attempts import attempt

from obtask.executors.resource.kept import Kept, own_fields, read, text_of
from obtask.executors.resource.objects import Named, field_manager, named, secrets_in
from obtask.executors.resource.words import failed, shown
from obtask.kube.api import ApiError
from obtask.kube.impersonation import ServiceAccount
from obtask.model.kubernetes_actions import ResourceAction
from obtask.model.reasons import FailureReason

RUNNER = ServiceAccount("prod", "runner")
LIVE: dict[str, Any] = {
    "metadata": {"name": "web", "resourceVersion": "7", "labels": {"a": "b"}, "uid": "u", "managedFields": []},
    "spec": {"replicas": 3, "paused": False, "list": [1, 2]},
    "status": {"conditions": [{"type": "Ready", "status": "True", "message": "x"}, {"type": "Old", "status": "False"}], "text": "x" * 500},
}


@pytest.mark.parametrize(
    ("expression", "seen"),
    [
        ("object.spec.replicas == 3 && object.spec.replicas > 1", "spec.replicas=3"),
        ("has(object.status.phase) && object.status.phase == 'Ready'", "status.phase=absent"),
        ("object.status.conditions.exists(c, c.type == 'Ready')", "status.conditions=Ready:True Old:False"),
        ("object.spec.list.size() == 2 && !object.spec.paused", "spec.list=[1, 2], spec.paused=false"),
        ("size(object) > 1", "resourceVersion 7"),
        ("my_object.a == object.metadata.labels.a", "metadata.labels.a=b"),
    ],
)
def test_what_is_shown_is_what_the_expression_asks_about(expression: str, seen: str) -> None:
    """Only the fields that an expression names are shown, short, on one line."""
    assert shown(LIVE, expression) == seen


def test_what_is_shown_is_short() -> None:
    """A long value does not fill the status."""
    assert len(shown(LIVE, "object.status.text == object.status.text && object.spec == object.metadata")) <= 300


def test_what_is_kept_are_the_own_fields() -> None:
    """Server fields and the status are left out; text and back is the same."""
    kept = own_fields(LIVE)

    assert kept == {"metadata": {"name": "web", "labels": {"a": "b"}}, "spec": LIVE["spec"]}
    assert read(text_of(kept)) == Kept(kept)
    assert read(text_of(None)) == Kept(None)


@pytest.mark.parametrize("text", ["", "no json", "[]", "1", "[" * 100_000])
def test_a_strange_text_keeps_nothing(text: str) -> None:
    """What is not ours is not put into an object."""
    assert read(text) is None


def test_an_action_names_its_object() -> None:
    """Apply names it in the manifest, patch beside it."""
    assert named(apply(config_map() | {"metadata": {"name": "a", "namespace": "b"}})) == Named("v1", "ConfigMap", "a", "b")
    assert named(patch({}, "a", "Secret")) == Named("v1", "Secret", "a")
    with pytest.raises(ValueError, match="names no object"):
        named(ResourceAction(restore=True))


def test_a_field_manager_belongs_to_one_subtask() -> None:
    """Different subtasks own different fields; a name that is too long is hashed; a retry has the same one."""
    one = attempt(apply(config_map()))
    long = replace(one, task="x" * 253)

    assert field_manager(one) == "obtask/prod/resize-orders/resize/zone1"
    assert field_manager(replace(one, id=replace(one.id, subtask="resize"))) == "obtask/prod/resize-orders/resize"
    assert field_manager(replace(one, id=replace(one.id, number=2))) == field_manager(one)
    assert len(field_manager(long)) < 128
    assert field_manager(long) != field_manager(replace(long, task="y" * 253))


def test_secrets_are_the_values_of_a_secret_only() -> None:
    """Plain and encoded values of both actions; strange ones do no harm."""
    octets = base64.b64encode(b"\xff\xfe").decode()
    encoded = base64.b64encode(b"hunter2").decode()
    change = {"data": {"a": encoded, "b": octets, "c": None, "d": "%%%"}, "stringData": {"e": "plain", "f": "", "g": 4711}}

    assert secrets_in(patch(change, "s", "Secret")) == ["plain", "4711", encoded, octets, "%%%", "hunter2"]
    assert secrets_in(patch({"data": "text", "stringData": [1]}, "s", "Secret")) == []
    assert secrets_in(apply(config_map(a="b"))) == []


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (403, FailureReason.FORBIDDEN),
        (404, FailureReason.NOT_FOUND),
        (409, FailureReason.EXPECTATION_NOT_MET),
        (422, FailureReason.HTTP_STATUS),
        (500, FailureReason.HTTP_STATUS),
    ],
)
def test_a_refusal_has_a_reason_and_its_status_as_code(status: int, reason: FailureReason) -> None:
    """People find the server's words, machines the code."""
    end = failed(ApiError(status, "Any", "the server's words"))

    assert (end.reason, end.code, end.message) == (reason, str(status), "the server's words")


def test_an_operator_that_may_not_impersonate_says_so() -> None:
    """The right to impersonate is the operator's to have, not the account's."""
    lacks = 'User "op" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "prod"'
    words = f'serviceaccounts "runner" is forbidden: {lacks}'

    end = failed(ApiError(403, "Forbidden", words))

    assert end.message == f"{words}; the operator may not act as this service account: grant it the verb impersonate on serviceaccounts"
