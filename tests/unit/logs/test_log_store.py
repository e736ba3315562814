"""The ConfigMap of a log: found again after a restart, owned by its task, readable."""

import base64
import gzip
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from obtask.logs.store import LARGEST_BYTES, End, log_config_map, log_name, log_ref, unpacked
from obtask.model.actions import WaitAction
from obtask.model.attempt import Attempt, AttemptId
from obtask.model.contract import Direction
from obtask.model.status import LogRef
from obtask.rules.owned import label_value

ID = AttemptId("4f0c1f9e-0000-4000-8000-000000000000", "resize", "zone1", Direction.ROLLBACK, 3)
ATTEMPT = Attempt(ID, "prod", "resize-orders", WaitAction(seconds=1), None, None, datetime(2026, 11, 23, tzinfo=UTC), None, None)
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


def of(packed: bytes, attempt: Attempt = ATTEMPT, end: End | None = None) -> dict[str, Any]:
    """Return the ConfigMap of a log."""
    return log_config_map(attempt, log_name(attempt.id), packed, nonce="secret", octets=100, end=end)


def test_the_manifest() -> None:
    """Labels select it, annotations tell whose it is, and it goes when the task goes."""
    manifest = of(gzip.compress(b"hello"), end=End(datetime(2026, 11, 23, 0, 0, 7, tzinfo=UTC), "SqlError", "1146"))

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
                "task.oceanbase.com/nonce": "secret",
                "task.oceanbase.com/log-bytes": "100",
                "task.oceanbase.com/started-at": "2026-11-23T00:00:00.000Z",
                "task.oceanbase.com/finished-at": "2026-11-23T00:00:07.000Z",
                "task.oceanbase.com/reason": "SqlError",
                "task.oceanbase.com/code": "1146",
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


def test_while_it_runs_nothing_is_said_of_its_end() -> None:
    """finished-at, reason and code come once the attempt has ended; code only if there is one."""
    running, ended = (of(b"", end=end)["metadata"]["annotations"] for end in (None, End(datetime(2026, 11, 23, tzinfo=UTC), "Cancelled")))

    assert ended.keys() - running.keys() == {"task.oceanbase.com/finished-at", "task.oceanbase.com/reason"}


def test_the_reference_points_to_it() -> None:
    """status.logRef names the ConfigMap and the key."""
    assert log_ref(log_name(ID)) == LogRef(config_map=log_name(ID), key="log.gz")


def test_every_attempt_has_a_name_of_its_own() -> None:
    """The same attempt has the same name; any other one has another."""
    others = [replace(ID, uid="5"), replace(ID, step="a"), replace(ID, subtask="a")]
    others += [replace(ID, direction=Direction.FORWARD), replace(ID, number=4)]

    assert log_name(ID) == log_name(replace(ID))
    assert len({log_name(one) for one in [ID, *others]}) == 6
    assert log_name(ID, "nonce") not in {log_name(ID), log_name(ID, "another")}
    assert all(re.fullmatch(r"obt-log-[0-9a-f]{40}", log_name(one)) for one in others)


def test_a_long_task_name_is_a_hash_in_the_label_and_itself_in_the_annotation() -> None:
    """A label holds 63 characters, a name 253."""
    name = "a" * 253

    metadata = of(b"", replace(ATTEMPT, task=name))["metadata"]

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
    whole = of(gzip.compress("Größe\n".encode()))
    bomb = of(gzip.compress(b"0" * 50_000_000))

    assert unpacked(whole) == "Größe\n"
    assert len(unpacked(bomb) or "") == LARGEST_BYTES
    assert unpacked({"binaryData": {"log.gz": "bm8="}}) is None
    assert unpacked({}) is None
