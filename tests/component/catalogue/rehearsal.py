"""Owns a rehearsal: one template on the played cluster, case by case, each from the beginning."""

from dataclasses import dataclass, field

from tests.component.catalogue.scenario import Asked, Case, Scenario, scenario, task_spec, template
from tests.component.catalogue.stage import READS, Dump, Fault, How, Stage
from tests.component.catalogue.stand import House, Stand, shown

from devcluster.ports import LOOPBACK
from obtask.kube.api import Json
from obtask.model.contract import Phase

TRIES = 3
DONE = "already done"


async def rehearsed(house: House, name: str) -> "Rehearsal":
    """Return the rehearsal of a template, after each case was played once."""
    found = Rehearsal(house, template(name), scenario(name))
    for case in found.scenario.cases:
        stand = await found.play(case)
        found.turns[case.name] = {step.name for step in stand.status.steps if step.phase == "Succeeded" and step.subtasks}
        found.idle[case.name] = {step.name for step in stand.status.steps if all(sub.message == DONE for sub in step.subtasks)}
    return found


@dataclass(slots=True)
class Rehearsal:
    """Plays tasks of one template. ``turns``: which steps have done their work, by case; ``idle``: which found it done."""

    house: House
    template: Json
    scenario: Scenario
    turns: dict[str, set[str]] = field(default_factory=dict)
    idle: dict[str, set[str]] = field(default_factory=dict)

    @property
    def stage(self) -> Stage:
        """The played cluster."""
        return self.house.stage

    @property
    def steps(self) -> list[Json]:
        """The steps of the template."""
        found: list[Json] = self.template["spec"]["steps"]
        return found

    def asked(self, other: Asked | None) -> Asked:
        """Return what a task says: what ``other`` leaves out is as in the first case."""
        first = self.scenario.cases[0].task
        if other is None:
            return first
        tenant, agent = other.tenant or first.tenant, other.agent or first.agent
        return Asked(tenant=tenant, agent=agent, parameters={**first.parameters, **other.parameters})

    async def stand(self, case: Case, *faults: Fault) -> Stand:
        """Return a new operator on the cluster as the case has it."""
        await self.stage.reset(*case.given)
        self.stage.others = dict(case.others)
        await self.house.objects.show()
        return self._stand(*faults)

    def _stand(self, *faults: Fault) -> Stand:
        self.stage.faults = list(faults)
        stand = Stand(self.house, self.template)
        for name, keys in self.scenario.secrets.items():
            stand.secret(name, **{"host": LOOPBACK, "port": str(self.house.port), "tls": "disabled", **keys})
        return stand

    async def play(self, case: Case, *faults: Fault) -> Stand:
        """Run a case until it rests."""
        stand = await self.stand(case, *faults)
        await self.begin(stand, case.task)
        return stand

    async def begin(self, stand: Stand, asked: Asked, name: str = "first") -> None:
        """Create a task and give every approval that it asks for."""
        await stand.begin(name, task_spec(self.template, asked))
        await self.approve(stand)

    async def command(self, stand: Stand, verb: str) -> None:
        """Give a command, and then every approval."""
        await stand.command(verb)
        await self.approve(stand)

    async def approve(self, stand: Stand) -> None:
        """Give every approval that the task asks for."""
        while stand.status.reason == "AwaitingApproval":
            await self.stage.run(self.stage.others.pop(stand.status.current_step or "", ()))
            await stand.command("approve")

    async def gets_done(self, stand: Stand, where: str) -> None:
        """Retry until the task has succeeded."""
        for _ in range(TRIES + len(self.steps)):
            if stand.status.phase is not Phase.FAILED:
                break
            assert "retry" in stand.status.allowed_actions, f"{where}: retry is not allowed: {shown(stand.status)}"
            await self.command(stand, "retry")
        assert stand.status.phase is Phase.SUCCEEDED, f"{where}: {shown(stand.status)}; {self.stage.troubles}"

    async def ends(self, case: Case, where: str) -> None:
        """Compare the cluster with what the case says of its end."""
        for finding in case.ends:
            rows = [list(map(_plain, row)) for row in await self.stage.ask(finding.query)]
            assert rows == [list(row) for row in finding.rows], f"{where}: {finding.query}: {rows}"

    async def undone(self, stand: Stand, before: Dump, where: str, too_late: str = "") -> None:
        """Have the task rolled back, with retries; the cluster must be as before, or the task says that it is too late."""
        await self.command(stand, "rollback")
        for _ in range(TRIES + len(self.steps)):
            if stand.status.phase is not Phase.FAILED:
                break
            await self.command(stand, "retry")
        if too_late and stand.status.failed_subtask is not None:
            assert too_late in stand.status.failed_subtask.message, f"{where}: {shown(stand.status)}"
            return
        assert stand.status.phase is Phase.ROLLED_BACK, f"{where}: {shown(stand.status)}; {self.stage.troubles}"
        await self.settle()
        assert differences(before, await self.stage.dump()) == {}, f"{where}: after the rollback"

    async def settle(self) -> None:
        """Let the cluster come to rest: what it does by itself goes on after a task."""
        while self.stage.busy:
            await self.stage.pause()
        await self.house.objects.show()

    def ways_back(self, stand: Stand) -> bool:
        """Return whether a rollback is allowed; if not, a step that was started must forbid it."""
        allowed = "rollback" in stand.status.allowed_actions
        begun = [step.name for step in stand.status.steps if step.started_at is not None]
        forbids = [step["name"] for step in self.steps if step["name"] in begun and "Rollback" in step.get("forbid", ())]
        assert allowed is not bool(forbids), (shown(stand.status), stand.status.allowed_actions, forbids)
        return allowed

    def faults(self, case: Case, how: How) -> list[Fault]:
        """Return the faults that hit each step of a case in this way. For a step that only looks a lost answer is as good as none."""
        idle = self.idle[case.name]
        found = [Fault(step["name"], how, changing=changes(step) and step["name"] not in idle) for step in self.turns_of(case)]
        return [fault for fault in found if fault.changing or how is not How.LOST]

    def turns_of(self, case: Case) -> list[Json]:
        """Return the steps that have their turn in a case, and something to do for it."""
        return [step for step in self.steps if step["name"] in self.turns[case.name] and "approve" not in step and "wait" not in step]

    def refuses(self, step: str) -> bool:
        """Return whether a step looks before it does anything: a check, or one that makes a new object or none."""
        return step.startswith("check") or any(each["name"] == step and each.get("resource", {}).get("createOnly") for each in self.steps)

    def struck(self) -> bool:
        """Return whether everything that was planned has struck; requests to others than the SQL server have faults of their own."""
        others = {step["name"] for step in self.steps if not {"sql", "resource"} & step.get("forEach", {}).get("subtask", step).keys()}
        return all(fault.step in others for fault in self.stage.faults)


def changes(step: Json) -> bool:
    """Return whether something in the step changes the cluster."""
    subtasks = [each for each in (step, step.get("forEach", {}).get("subtask"), *step.get("parallel", ())) if each]
    statements = [text for each in subtasks for text in each.get("sql", {}).get("statements", ())]
    asked = [each["obshell"].get("method", "POST") for each in subtasks if "obshell" in each]
    written = [each["resource"] for each in subtasks if "resource" in each]
    return (
        any(not READS.match(text) for text in statements)
        or any(method != "GET" for method in asked)
        or any(each.get("patch", {}).get("patch") != {} for each in written)
    )


def _plain(value: object) -> object:
    """Return a value as YAML has it."""
    if value is None or isinstance(value, int | str):
        return value
    number = float(str(value)) if str(value).replace(".", "", 1).lstrip("-").isdigit() else None
    return str(value) if number is None else int(number) if number.is_integer() else number


def differences(before: Dump, after: Dump) -> dict[str, object]:
    """Return the views whose rows differ, with the rows that are gone and those that are new."""
    return {
        view: {"gone": [row for row in rows if row not in after[view]], "new": [row for row in after[view] if row not in rows]}
        for view, rows in before.items()
        if list(rows) != list(after[view])
    }
