"""Once a pod of an attempt has begun, nothing runs again under that attempt: on the real API server and its Job controller."""

import asyncio
from typing import Any

import pytest
from tests.component.executors.job_bench import JOBS, LASTING, PODS, Make, a_node, imitation, jobs, of_task, recorded, watch
from tests.support.attempts import PlainLog
from tests.support.tasks import TaskClient

from obtask.executors.job.once import created_pods
from obtask.kube.client import Api
from obtask.kube.jobs import Jobs
from obtask.model.attempt import Attempt, Failed, Running, Succeeded
from obtask.model.reasons import FailureReason
from obtask.rules.nonces import Nonces
from obtask.rules.owned import job_name

NOT_ENDED = "sleep 60"


def path_of(tasks: TaskClient, one: Attempt) -> str:
    """Return the path of the attempt's Job."""
    return f"{JOBS.format(tasks.namespace)}/{job_name('owner', one.id)}"


def change(tasks: TaskClient, one: Attempt, **spec: Any) -> None:
    """Change the attempt's Job as somebody else would."""
    tasks.api.send("PATCH", path_of(tasks, one), {"spec": spec})


def pods(tasks: TaskClient) -> list[dict[str, Any]]:
    """Return the pods of the namespace."""
    found: list[dict[str, Any]] = tasks.api.get(PODS.format(tasks.namespace))["items"]
    return found


async def made(api: Api, tasks: TaskClient, one: Attempt) -> list[str]:
    """Return the names of the pods that the Job controller says it has made."""
    events = await Jobs(api).events(tasks.namespace, job_name("owner", one.id), None)
    assert isinstance(events, list), events
    return created_pods(events)


async def settled(tasks: TaskClient, one: Attempt) -> None:
    """Wait until the Job has finished for good."""
    async with asyncio.timeout(20):
        while not any(  # noqa: ASYNC110 - the Job controller tells nobody
            condition["type"] == "Failed" for condition in tasks.api.get(path_of(tasks, one))["status"].get("conditions", [])
        ):
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (({"suspend": True}, {"suspend": False}), "suspended after it had begun: pod "),
        (({"parallelism": 0}, {"parallelism": 1}), "parallelism was set to 0 after it had begun: pod "),
    ],
    ids=["suspend", "parallelism"],
)
async def test_a_pod_that_is_taken_back(
    tasks: TaskClient, make: Make, api: Api, changes: tuple[dict[str, Any], dict[str, Any]], said: str
) -> None:
    """Suspended, as Kueue preempts, or with its parallelism at 0, a Job that has begun ends its attempt, and never starts again."""
    one, log, executor = of_task(tasks, LASTING), PlainLog(), make()
    with a_node(tasks):
        await executor.start(one, log)
        await watch(executor, one, log, until=lambda _: "runs on node" in log.text)
        change(tasks, one, **changes[0])
        seen = await watch(executor, one, log)
        change(tasks, one, suspend=False)  # as a queue would
        await settled(tasks, one)
        change(tasks, one, **changes[1])

        assert isinstance(seen, Failed)
        assert seen.reason is FailureReason.POD_FAILED
        assert seen.message.startswith(said)
        assert len(await made(api, tasks, one)) == 1


async def test_suspended_and_resumed_at_once(tasks: TaskClient, make: Make) -> None:
    """Although the Job is as it was when the operator looks, its pod is another one: the attempt ends, and that pod, too."""
    one, log, executor = of_task(tasks, LASTING), PlainLog(), make()
    with a_node(tasks):
        await executor.start(one, log)
        await watch(executor, one, log, until=lambda _: "runs on node" in log.text)
        await taken_back(tasks, one)

        seen = await watch(executor, one, log)

    assert isinstance(seen, Failed)
    assert seen.reason is FailureReason.POD_FAILED
    assert "was made in place of pod" in seen.message
    assert not [pod for pod in pods(tasks) if pod["status"].get("phase") == "Running"]


