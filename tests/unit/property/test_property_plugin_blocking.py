"""The plugin draws the same lines as the operator forms, from nothing but the JSON of the tasks. API.md sections 4 and 10."""

from hypothesis import given
from hypothesis import strategies as st
from tests.support.lines import form_line
from tests.unit.property.queues import lines

from kubectl_obtask import blocking
from kubectl_obtask.tasks import Task
from obtask.rules.exclusion import Contender, DomainView, in_the_way, next_in_line


def seen(contender: Contender) -> Task:
    """Return a task as the API server shows it."""
    lock = contender.lock
    spec = {"type": lock.domain.type.value, lock.domain.type.target: lock.domain.target, "maintenance": lock.scope.value}
    meta = {
        "name": contender.name,
        "namespace": lock.domain.namespace,
        "uid": contender.uid,
        "creationTimestamp": contender.created.isoformat(),
    }
    return Task(
        {"metadata": meta, "spec": spec | ({"tenant": lock.tenant} if lock.tenant else {}), "status": {"phase": contender.phase.value}}
    )


def names(tasks: tuple[Task, ...]) -> list[str]:
    """Return the names of tasks."""
    return [task.name for task in tasks]


@given(line=lines(), data=st.data())
def test_the_plugin_knows_who_is_in_the_way(line: DomainView, data: st.DataObject) -> None:
    """Who stands in whose way, who is next, and who starts once somebody has ended."""
    everybody = [*line.holders, *line.waiters]
    if not everybody:
        return
    mine = blocking.line_of(seen(everybody[0]), [seen(each) for each in everybody])
    before = {each.name for each in next_in_line(line)}

    for waiter in line.waiters:
        rules, found = in_the_way(waiter, line), names(mine.in_the_way_of(seen(waiter)))
        assert (len(found), {each.name for each in rules.first} - {*found}) == (rules.count, set())
    assert names(mine.next_ones()) == [each.name for each in next_in_line(line)]
    gone = data.draw(st.sampled_from(everybody))
    after = form_line([each for each in line.holders if each.uid != gone.uid], [each for each in everybody if each.uid != gone.uid])
    assert names(mine.starting_after(seen(gone))) == [each.name for each in next_in_line(after) if each.name not in before]
