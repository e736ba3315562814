"""The plugin, which knows only the JSON of a task, says of every command what the operator's own rules say. API.md sections 9 and 10."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.property.lived import in_a_random_state

from kubectl_obtask import preview
from kubectl_obtask.tasks import Task
from kubectl_obtask.wording import preview_wording as plugin_wording
from obtask.model.contract import Verb
from obtask.rules import preview_wording
from obtask.rules.preview import told


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=150)
@given(data=st.data())
def test_the_plugin_foretells_what_the_rules_foretell(data: st.DataObject) -> None:
    """In every state that a task can reach, for every command that is allowed there, word for word, in both languages."""
    world = in_a_random_state(data)
    if world.api.gone:
        return
    seen = Task(world.api.body)
    for verb in world.status.allowed_actions:
        fresh = verb is Verb.RETRY and data.draw(st.booleans())
        mine = preview.told(seen, verb.value, fresh=fresh)
        rules = told(world.task.plan, world.status, verb, fresh=fresh)
        assert repr(mine) == repr(rules)
        for language in ("en", "zh"):
            assert plugin_wording.summary(mine, language) == preview_wording.summary(rules, language)
            assert plugin_wording.details(mine, language) == preview_wording.details(rules, language)
