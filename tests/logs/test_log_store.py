"""The ConfigMap of a log: found again after a restart, owned by its task, readable."""

import base64
import gzip
import re
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from obtask.logs.store import LARGEST_BYTES, log_config_map, log_name, log_ref, unpacked
from obtask.model.actions import WaitAction
from obtask.model.attempt import Attempt, AttemptId
from obtask.model.status import Direction, LogRef
from obtask.rules.labels import label_value

ID = AttemptId("4f0c1f9e-0000-4000-8000-000000000000", "resize", "zone1", Direction.ROLLBACK, 3)
ATTEMPT = Attempt(ID, "prod", "resize-orders", WaitAction(seconds=1), None, None, datetime(2026, 11, 23, tzinfo=UTC), None, None)
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


def test_the_manifest() -> None:
    """Labels select it, annotations tell whose it is, and it goes when the task goes."""
    manifest = log_config_map(ATTEMPT, gzip.compress(b"hello"))

    assert gzip.decompress(base64.b64decode(manifest.pop("binaryData")["log.gz"])) == b"hello"
    assert manifest == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": log_name(ID),
            "namespace": "prod",
            "labels": {"task.oceanbase.com/task": "resize-orders", "task.oceanbase.com/task-uid": ID.uid},
            "annotations": {
                "task.oceanbase.com/task-name": "resize-orders",
                "task.oceanbase.com/step": "resize",
                "task.oceanbase.com/subtask": "zone1",
                "task.oceanbase.com/attempt": "3",
                "task.oceanbase.com/direction": "Rollback",
            },
            "ownerReferences": [
                {
                    "apiVersion": "task.oceanbase.com/v1alpha1",
                    "kind": "OBTask",
                    "name": "resize-orders",
                    "uid": ID.uid,
                    "controller": False,
                    "blockOwnerDeletion": False,
                }
            ],
        },
    }


def test_the_reference_points_to_it() -> None:
    """status.logRef names the ConfigMap and the key."""
    assert log_ref(ID) == LogRef(config_map=log_name(ID), key="log.gz")


def test_every_attempt_has_a_name_of_its_own() -> None:
    """The same attempt has the same name; any other one has another."""
    others = [replace(ID, uid="5"), replace(ID, step="a"), replace(ID, subtask="a")]
    others += [replace(ID, direction=Direction.FORWARD), replace(ID, number=4)]

    assert log_name(ID) == log_name(replace(ID))
    assert len({log_name(one) for one in [ID, *others]}) == 6
    assert all(re.fullmatch(r"obt-log-[0-9a-f]{40}", log_name(one)) for one in others)


def test_a_long_task_name_is_a_hash_in_the_label_and_itself_in_the_annotation() -> None:
    """A label holds 63 characters, a name 253."""
    name = "a" * 253

    metadata = log_config_map(replace(ATTEMPT, task=name), b"")["metadata"]

    assert metadata["labels"]["task.oceanbase.com/task"] == label_value(name)
    assert metadata["annotations"]["task.oceanbase.com/task-name"] == name


@given(st.text(max_size=300))
def test_any_name_has_a_label_value(name: str) -> None:
    """What a label cannot hold becomes something that it can."""
    value = label_value(name)

    assert LABEL.fullmatch(value)
    assert value == name or value != label_value(name + "x")


def test_a_name_that_fits_stays() -> None:
    """People select by the name that they know."""
    assert label_value("resize-orders.v2") == "resize-orders.v2"
    assert label_value("a" * 63) == "a" * 63
    assert label_value("a" * 64) != label_value("a" * 65)


def test_a_log_is_read_back_and_never_more_than_a_log_can_hold() -> None:
    """Whoever may write ConfigMaps could pack any amount into one; and what is no log is none."""
    whole = log_config_map(ATTEMPT, gzip.compress("Größe\n".encode()))
    bomb = log_config_map(ATTEMPT, gzip.compress(b"0" * 50_000_000))

    assert unpacked(whole) == "Größe\n"
    assert len(unpacked(bomb) or "") == LARGEST_BYTES
    assert unpacked({"binaryData": {"log.gz": "bm8="}}) is None
    assert unpacked({}) is None
