"""Every order of API calls, crashes and pauses, as far as it fits into a test run; `python -m tests.exploration --deep` goes further."""

import pytest
from tests.exploration.cases import QUICK
from tests.exploration.explorer import Explorer
from tests.exploration.mutants import MUTANTS, NEAR


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", QUICK)
def test_no_order_of_events_breaks_a_promise(name: str) -> None:
    """Never two conflicting holders, no lock lost for ever, and whoever can run does run once everything is quiet."""
    result = Explorer(QUICK[name]).search()

    assert result.finding is None, str(result.finding)
    assert result.complete


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_protocol_is_noticed(name: str) -> None:
    """An operator that leaves out a part of the protocol is caught, by the promise that it breaks."""
    case, promise = MUTANTS[name]
    explorer = Explorer(case)

    finding = explorer.search().finding if name in NEAR else explorer.track_down()

    assert finding is not None, "the checker has not noticed"
    assert promise in finding.what, str(finding)
