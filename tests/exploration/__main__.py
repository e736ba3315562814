"""Runs the exploration and prints a table of what was seen."""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from tests.exploration.cases import DEEP, QUICK
from tests.exploration.explorer import Result
from tests.exploration.searches import MUTANT_CASES, searched

DESCRIPTION = """\
Tries every order of events of a few operators over a few tasks: the real engine, rules and locks run over an API server in memory,
and every request, answer, crash, silent watch and act of a person is one step. In every state: no two conflicting tasks hold a lock,
whoever holds has its Lease and its fencing token, nothing is started twice. From every state, once everything is quiet: whatever can
run has run, and no Lease names a task that is finished or gone. Ends with 1 if a promise is broken, and prints the shortest way there."""

EPILOG = """\
examples:
  python -m tests.exploration                                 the quick cases, as in the test suite
  python -m tests.exploration --deep --jobs 2                 all cases, two at a time: about two hours, and up to 8 GB of memory
  python -m tests.exploration --deep --case 'Lease deleted' --seconds 60
  python -m tests.exploration --mutants --traces              broken operators, and how each one was caught

"complete" means that every state of the case was visited."""

LAYOUT = "{:<86} {:>9} {:>11} {:>8}  {:<13} {}\n"


def main() -> int:
    """Search every case; return 1 if a promise was broken, or a mutant was not noticed."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m tests.exploration", description=DESCRIPTION, epilog=EPILOG, formatter_class=formatter)
    parser.add_argument("--deep", action="store_true", help="all cases; default: the quick ones")
    parser.add_argument("--mutants", action="store_true", help="operators with one mistake each instead: every one must be caught")
    parser.add_argument("--case", default="", metavar="TEXT", help="only the cases with this text in their name")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="give up a case after this time")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="search this many cases at a time, in the order in which they end")
    parser.add_argument("--traces", action="store_true", help="with --mutants: print the shortest way to each broken promise")
    options = parser.parse_args()
    cases = MUTANT_CASES if options.mutants else DEEP if options.deep else QUICK
    chosen = [name for name in cases if options.case in name]
    sys.stdout.write(LAYOUT.format("mutant" if options.mutants else "case", "states", "transitions", "seconds", "", "broken promises"))
    sys.stdout.flush()
    found: list[Result] = []
    # A process of its own for each case: what one has met is of no use to the next, and can be several gigabytes.
    with ProcessPoolExecutor(max(1, options.jobs), mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        searches = {pool.submit(searched, name, options.seconds): name for name in chosen}
        for search in as_completed(searches):
            found.append(search.result())
            _print(searches[search], found[-1], traces=options.traces or not options.mutants)
    as_it_should_be = all(result.finding is not None if options.mutants else result.finding is None for result in found)
    return 0 if as_it_should_be else 1


def _print(name: str, result: Result, *, traces: bool) -> None:
    finding = result.finding
    end = "complete" if result.complete else "BROKEN" if finding else "not complete"
    said = f"{finding.what} (after {len(finding.trace)} steps)" if finding else "none"
    sys.stdout.write(LAYOUT.format(name, f"{result.states:,}", f"{result.transitions:,}", f"{result.seconds:.1f}", end, said))
    if finding and traces:
        sys.stdout.write("".join(f"    {line}\n" for line in finding.trace))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
