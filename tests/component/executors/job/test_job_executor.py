"""Jobs as an executor makes and follows them, on the real API server: what a restart, a stranger or a refusal leads to."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.component.executors.job_bench import JOBS, LASTING, PODS, Make, a_node, imitation, jobs, of_task, recorded, watch
from tests.support.attempts import PlainLog
from tests.support.tasks import TaskClient

from obtask.executors.job.following import MOST_OF_A_NAMESPACE
from obtask.kube.client import Api
from obtask.kube.jobs import Jobs
from obtask.model.attempt import Attempt, Failed, Running, Succeeded
from obtask.model.contract import Direction
from obtask.model.kubernetes_actions import JobAction
from obtask.model.reasons import FailureReason
from obtask.rules.nonces import Nonces
from obtask.rules.owned import job_name


async def test_starting_twice_makes_one_job(tasks: TaskClient, make: Make) -> None:
    """Another start of the same attempt, here or by another operator, changes nothing; the end is told once it is there."""
    one, log = of_task(tasks, "echo hello"), PlainLog()
    first, second = make(), make()

    await first.start(one, log)
    await first.start(one, log)
    await second.start(one, PlainLog())

    assert jobs(tasks) == [job_name("owner", one.id)]
    with a_node(tasks):
        assert isinstance(await watch(first, one, log), Succeeded)
        assert isinstance(await watch(second, one, PlainLog()), Succeeded)
    assert " hello" in log.text


async def test_a_job_of_a_stranger(tasks: TaskClient, make: Make) -> None:
    """A Job of the right name that is not the attempt's fails the attempt, and is left alone."""
    one, log = of_task(tasks), PlainLog()
    name = job_name("owner", one.id)
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    tasks.api.send("POST", JOBS.format(tasks.namespace), {"metadata": {"name": name}, "spec": {"template": template}})
    executor = make()

    await executor.start(one, log)
    seen = await watch(executor, one, log)
    await executor.cancel(one)

    assert isinstance(seen, Failed)
    assert (seen.reason, "does not belong to this attempt" in seen.message) == (FailureReason.POD_FAILED, True)
    assert "activeDeadlineSeconds" not in tasks.api.get(f"{JOBS.format(tasks.namespace)}/{name}")["spec"]


async def test_a_job_made_beforehand_with_all_that_can_be_read(tasks: TaskClient, make: Make) -> None:
    """Labels, annotations, owner and even the digest from the status do not make a Job the attempt's; it is named and left alone."""
    nonces = Nonces(b"this operator")
    one, log, executor = recorded(of_task(tasks), nonces), PlainLog(), make(nonces)
    made = tasks.api.send("POST", JOBS.format(tasks.namespace), imitation(one))

    with a_node(tasks):
        await executor.start(one, log)
        seen = await watch(executor, one, log)
        await executor.cancel(one)

    name = job_name("owner", one.id)
    assert isinstance(seen, Failed)
    assert seen.reason is FailureReason.POD_FAILED
    assert seen.message.startswith(f"there is a Job {name} already, and it does not belong to this attempt")
    left = tasks.api.get(f"{JOBS.format(tasks.namespace)}/{name}")
    assert left["metadata"]["uid"] == made["metadata"]["uid"]
    assert "activeDeadlineSeconds" not in left["spec"]


async def test_a_job_that_was_deleted_and_made_again(tasks: TaskClient, make: Make) -> None:
    """Also with the nonce, which can be read from the Job that the operator had made. Since it shows it, it is stopped."""
    nonces = Nonces(b"this operator")
    one, log, executor = recorded(of_task(tasks), nonces), PlainLog(), make(nonces)
    await executor.start(one, log)
    assert isinstance(await executor.observe(one, log), Running)
    name = job_name("owner", one.id)
    tasks.kubectl("delete", "job", name)
    tasks.api.send("POST", JOBS.format(tasks.namespace), imitation(one, **{"task.oceanbase.com/nonce": nonces.of(one.id)}))

    with a_node(tasks):
        seen = await watch(executor, one, log)

    assert isinstance(seen, Failed)
    assert seen.reason is FailureReason.NOT_FOUND
    assert seen.message == f"Job {name} was deleted, not by the operator; another one of its name is there now, which is stopped"
    assert tasks.api.get(f"{JOBS.format(tasks.namespace)}/{name}")["spec"]["parallelism"] == 0


