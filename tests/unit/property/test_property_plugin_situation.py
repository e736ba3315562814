"""The plugin, which knows only the JSON of a task, says of where it stands what the page says. API.md sections 9 and 10."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.property.lived import in_a_random_state

from kubectl_obtask.situation import situation as seen_by_plugin
from kubectl_obtask.tasks import Task
from kubectl_obtask.wording import situation_wording as plugin_wording
from obtask.rules import situation_wording
from obtask.rules.situation import situation


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=150)
@given(data=st.data(), behind=st.integers(0, 3))
def test_the_plugin_sees_what_the_rules_see(data: st.DataObject, behind: int) -> None:
    """In every state that a task can reach, word for word, in both languages."""
    world = in_a_random_state(data)
    if world.api.gone:
        return
    mine, rules = seen_by_plugin(Task(world.api.body), behind), situation(world.task, behind)

    assert repr(mine) == repr(rules)
    for language in ("en", "zh"):
        assert plugin_wording.happened(mine, language) == situation_wording.happened(rules, language)
        assert plugin_wording.is_safe(mine, language) == situation_wording.is_safe(rules, language)
