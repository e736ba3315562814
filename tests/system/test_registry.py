"""Every action that the API knows has an executor, and every executor a case in the conformance suite and its own rights."""

from tests.system.cases import BY_A_PERSON, CASES, WITHOUT_TARGET

from obtask.executors.registry import REGISTRY
from obtask.model.contract import ActionKind
from obtask.runtime.rights import purposes


def test_every_action_of_the_api_has_an_executor() -> None:
    """A task that the API server takes is never one that nobody can carry out."""
    assert set(REGISTRY) == set(ActionKind)


def test_every_executor_has_a_conformance_case() -> None:
    """Whoever adds an action says what it is asked to do there: what every action promises is tested for it, too."""
    assert set(CASES) == set(REGISTRY) - BY_A_PERSON
    assert set(CASES) > WITHOUT_TARGET


def test_the_rights_of_an_action_are_asked_for_only_where_it_is_on() -> None:
    """An operator that does not carry out an action does without the rights that only this action needs."""
    every = purposes((), opt_in=False)
    for kind, entry in REGISTRY.items():
        others = tuple(other for other in REGISTRY if other is not kind)

        assert set(every) - set(purposes(others, opt_in=False)) == set(entry.purposes)
