"""Every attack that once got through, and its relatives, tried again on the chart and the operator as they are shipped."""

import time

import pytest
from tests.attack.ground import Ground
from tests.attack.table import Results, Row
from tests.attack.verdict import Attack, Through

pytestmark = pytest.mark.usefixtures("binaries")


def test_an_attack_gets_nowhere(attack: Attack, ground: Ground, results: Results) -> None:
    """It does not have its effect, the operator lives, and where it aims at others, the neighbour does not notice."""
    began = time.monotonic()
    with ground.watched() as window:
        try:
            verdict = attack.run(ground)
        except (OSError, AssertionError) as error:
            verdict = Through(f"the attack could not be made: {error}")
    harm = window.harm(latency=attack.judged)
    ground.recover()
    if harm:
        # A machine that others use, too, may have become slower since the beginning.
        ground.measure_quiet()
        window.quiet = ground.quiet
        harm = window.harm(latency=attack.judged)
    if harm and not isinstance(verdict, Through):
        verdict = Through(harm)

    row = Row(attack.number, attack.name, attack.before, verdict.evidence, held=not isinstance(verdict, Through), p99=window.p99)
    results.rows.append(row)
    print(f"\n{row.told}, {time.monotonic() - began:.0f} s", end="")  # noqa: T201 - seen with -s
    if isinstance(verdict, Through):
        pytest.fail(f"{attack.number} {attack.name}: {verdict.evidence}", pytrace=False)
