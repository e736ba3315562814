"""What a task says of itself while it waits, and values from Secrets, through the whole operator on the real API server."""

import pytest
from tests.support.audit import tally, writes
from tests.support.tasks import TaskClient

# The number of the attempt's row changes with every look: an until whose message never stays the same.
TICKING = "select unix_timestamp() as now"
UNTIL = {"query": TICKING, "expect": "false", "message": "'at ' + string(rows[0].now) + ' %'", "intervalSeconds": 1}
PASSWORD = "walnut-4471-quartz"  # noqa: S105 - found nowhere is the point


@pytest.mark.usefixtures("operator")
def test_the_status_shows_the_task_s_own_words_and_costs_little(tasks: TaskClient, connection: str) -> None:
    """The message is there after 5 s and is renewed every 15 s, although it changes every second."""
    steps = [{"name": "wait", "sql": {"statements": ["select 1"], "until": UNTIL}}]
    tasks.create("talking", connection={"secretName": connection}, steps=steps)
    seen: list[str] = []

    def shown(body: dict[str, object]) -> bool:
        status = body.get("status")
        assert isinstance(status, dict)
        messages = [sub.get("message") for step in status.get("steps", []) for sub in step["subtasks"]]
        seen.extend(text for text in messages if text and text not in seen)
        if messages[:1] and messages[0]:
            assert status["stepSummary"] == f"wait {messages[0]}"
        return len(seen) >= 2

    tasks.wait("talking", shown, "two messages", seconds=45)
    found = writes(tasks.cluster, tasks.namespace)

    assert all(text.startswith("at ") and text.endswith(" %") for text in seen)
    assert int(seen[1].split()[1]) - int(seen[0].split()[1]) >= 14
    assert len(found) <= 1 + 6 + 2, tally(found)
    tasks.command("talking", "cancel")
    tasks.wait_phase("talking", "Failed")


@pytest.mark.usefixtures("operator")
def test_values_from_secrets(tasks: TaskClient, connection: str) -> None:
    """They are bound; they are nowhere in the object, its logs or its Events; other types of Secrets are refused before anything runs."""
    here = {"secretName": connection}
    tasks.create_secret("new-root", password=PASSWORD + "\n")
    tasks.create_secret("other", kind="Opaque", password=PASSWORD)
    tasks.create_secret("elsewhere", host="10.99.0.1", password=PASSWORD)
    echo = "select %(pw)s as v, length(%(pw)s) as n"

    def create(name: str, secret: str, key: str, **more: object) -> None:
        ref = {"pw": {"secretKeyRef": {"name": secret, "key": key}}}
        tasks.create(name, connection=here, steps=[{"name": "s", "sql": {"statements": [echo], "argsFrom": ref, **more}}])

    create("good", "new-root", "password", expect=f"rows[0].n == {len(PASSWORD)}")
    create("shown", "new-root", "password", expect="rows[0].n == 0")
    create("opaque", "other", "password")
    create("no-key", "new-root", "nothing")
    create("stray", "elsewhere", "password")
    create("twice", "new-root", "password", args={"pw": "x"})

    tasks.wait_let_go("good", "Succeeded")
    for name, reason, words in (
        ("shown", "ExpectationNotMet", "saw 1 row"),
        ("opaque", "Forbidden", "only task.oceanbase.com/connection may be used"),
        ("stray", "Forbidden", 'Secret "elsewhere" is for hosts of its own'),
        ("no-key", "NotFound", 'Secret "new-root" has no key "nothing"'),
    ):
        failed = tasks.wait_phase(name, "Failed")["failedSubtask"]
        assert (failed["reason"], words in failed["message"]) == (reason, True), failed
    rejected = tasks.wait_phase("twice", "Rejected")
    assert (rejected["reason"], "argsFrom.pw: is in args, too" in rejected["message"]) == ("InvalidSpec", True), rejected
    for name in ("good", "shown"):
        assert PASSWORD not in str(tasks.get(name)) + str(tasks.events(name)) + str(tasks.config_maps(name))
        subtask = tasks.status(name)["steps"][0]["subtasks"][0]
        assert PASSWORD not in (tasks.log(subtask) if "logRef" in subtask else "")