async def test_an_operator_that_died_before_it_made_the_job(tasks: TaskClient, make: Make) -> None:
    """The next one has its own digest recorded before it makes the Job; a Job of the first one, which lives after all, is one of ours."""
    first, second = Nonces(b"first"), Nonces(b"second")
    one, log, executor = recorded(of_task(tasks), first), PlainLog(), make(second)
    await executor.start(one, log)
    seen = await watch(executor, one, log, until=lambda seen: isinstance(seen, Running) and seen.nonce_digest)
    assert isinstance(seen, Running)
    assert (seen.nonce_digest, jobs(tasks)) == (second.digest(one.id), [])

    both = recorded(one, second, first)
    await make(first).start(both, PlainLog())
    made = tasks.api.get(f"{JOBS.format(tasks.namespace)}/{job_name('owner', one.id)}")
    with a_node(tasks):
        assert isinstance(await watch(executor, both, log), Succeeded)

    for meta in (made["metadata"], made["spec"]["template"]["metadata"]):
        assert meta["annotations"]["task.oceanbase.com/nonce"] == first.of(one.id)


async def test_a_pod_that_only_bears_the_labels(tasks: TaskClient, make: Make) -> None:
    """Whoever may make pods cannot speak for the Job: neither the log nor the end of such a pod counts."""
    nonces = Nonces(b"this operator")
    one, log, executor = recorded(of_task(tasks, "echo genuine"), nonces), PlainLog(), make(nonces)
    await executor.start(one, log)
    job = tasks.api.get(f"{JOBS.format(tasks.namespace)}/{job_name('owner', one.id)}")
    template = job["spec"]["template"]
    fake = {"metadata": template["metadata"] | {"name": "zzz"}, "spec": template["spec"] | {"nodeName": "nowhere"}}
    labels = template["metadata"]["labels"]
    # A pod that the Job's selector matches is the Job's: its controller adopts it.
    fake["metadata"]["labels"] = {name: labels[name] for name in labels if not name.endswith("controller-uid")}
    made = tasks.api.send("POST", PODS.format(tasks.namespace), fake)
    failed = {"phase": "Failed", "message": "forged"}
    made = tasks.api.send("PATCH", f"{PODS.format(tasks.namespace)}/zzz/status", {"status": failed})

    assert executor.see_pod("MODIFIED", made) is None
    with a_node(tasks):
        assert isinstance(await watch(executor, one, log), Succeeded)

    assert "genuine" in log.text
    assert "zzz" not in log.text


async def test_a_pod_that_the_job_has_adopted(tasks: TaskClient, make: Make) -> None:
    """Its controller counts every pod that fits its selector: whoever may make pods cannot have the attempt succeed by one."""
    nonces = Nonces(b"this operator")
    one, log, executor = recorded(of_task(tasks, "sleep 60"), nonces), PlainLog(), make(nonces)
    await executor.start(one, log)
    job = tasks.api.get(f"{JOBS.format(tasks.namespace)}/{job_name('owner', one.id)}")
    template = job["spec"]["template"]
    labels = {key: value for key, value in template["metadata"]["labels"].items() if key != "task.oceanbase.com/task-uid"}
    # With all that can be read but for the label, which the chart's policies keep for the operator.
    meta = template["metadata"] | {"name": "zzz", "labels": labels, "finalizers": ["batch.kubernetes.io/job-tracking"]}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"], "controller": True}
    fake = {"metadata": meta | {"ownerReferences": [owner]}, "spec": template["spec"] | {"nodeName": "nowhere"}}
    tasks.api.send("POST", PODS.format(tasks.namespace), fake)
    done = {"phase": "Succeeded", "message": "forged"}
    made = tasks.api.send("PATCH", f"{PODS.format(tasks.namespace)}/zzz/status", {"status": done})

    assert executor.see_pod("MODIFIED", made) is None
    seen = await watch(executor, one, log)

    assert isinstance(seen, Failed)
    assert seen.reason is FailureReason.POD_FAILED
    assert "counts pod zzz, which somebody else made" in seen.message


async def test_a_pod_without_a_job_needs_the_label(tasks: TaskClient, make: Make) -> None:
    """Of a Job that is gone only what its template made is waited for: all the rest can be read from the Job, and never ends."""
    nonces = Nonces(b"this operator")
    one, log, executor = recorded(of_task(tasks), nonces), PlainLog(), make(nonces)
    await executor.start(one, log)
    assert isinstance(await executor.observe(one, log), Running)
    name = job_name("owner", one.id)
    meta = tasks.api.get(f"{JOBS.format(tasks.namespace)}/{name}")["spec"]["template"]["metadata"]
    tasks.kubectl("delete", "job", name)
    del meta["labels"]["task.oceanbase.com/task-uid"]
    container = {"name": "c", "image": "attacker/sleep"}
    tasks.api.send("POST", PODS.format(tasks.namespace), {"metadata": meta | {"name": "zzz"}, "spec": {"containers": [container]}})

    seen = await watch(executor, one, log)

    assert isinstance(seen, Failed)
    assert (seen.reason, seen.message) == (FailureReason.NOT_FOUND, f"Job {name} was deleted, not by the operator")


