"""The until of a resource action: woken by the object's changes, on a real API server."""

import asyncio
from contextlib import aclosing

from tests.component.executors.workplace import RUNNER, Body, Workplace, apply, config_map, patch
from tests.support.attempts import Bench, until
from tests.support.rights import grant

from obtask.kube.impersonation import Change, Impersonation, ServiceAccount
from obtask.model.attempt import Attempt, Failed, Running, Succeeded
from obtask.model.kubernetes_actions import ResourceAction
from obtask.model.reasons import FailureReason

READY = "object.data.phase == 'Ready'"


async def never(seconds: float) -> None:
    """Be the sleep of somebody who must not look again by time."""
    raise AssertionError(f"slept {seconds} s")


async def waiting(on: Bench, one: Attempt) -> str:
    """Wait until an attempt waits in its until; return its progress."""
    async with asyncio.timeout(20):
        while "last saw" not in (told := await on.progress(one)):  # noqa: ASYNC110 - progress enqueues nothing
            await asyncio.sleep(0.01)
    return told


async def test_until_is_woken_by_the_change(workplace: Workplace) -> None:
    """Nobody sleeps: the event of the watch wakes the attempt; progress and log tell what was seen, without the rest of the object."""
    on = workplace.bench(sleep=never)
    one = workplace.attempt(apply(config_map(phase="Starting", size="1"), expect=READY))
    await on.executor.start(one, on.log)
    told = await waiting(on, one)

    workplace.change("settings", {"data": {"size": "2"}})
    workplace.change("settings", {"data": {"phase": "Ready"}})
    await on.bells.wait()

    assert told == f"waiting until {READY}: last saw data.phase=Starting"
    assert await on.end_of(one) == Succeeded(f'ConfigMap "settings" in namespace "{workplace.namespace}" created; data.phase=Ready')
    assert [line for line in on.log.lines if line.startswith("not yet")] == ["not yet: data.phase=Starting"]


async def test_until_that_holds_already_watches_nothing(workplace: Workplace) -> None:
    """An object that is as wanted after the change ends the attempt."""
    grant(workplace.kubectl, workplace.namespace, "reader", ["get", "patch", "create"])

    end = await workplace.bench(sleep=never).run(workplace.attempt(apply(config_map(phase="Ready"), expect=READY), account="reader"))

    assert isinstance(end, Succeeded)


async def test_a_field_that_is_not_there_yet_is_no_mistake(workplace: Workplace) -> None:
    """Status comes later than the object; conditions are shown short."""
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "c"}]}}
    manifest: Body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    manifest["spec"] = {"selector": {"matchLabels": labels}, "template": template}
    expect = "object.status.readyReplicas == 1 && object.status.conditions.exists(c, c.type == 'Available' && c.status == 'True')"
    on = workplace.bench(sleep=never)
    one = workplace.attempt(apply(manifest, expect=expect))
    await on.executor.start(one, on.log)
    told = await waiting(on, one)

    conditions = [{"type": kind, "status": "True"} for kind in ("Available", "Progressing")]
    status = {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "conditions": conditions}
    workplace.change("web", {"status": status}, "deployment", "--subresource=status")
    await on.bells.wait()

    assert "last saw status.readyReplicas=absent, status.conditions=absent" in told
    end = await on.end_of(one)
    assert isinstance(end, Succeeded)
    assert (end.message or "").endswith("; status.readyReplicas=1, status.conditions=Available:True Progressing:True")


async def test_an_object_that_is_deleted_meanwhile_is_not_found(workplace: Workplace) -> None:
    """Nobody waits for what is gone."""
    on = workplace.bench(sleep=never)
    one = workplace.attempt(apply(config_map(phase="Starting"), expect=READY))
    await on.executor.start(one, on.log)
    await waiting(on, one)

    workplace.delete("configmap", "settings")
    await on.bells.wait()

    assert await on.end_of(one) == Failed(
        FailureReason.NOT_FOUND, f'ConfigMap "settings" in namespace "{workplace.namespace}" was deleted', "404"
    )


async def test_the_deadline_tells_what_was_last_seen(workplace: Workplace) -> None:
    """A timeout ends the watch, names what the object looked like, and keeps the log."""
    on = workplace.bench(sleep=never)

    end = await on.run(workplace.attempt(apply(config_map(phase="Starting"), expect=READY), seconds=3))

    assert end == Failed(FailureReason.TIMEOUT, f"did not end within 3 s: waiting until {READY}: last saw data.phase=Starting")
    assert "not yet: data.phase=Starting" in on.log.lines


async def test_cancel_ends_the_watch(workplace: Workplace) -> None:
    """A cancelled attempt ends at once; what was applied stays."""
    on = workplace.bench(sleep=never)
    one = workplace.attempt(apply(config_map(phase="Starting"), expect=READY))
    await on.executor.start(one, on.log)
    await waiting(on, one)

    await on.executor.cancel(one)
    await on.bells.wait()

    end = await on.end_of(one)
    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CANCELLED
    assert workplace.get("configmap", "settings") is not None


async def test_a_watch_that_ends_is_begun_again(workplace: Workplace) -> None:
    """The server ends every watch after a while; nothing is missed in between."""
    ended = 0

    async def sleep(_: float) -> None:
        nonlocal ended
        ended += 1
        if ended == 2:
            workplace.change("settings", {"data": {"phase": "Ready"}})

    end = await workplace.bench(sleep=sleep, watch_seconds=1).run(workplace.attempt(apply(config_map(phase="Starting"), expect=READY)))

    assert isinstance(end, Succeeded)
    assert ended == 2