async def taken_back(tasks: TaskClient, one: Attempt) -> None:
    """Suspend and resume the Job without the operator; return when it has another pod, which runs."""
    [before] = [pod["metadata"]["name"] for pod in pods(tasks)]
    change(tasks, one, suspend=True)
    async with asyncio.timeout(20):
        while pods(tasks):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        change(tasks, one, suspend=False)
        while not [pod for pod in pods(tasks) if pod["status"].get("phase") == "Running" and pod["metadata"]["name"] != before]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_suspended_and_resumed_while_no_operator_lived(tasks: TaskClient, make: Make) -> None:
    """The Events tell of a pod that is gone: that it had not begun is not assumed."""
    one, log = of_task(tasks, LASTING), PlainLog()
    with a_node(tasks):
        await make().start(one, log)
        async with asyncio.timeout(20):
            while not [pod for pod in pods(tasks) if pod["status"].get("phase") == "Running"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await taken_back(tasks, one)

        seen = await watch(make(), one, log)

    assert isinstance(seen, Failed)
    assert (seen.reason, "was made in place of pod" in seen.message) == (FailureReason.POD_FAILED, True)


async def test_a_place_in_a_queue(tasks: TaskClient, make: Make) -> None:
    """A Job that is suspended before anything has run waits, as long as it has to; then it runs."""
    one, log, executor = of_task(tasks, "echo done"), PlainLog(), make()

    async def says(text: str) -> None:
        await watch(executor, one, log, lambda seen: isinstance(seen, Running) and text in (seen.message or ""), told=tasks)

    await executor.start(one, log)
    change(tasks, one, suspend=True)
    async with asyncio.timeout(20):
        while pods(tasks):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await says("waiting for a place")
    change(tasks, one, suspend=False, parallelism=0)
    await says("its parallelism is 0")
    change(tasks, one, parallelism=1)

    with a_node(tasks):
        assert isinstance(await watch(executor, one, log, told=tasks), Succeeded)


async def test_a_job_that_is_made_to_try_again(tasks: TaskClient, make: Make, api: Api) -> None:
    """Whoever raises backoffLimit gets no second pod: the first failure is the attempt's."""
    one, log, executor = of_task(tasks, "sleep 0.5; exit 3"), PlainLog(), make()
    with a_node(tasks):
        await executor.start(one, log)
        change(tasks, one, backoffLimit=5)
        seen = await watch(executor, one, log)
        await settled(tasks, one)

        assert isinstance(seen, Failed)
        assert seen.message == "exit code 3"
        assert len(await made(api, tasks, one)) == 1


async def test_a_pod_that_vanishes_without_a_trace(tasks: TaskClient, make: Make) -> None:
    """Deleted by force and without its finalizer, a pod counts for nothing: the Job would get another one."""
    one, log, executor = of_task(tasks, NOT_ENDED), PlainLog(), make()
    with a_node(tasks):
        await executor.start(one, log)
        await watch(executor, one, log, until=lambda _: "runs on node" in log.text)
        [pod] = [pod["metadata"]["name"] for pod in pods(tasks)]
        tasks.api.send("PATCH", f"{PODS.format(tasks.namespace)}/{pod}", {"metadata": {"finalizers": None}})
        tasks.kubectl("delete", "pod", pod, "--force", "--grace-period=0")

        seen = await watch(executor, one, log)
        await settled(tasks, one)

    assert isinstance(seen, Failed)
    assert seen.reason is FailureReason.POD_FAILED
    assert pod in seen.message
    assert not [left for left in pods(tasks) if left["status"].get("phase") == "Running"]


async def test_a_pod_that_ends_well_because_it_is_deleted(tasks: TaskClient, make: Make) -> None:
    """A drained node has the script end with exit code 0: half of the work is no success."""
    one, log, executor = of_task(tasks, LASTING), PlainLog(), make()
    with a_node(tasks):
        await executor.start(one, log)
        await watch(executor, one, log, until=lambda _: "runs on node" in log.text)
        [pod] = pods(tasks)
        leaving = tasks.api.send("DELETE", f"{PODS.format(tasks.namespace)}/{pod['metadata']['name']}")
        executor.see_pod("MODIFIED", leaving)

        seen = await watch(executor, one, log)

    assert seen == Failed(FailureReason.POD_FAILED, f"pod {pod['metadata']['name']} was deleted while it ran (exit code 0)", "0")


async def test_a_job_that_was_made_again_while_no_operator_lived(tasks: TaskClient, make: Make) -> None:
    """The Events about the first one tell that its pod had been there; the second Job, a copy with all proof, is stopped."""
    nonces = Nonces(b"this operator")
    one, log = recorded(of_task(tasks, "echo again"), nonces), PlainLog()
    await make(nonces).start(one, log)
    async with asyncio.timeout(20):
        while not pods(tasks):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    tasks.kubectl("delete", "job", job_name("owner", one.id))
    proof = {"task.oceanbase.com/nonce": nonces.of(one.id)}
    tasks.api.send("POST", JOBS.format(tasks.namespace), imitation(one, **proof))

    seen = await watch(make(nonces), one, log)

    assert isinstance(seen, Failed)
    assert seen.reason is FailureReason.POD_FAILED
    assert tasks.api.get(path_of(tasks, one))["spec"]["parallelism"] == 0


@pytest.mark.parametrize(
    ("script", "end", "said"),
    [("true", Succeeded, "completed, as its Events say"), ("exit 3", Failed, "failed, as its Events say")],
    ids=["completed", "failed"],
)
async def test_finished_and_removed_while_no_operator_lived(
    tasks: TaskClient, make: Make, script: str, end: type[Succeeded | Failed], said: str
) -> None:
    """A Job with a time to live may be gone before anybody saw its end: the Events about it tell, and nothing is run again."""
    one, log = of_task(tasks, script), PlainLog()
    await make().start(one, log)
    with a_node(tasks):
        change(tasks, one, ttlSecondsAfterFinished=0)
        async with asyncio.timeout(30):
            while jobs(tasks):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    seen = await watch(make(), one, log)

    assert isinstance(seen, end)
    assert said in (seen.message or "")
    assert not jobs(tasks)


async def test_finished_and_removed_while_the_operator_watched(tasks: TaskClient, make: Make) -> None:
    """The last that was seen of a Job that is deleted tells how it ended."""
    one, log, executor = of_task(tasks, "exit 3"), PlainLog(), make()
    with a_node(tasks):
        await executor.start(one, log)
        await settled(tasks, one)
        last, [pod] = tasks.api.get(path_of(tasks, one)), pods(tasks)
        tasks.kubectl("delete", "job", job_name("owner", one.id))
        async with asyncio.timeout(20):
            while pods(tasks):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    executor.see_pod("DELETED", pod)
    executor.see("DELETED", last)

    seen = await watch(executor, one, log)

    assert seen == Failed(FailureReason.NON_ZERO_EXIT, "exit code 3", "3")


async def test_a_sidecar_that_stays(tasks: TaskClient, make: Make) -> None:
    """Which containers keep the pod from ending is in the message, in the log, and in the reason when the time is over."""
    proxy = {"name": "proxy", "image": "node/any", "command": ["sleep", "60"]}
    template = {"spec": {"containers": [{"name": "main"}, proxy], "terminationGracePeriodSeconds": 0}}
    one, log, executor = of_task(tasks, "true", podTemplate=template), PlainLog(), make()
    said = "container main ended with exit code 0; proxy still runs"
    with a_node(tasks):
        await executor.start(one, log)
        await watch(executor, one, log, until=lambda seen: isinstance(seen, Running) and seen.message == said)
        await executor.cancel(one)
        assert isinstance(await watch(executor, one, log), Failed)

    assert said in log.text