async def test_a_job_that_only_says_that_it_was_stopped(tasks: TaskClient, make: Make) -> None:
    """Whoever may change Jobs cannot keep the operator from stopping one: the note counts together with what stops a Job."""
    one, log, executor = of_task(tasks, "sleep 60"), PlainLog(), make()
    await executor.start(one, log)
    name = job_name("owner", one.id)
    note = [f"task.oceanbase.com/stopped={FailureReason.CANCELLED.value}", "task.oceanbase.com/stopped-message=not at all"]
    tasks.kubectl("annotate", "job", name, *note)
    with a_node(tasks):
        await watch(executor, one, log, until=lambda seen: isinstance(seen, Running) and "pod" in log.text)
        await executor.cancel(one)
        seen = await watch(executor, one, log)

    assert isinstance(seen, Failed)
    assert (seen.reason, seen.message) == (FailureReason.CANCELLED, "cancelled")
    assert tasks.api.get(f"{JOBS.format(tasks.namespace)}/{name}")["spec"]["parallelism"] == 0


async def test_killed_before_the_job_was_made(tasks: TaskClient, make: Make) -> None:
    """The next operator makes it: nothing has run."""
    one, log, executor = of_task(tasks), PlainLog(), make()

    with a_node(tasks):
        seen = await watch(executor, one, log)

    assert isinstance(seen, Succeeded)


async def test_cancelled_before_the_job_was_made(tasks: TaskClient, make: Make) -> None:
    """The next operator does not make it when the task is to stop."""
    one, log, executor = of_task(tasks), PlainLog(), make()
    assert isinstance(await executor.observe(one, log), Running)

    await executor.cancel(one)

    seen = await watch(executor, one, log)
    assert isinstance(seen, Failed)
    assert seen.reason is FailureReason.CANCELLED
    assert not jobs(tasks)


async def test_deleted_while_no_operator_lived(tasks: TaskClient, make: Make, api: Api) -> None:
    """What has run is not run again by itself: the Events about the Job tell that it was there."""
    one, log = of_task(tasks), PlainLog()
    await make().start(one, log)
    name = job_name("owner", one.id)
    async with asyncio.timeout(30):
        while not await Jobs(api).events(tasks.namespace, name, None):  # noqa: ASYNC110 - the API server tells nobody
            await asyncio.sleep(0.1)
    tasks.kubectl("delete", "job", name)

    seen = await watch(make(), one, log)

    assert isinstance(seen, Failed)
    assert (seen.reason, seen.message) == (FailureReason.NOT_FOUND, f"Job {name} was deleted, not by the operator")
    assert not jobs(tasks)


async def test_killed_between_cancel_and_end(tasks: TaskClient, make: Make) -> None:
    """The Job itself says that it was cancelled: the next operator tells so, once the pod has ended."""
    one, log, first = of_task(tasks, LASTING), PlainLog(), make()
    with a_node(tasks):
        await first.start(one, log)
        await watch(first, one, log, until=lambda _: "runs on node" in log.text)
        await first.cancel(one)

        seen = await watch(make(), one, PlainLog())

    assert seen == Failed(FailureReason.CANCELLED, "cancelled")


async def test_cancelling_a_suspended_job(tasks: TaskClient, make: Make) -> None:
    """A Job that waits in a queue ends at once, and can have no pod any more."""
    one, log, executor = of_task(tasks, LASTING), PlainLog(), make()
    await executor.start(one, log)
    path = f"{JOBS.format(tasks.namespace)}/{job_name('owner', one.id)}"
    tasks.api.send("PATCH", path, {"spec": {"suspend": True}})
    await watch(executor, one, log, until=lambda seen: isinstance(seen, Running) and "suspended" in (seen.message or ""))

    await executor.cancel(one)

    assert await watch(executor, one, log) == Failed(FailureReason.CANCELLED, "cancelled")
    assert tasks.api.get(path)["spec"]["parallelism"] == 0


@pytest.mark.parametrize(
    ("fields", "reason", "said"),
    [
        ({"podTemplate": {"spec": {"nodeSelectr": {}}}}, FailureReason.POD_FAILED, "nodeSelectr"),
        ({"resources": {"limits": {"cpu": "much"}}}, FailureReason.POD_FAILED, "the Job is not valid"),
        ({"podTemplate": {"spec": {"serviceAccountName": "nobody"}}}, FailureReason.FORBIDDEN, 'serviceaccount "nobody" not found'),
    ],
    ids=["unknown-field", "bad-quantity", "no-service-account"],
)
async def test_what_kubernetes_refuses(tasks: TaskClient, make: Make, fields: Any, reason: FailureReason, said: str) -> None:
    """The attempt fails in the server's words, also when it is the pod that is refused, about which only Events tell."""
    one, log, executor = of_task(tasks, **fields), PlainLog(), make()
    await executor.start(one, log)

    seen = await watch(executor, one, log)

    assert isinstance(seen, Failed)
    assert seen.reason is reason
    assert said in seen.message