async def test_without_the_right_to_watch_the_server_says_what_to_grant(workplace: Workplace) -> None:
    """An until needs get and watch of the account."""
    grant(workplace.kubectl, workplace.namespace, "blind", ["get", "patch", "create"])

    end = await workplace.bench(sleep=never).run(workplace.attempt(apply(config_map(phase="Starting"), expect=READY), account="blind"))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.FORBIDDEN
    assert f'; grant watch on configmaps in namespace "{workplace.namespace}" to service account "blind"' in end.message


async def test_what_a_secret_holds_is_not_shown_while_waiting(workplace: Workplace) -> None:
    """Of a Secret people see its version only, even of keys that the action did not write."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "hunter2"}}
    workplace.put(secret)
    on = workplace.bench(sleep=never)
    one = workplace.attempt(
        patch({"metadata": {"labels": {"a": "b"}}}, "s", "Secret", expect="object.data.a == 'x' || object.data.b == 'y'")
    )
    await on.executor.start(one, on.log)

    told = await waiting(on, one)

    assert "last saw resourceVersion " in told
    assert "aHVudGVyMg" not in told + on.log.text
    await on.executor.stop(0)


async def test_an_expression_that_does_not_compile_changes_nothing(workplace: Workplace) -> None:
    """The mistake is found before the object is touched."""
    end = await workplace.bench(sleep=never).run(workplace.attempt(apply(config_map(), expect="object.data ==")))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.INVALID_EXPRESSION
    assert workplace.get("configmap", "settings") is None


async def test_without_a_version_a_watch_begins_with_what_is_there(workplace: Workplace) -> None:
    """An object that has not changed for long cannot be watched from its version; this is the other way."""
    workplace.put(config_map(phase="Ready"))
    account, watch = ServiceAccount(workplace.namespace, RUNNER), Impersonation(workplace.acting).watch
    path = f"/api/v1/namespaces/{workplace.namespace}/configmaps"

    async with aclosing(watch(account, path, "settings", version=None, seconds=20)) as changes:
        first = await anext(changes)

    assert isinstance(first, Change)
    assert (first.kind, first.body["data"]) == ("ADDED", {"phase": "Ready"})


async def test_starting_twice_watches_once(workplace: Workplace) -> None:
    """The same attempt is carried out once by one operator."""
    on = workplace.bench(sleep=never)
    one = workplace.attempt(apply(config_map(phase="Starting"), expect=READY))

    await on.executor.start(one, on.log)
    await on.executor.start(one, on.log)
    await waiting(on, one)

    assert isinstance(await on.executor.observe(one, on.log), Running)
    assert sum(line.startswith("applying") for line in on.log.lines) == 1
    await on.executor.stop(0)
    await until(lambda: on.bells.rung)


def waiting_apply(manifest: Body, **until: object) -> ResourceAction:
    """Return an action that applies an object and waits."""
    return ResourceAction.model_validate({"apply": manifest, "until": {"expect": READY, **until}})


async def test_fail_when_and_message_of_an_object(workplace: Workplace) -> None:
    """The task's own words are the progress; the change that says it has failed ends the attempt at once."""
    fields = {"failWhen": "object.data.phase == 'Failed'", "message": "object.data.?done.orValue('0') + ' %'"}
    on = workplace.bench(sleep=never)
    one = workplace.attempt(waiting_apply(config_map(phase="Starting"), **fields))
    await on.executor.start(one, on.log)
    await until(lambda: "not yet: data.phase=Starting" in on.log.lines)
    told = await on.progress(one)

    workplace.change("settings", {"data": {"phase": "Failed", "done": "60"}})
    await on.bells.wait()

    end = await on.end_of(one)
    assert isinstance(end, Failed)
    assert told == "0 %"
    assert end.reason is FailureReason.EXPECTATION_NOT_MET
    assert end.message == "60 %; until.failWhen holds: object.data.phase == 'Failed'; saw data.phase=Failed"


async def test_a_type_error_over_an_object_is_not_waited_for(workplace: Workplace) -> None:
    """It will be one the next time; a missing field, and null, will not."""
    end = await workplace.bench(sleep=never).run(workplace.attempt(apply(config_map(phase="Starting"), expect="object.data.phase > 3")))

    assert isinstance(end, Failed)
    assert (end.reason, end.permanent) == (FailureReason.INVALID_EXPRESSION, True)
    assert end.message.startswith("until.expect: UNKNOWN: No matching overloads found : _>_(string, int64): object.data.phase > 3; saw ")


async def test_a_type_error_over_a_secret_shows_nothing_of_it(workplace: Workplace) -> None:
    """The library's words may hold a value: of a Secret there are only words of our own."""
    workplace.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "hunter2"}})
    change = {"metadata": {"labels": {"a": "b"}}}

    for expect, reason in (
        ("object[object.data.a] == 'x'", FailureReason.TIMEOUT),
        ("object.data.a > 3", FailureReason.INVALID_EXPRESSION),
    ):
        on = workplace.bench(sleep=never)
        end = await on.run(workplace.attempt(patch(change, "s", "Secret", expect=expect), seconds=3, number=len(expect)))

        assert isinstance(end, Failed)
        assert end.reason is reason
        assert "aHVudGVyMg" not in end.message + on.log.text


async def test_an_object_that_is_not_watched_is_read_more_and_more_rarely(workplace: Workplace) -> None:
    """Where the operator watches as many as it may, the pause doubles up to the longest."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            workplace.change("settings", {"data": {"phase": "Ready"}})

    on = workplace.bench(sleep=sleep, watches=0)

    assert isinstance(await on.run(workplace.attempt(waiting_apply(config_map(phase="Starting"), maxIntervalSeconds=50))), Succeeded)
    assert pauses == [15, 30, 50, 50]
