"""Secrets of obshell steps: bodies that take them from Secrets, and everything that obshell itself keeps out of its logs."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.component.executors.obshell_bench import STOP, bench_for, operation, stages
from tests.support.agent.agent import FakeAgent
from tests.support.agent.dags import Step
from tests.support.attempts import attempt

from obtask.executors.obshell.dag import shown_line
from obtask.logs.text import AttemptLog
from obtask.masking.body import masked
from obtask.masking.words import is_obshell_secret_name
from obtask.model.attempt import Attempt, Failed, Succeeded
from obtask.model.reasons import FailureReason

BODY_FROM = [
    {"pointer": "/rootPwd", "secretKeyRef": {"name": "next", "key": "password"}},
    {"pointer": "/users/0/pass~1word", "secretKeyRef": {"name": "app", "key": "p"}},
]


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent whose subtasks repeat what they were given."""
    with FakeAgent().running() as running:
        yield running


def echoing(agent: FakeAgent, *lines: str) -> None:
    """Make the operation write these lines."""
    agent.operations["POST", STOP] = stages(Step("echo", logs=lines))


async def log_of(agent: FakeAgent, one: Attempt, **values: str) -> tuple[object, str]:
    """Carry an attempt out; return its end and its log."""
    on = bench_for(agent)
    on.secrets.values = {("next", "password"): "the-next-0ne", ("app", "p"): "app-s3cret"} | {
        ("x", key): text for key, text in values.items()
    }
    log = AttemptLog(clock=on.executor._tools.clock)
    await on.executor.start(one, log)
    end = await on.end_of(one)
    return end, log.tail(max_bytes=65536, max_lines=1000)


async def test_values_of_secrets_go_into_the_body(agent: FakeAgent) -> None:
    """At the places that the pointers name, and nowhere else: not into the log, not even when obshell repeats them."""
    echoing(agent, "set password the-next-0ne and app-s3cret")
    body = {"clusterName": "obt", "users": [{"name": "app"}]}

    end, log = await log_of(agent, attempt(operation(body=body, bodyFrom=BODY_FROM)))

    assert isinstance(end, Succeeded)
    assert agent.sent("POST")[0].body == {
        "clusterName": "obt",
        "users": [{"name": "app", "pass/word": "app-s3cret"}],
        "rootPwd": "the-next-0ne",
    }
    assert '"rootPwd": "******"' in log
    assert not [secret for secret in ("the-next-0ne", "app-s3cret") if secret in log]


async def test_a_secret_that_is_missing_is_told_before_anything_is_sent(agent: FakeAgent) -> None:
    """Nothing has changed then."""
    source = [{"pointer": "/rootPwd", "secretKeyRef": {"name": "gone", "key": "password"}}]

    end, _ = await log_of(agent, attempt(operation(bodyFrom=source)))

    assert end == Failed(FailureReason.NOT_FOUND, 'Secret "gone" has no key "password"', untouched=True)
    assert agent.asked == []


def texts(value: Any) -> list[str]:
    """Return all texts of a body."""
    if isinstance(value, str):
        return [value]
    return [text for part in (value.values() if isinstance(value, dict) else value) for text in texts(part)]


@pytest.mark.parametrize(
    "body",
    [
        {"encryption": "BackupPass1"},
        {"decryption": ["RestorePass1", "RestorePass2"]},
        {"kms_encrypt_info": "kmsinfo-secret"},
        {"aes_key": "k3y-of-the-agent"},
        {"data_backup_uri": "oss://bucket?host=h&access_id=AKID77&access_key=K3Y77"},
        {"archive_base_uri": "cos://bucket/path"},
        {"obproxy_sys_password": "Sys@1secret"},
        {"masterPassword": "m4ster"},
        {"context": {"Params": {"anything": "c0ntext"}}},
    ],
    ids=lambda body: next(iter(body)),
)
async def test_what_obshell_masks_is_masked(agent: FakeAgent, body: dict[str, object]) -> None:
    """In the body as it is logged, and where obshell's subtasks repeat it."""
    echoing(agent, f"got {json.dumps(body)}")

    _, log = await log_of(agent, attempt(operation(body=body)))

    assert not [text for text in texts(body) if text in log], log
    assert masked(body, is_obshell_secret_name) != body


async def test_the_hash_of_a_password_is_masked(agent: FakeAgent) -> None:
    """Obshell writes the unsalted SHA-1 of OBProxy's passwords."""
    echoing(agent, "start with 9a8b 7110eda4d09e062aa5e4a390b0a572ac0d2c0220", "obproxy_sys_password=0123456789abcdef")

    _, log = await log_of(agent, attempt(operation(body={"obproxy_sys_password": "1234"})))

    assert "7110eda4d09e062aa5e4a390b0a572ac0d2c0220" not in log
    assert "0123456789abcdef" not in log


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("obproxy_sys_password=1f22b8cc,other=1", "obproxy_sys_password=******,other=1"),
        ("ALTER USER root IDENTIFIED BY 'x y'", "ALTER USER root IDENTIFIED BY ******"),
        ('{"rootPwd":"abc","zone":"z1"}', '{"rootPwd":"******","zone":"z1"}'),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_lines_of_obshell_are_masked_by_what_they_say(line: str, shown: str) -> None:
    """Also where nobody has told us the value."""
    assert shown_line(line) == shown
