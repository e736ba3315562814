"""Owns one search by the name of its case, as a process of its own carries it out."""

import sys
import time

from tests.exploration.cases import DEEP
from tests.exploration.explorer import Explorer, Result
from tests.exploration.mutants import MUTANTS

MUTANT_CASES = {name: case for name, (case, _) in MUTANTS.items()}
SECONDS_BETWEEN_SIGNS_OF_LIFE = 60


def searched(name: str, seconds: float) -> Result:
    """Return what a search of this case has seen within so many seconds; says on stderr now and then how far it is."""
    said = time.monotonic()

    def say(states: int, deepest: int) -> None:
        nonlocal said
        if time.monotonic() - said > SECONDS_BETWEEN_SIGNS_OF_LIFE:
            said = time.monotonic()
            sys.stderr.write(f"… {name}: {states:,} states so far, {deepest} steps deep\n")

    return Explorer((DEEP | MUTANT_CASES)[name]).search(longest_seconds=seconds, level_done=say)