async def test_the_jobs_of_the_first_and_the_last_two_attempts_stay(tasks: TaskClient, make: Make) -> None:
    """From the end of the fourth attempt on, one Job goes with each end; each direction counts for itself."""
    first, executor = of_task(tasks), make()
    undo = replace(first, id=replace(first.id, direction=Direction.ROLLBACK))
    with a_node(tasks):
        for attempt_ in [numbered(undo, 2), *(numbered(first, number) for number in (1, 2, 3, 4, 5))]:
            await executor.start(attempt_, PlainLog())
            assert isinstance(await watch(executor, attempt_, PlainLog()), Succeeded)
            executor.forget(attempt_.id)

        left = {job_name("owner", numbered(first, number).id) for number in (1, 4, 5)} | {job_name("owner", numbered(undo, 2).id)}
        async with asyncio.timeout(20):
            while set(jobs(tasks)) != left:  # noqa: ASYNC110 - the TTL controller tells nobody
                await asyncio.sleep(0.1)


async def test_a_job_that_is_not_over_or_not_ours_stays(tasks: TaskClient, make: Make) -> None:
    """An earlier attempt's Job that has not finished, and one that only bears its name, are left alone; the end is told all the same."""
    one, executor = of_task(tasks, LASTING), make()
    await executor.start(numbered(one, 2), PlainLog())
    short = replace(one, action=JobAction.model_validate({"image": "node/any", "command": ["true"]}))
    strange = tasks.api.get(f"{JOBS.format(tasks.namespace)}/{jobs(tasks)[0]}")
    template = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "node/any", "command": ["true"]}]}}
    meta = strange["metadata"] | {"name": job_name("owner", numbered(one, 3).id)}  # it has the annotations of another attempt
    meta = {key: meta[key] for key in ("name", "annotations", "ownerReferences")}
    with a_node(tasks):
        tasks.api.send("POST", JOBS.format(tasks.namespace), {"metadata": meta, "spec": {"template": template}})
        for number in (4, 5):
            await executor.start(numbered(short, number), PlainLog())
            assert isinstance(await watch(executor, numbered(short, number), PlainLog()), Succeeded)

    found = {job["metadata"]["name"]: job["spec"] for job in tasks.api.get(JOBS.format(tasks.namespace))["items"]}
    assert found.keys() == {job_name("owner", numbered(one, number).id) for number in (2, 3, 4, 5)}
    assert not [spec for spec in found.values() if "ttlSecondsAfterFinished" in spec]


async def test_a_log_is_copied_while_its_container_runs(tasks: TaskClient, make: Make) -> None:
    """Every container's lines are there as they come, and once in the end; those for which there is no slot are read in turn."""
    script = "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.25; done; printf 'no end'"
    side = {"name": "side", "image": "node/any", "command": ["sh", "-c", script]}
    template = {
        "spec": {"containers": [{"name": "tool"}, *({**side, "name": f"side-{number}"} for number in range(MOST_OF_A_NAMESPACE + 2))]}
    }
    one, log, executor = of_task(tasks, script, podTemplate=template), PlainLog(), make()
    with a_node(tasks):
        await executor.start(one, log)
        await watch(executor, one, log, until=lambda _: all(f"[{name}] line 3" in log.text for name in ("tool", *sides())))
        assert "line 8" not in log.text
        assert isinstance(await watch(executor, one, log), Succeeded)

    for name in ("tool", *sides()):
        lines = [line.split("] ", 1)[1] for line in log.lines if f"[{name}] " in line]
        assert lines == [*(f"line {number}" for number in range(1, 9)), "no end"]


def sides() -> list[str]:
    """Return the containers beside the step's own: more than a namespace may follow at once."""
    return [f"side-{number}" for number in range(MOST_OF_A_NAMESPACE + 2)]


def numbered(one: Attempt, number: int) -> Attempt:
    """Return another attempt of the same subtask and direction."""
    return replace(one, id=replace(one.id, number=number))


async def test_every_container_has_its_log(tasks: TaskClient, make: Make) -> None:
    """With more than one container, each line says whose it is."""
    side = {"name": "side", "image": "node/any", "command": ["echo", "from the side"]}
    template = {"spec": {"containers": [{"name": "tool"}, side]}}
    one, log, executor = of_task(tasks, "echo from the tool", podTemplate=template), PlainLog(), make()
    with a_node(tasks):
        await executor.start(one, log)
        assert isinstance(await watch(executor, one, log), Succeeded)

    assert "Z [tool] from the tool" in log.text
    assert "Z [side] from the side" in log.text
