"""Watches that leave out what happened, or tell what is long over: the operator goes by how things are. API.md section 4."""

import threading

import pytest
from tests.support.apiserver import OBTASKS
from tests.support.audit import requests
from tests.support.gateway import Gateway
from tests.support.history import History
from tests.support.journal import Journal
from tests.support.operators import operator_settings, operator_thread
from tests.support.tasks import TaskClient, sql_step, wait_step
from tests.support.verdicts import EventVerdict, Expire, Fate, Repeat

from devcluster.sqlserver import SqlServer
from obtask.settings import Settings

ENDLESS = wait_step("hold", 604800)


class AtTheNext:
    """A rule for watches of tasks: once armed, the next event meets this."""

    def __init__(self, verdict: EventVerdict) -> None:
        self.verdict = verdict
        self.armed = False

    def rule(self, path: str) -> EventVerdict:
        """Decide about an event."""
        if self.armed and path.endswith("/obtasks"):
            self.armed = False
            return self.verdict
        return Fate.PASS


def behind(gateway: Gateway, tasks: TaskClient) -> Settings:
    """Return the settings of an operator that reaches the API server through the gateway."""
    return operator_settings(gateway.kubeconfig, tasks.namespace)


def watching() -> list[threading.Thread]:
    """Return the threads of this process in which kopf watches."""
    return [thread for thread in threading.enumerate() if thread.name == "kopf"]


@pytest.mark.parametrize("code", [410, 500])
def test_a_waiter_deleted_in_a_gap_keeps_no_place(tasks: TaskClient, gateway: Gateway, code: int) -> None:
    """A Global task that waits behind tenant a is deleted unseen: tenant b, which waited behind it, goes on, and so do new tasks."""
    gap = AtTheNext(Expire(code))
    gateway.watches.rule = gap.rule
    with operator_thread(behind(gateway, tasks)):
        tasks.create("a-holder", maintenance="Tenant", tenant="a", steps=[ENDLESS])
        tasks.wait_phase("a-holder", "Running")
        tasks.create("b-waiter", maintenance="Global", steps=[wait_step("go")])
        tasks.wait_phase("b-waiter", "Waiting")
        tasks.create("c-waiter", maintenance="Tenant", tenant="b", steps=[wait_step("go")])
        tasks.wait_phase("c-waiter", "Waiting")

        gap.armed = True
        tasks.delete("b-waiter")

        assert tasks.wait_let_go("c-waiter")["phase"] == "Succeeded"
        assert not gap.armed
        tasks.create("later", steps=[wait_step("go")])
        assert tasks.wait_let_go("later")["phase"] == "Succeeded"

    for thread in watching():
        thread.join(10)
    assert not watching(), "watches that were replaced go on"


def test_the_life_of_a_finished_task_told_again_runs_nothing(
    tasks: TaskClient, gateway: Gateway, seen: tuple[History, Journal], seekdb: SqlServer
) -> None:
    """Long after its end, the watch tells that the task is new, has ended, and runs: no statement is executed a second time."""
    journal, connection = seen[1], {"secretName": tasks.create_connection(seekdb)}
    path = OBTASKS.format(tasks.namespace)
    echo = AtTheNext(Fate.PASS)
    gateway.watches.rule = echo.rule
    with operator_thread(behind(gateway, tasks)):
        tasks.create("once", connection=connection, steps=[sql_step("s", journal.note)])
        tasks.wait_let_go("once", "Succeeded")
        for number, phase in enumerate(("Pending", "Succeeded", "Running")):
            echo.verdict = Repeat((gateway.watches.back_to(path, '"name":"once"', f'"phase":"{phase}"'),))
            echo.armed = True
            tasks.create(f"other-{number}", steps=[wait_step("go", 1)])
            tasks.wait_let_go(f"other-{number}", "Succeeded")
            assert not echo.armed

    assert [entry.attempt for entry in journal.entries()] == [1]
    # Not even begun: the connection Secret is read at the start of each attempt.
    assert [one.verb for one in requests(tasks.cluster, tasks.namespace) if one.resource == "secrets"] == ["get"]
    assert tasks.status("once")["phase"] == "Succeeded"


def test_old_events_about_a_namesake_stop_nothing(tasks: TaskClient, gateway: Gateway, seekdb: SqlServer) -> None:
    """While a statement runs, the whole life of an earlier task of this name is told again: the statement runs to its end."""
    echo = AtTheNext(Repeat(tuple(range(40, 0, -1))))
    gateway.watches.rule = echo.rule
    connection = {"secretName": tasks.create_connection(seekdb)}
    with operator_thread(behind(gateway, tasks)):
        tasks.create("twin", steps=[ENDLESS])
        tasks.wait_phase("twin", "Running")
        tasks.delete("twin")
        tasks.wait_gone("twin")
        tasks.create("twin", connection=connection, steps=[sql_step("long", "select sleep(2)")])
        tasks.wait_phase("twin", "Running")

        echo.armed = True
        tasks.create("other", steps=[wait_step("go")])

        status = tasks.wait_phase("twin", "Succeeded", "Failed")
        assert (status["phase"], status["steps"][0]["subtasks"][0]["attempts"]) == ("Succeeded", 1)
        assert not echo.armed
