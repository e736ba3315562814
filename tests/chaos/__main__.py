"""Plays rounds of random tasks under random faults on a control plane of its own; prints one table. Exit code 1: a promise was broken."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.rounds import RATE, TASKS, Outcome, Round

from devcluster.controlplane import control_plane
from devcluster.sqlserver import sql_server

SHOWN_FAULTS = 40


def say(text: str) -> None:
    """Tell what goes on."""
    sys.stderr.write(f"chaos: {text}\n")


def table(outcomes: list[Outcome], seconds: float) -> str:
    """Return what was done and found as a Markdown table."""
    kinds = Counter(fault.kind for outcome in outcomes for fault in outcome.injected)
    rows = [(f"faults: {kind}", count) for kind, count in sorted(kinds.items())]
    rows += [
        ("faults in all", kinds.total()),
        ("rounds", len(outcomes)),
        ("tasks", sum(len(outcome.stories) for outcome in outcomes)),
        ("requests of the operator", sum(outcome.requests for outcome in outcomes)),
        ("seconds", round(seconds)),
        ("violations", sum(len(outcome.problems) for outcome in outcomes)),
    ]
    return "\n".join(["| what | count |", "| --- | --- |", *(f"| {what} | {count:,} |" for what, count in rows)])


def report(outcome: Outcome, options: argparse.Namespace) -> str:
    """Return everything that is known about the violations of a round, and how to play it again."""
    lines = [f"VIOLATION in round {outcome.seed}:", *(f"  {problem}" for problem in outcome.problems)]
    lines += ["  tasks:", *(f"    {story}" for story in outcome.stories)]
    lines += ["  what the API server saw, and the end of the operator's log:", *(f"    {line}" for line in outcome.traces)]
    shown = outcome.injected[-SHOWN_FAULTS:]
    lines += [f"  the last {len(shown)} of {len(outcome.injected)} faults:", *(f"    {fault}" for fault in shown)]
    again = f"--round {outcome.seed} --tasks {options.tasks} --rate {options.rate}"
    return "\n".join([*lines, f"  play it again: .venv/bin/python -m tests.chaos {again}"])


def play(options: argparse.Namespace) -> list[Outcome]:
    """Play rounds until enough faults are injected."""
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="obtask-chaos-")))
        say("starting a control plane and a SQL server")
        cluster = stack.enter_context(control_plane(folder / "cluster"))
        database = stack.enter_context(sql_server(folder / "seekdb"))
        done = 0
        while done < options.faults and not (options.round and outcomes):
            seed = options.round or f"{options.seed}.{len(outcomes) + 1}"
            outcome = Round(cluster, database, seed, options.tasks, options.rate).play()
            outcomes.append(outcome)
            done += len(outcome.injected)
            verdict = f"{len(outcome.problems)} VIOLATIONS" if outcome.problems else "fine"
            say(f"round {seed}: {len(outcome.injected)} faults in {outcome.seconds:.0f} s, {verdict}; {done} of {options.faults} faults")
            if outcome.problems:
                sys.stdout.write(report(outcome, options) + "\n")
    return outcomes


def main() -> int:
    """Play and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        epilog="A seed decides which request meets which fault, by its name and number; the order of requests is up to the machine.",
    )
    parser.add_argument(
        "--faults", type=int, default=2000, metavar="N", help="play until so many faults are injected (default %(default)s)"
    )
    parser.add_argument("--seed", default="1", metavar="TEXT", help="seed of all rounds (default %(default)s)")
    parser.add_argument("--round", metavar="SEED", help="play this one round again, as a violation named it")
    parser.add_argument("--tasks", type=int, default=TASKS, metavar="N", help="tasks in a round (default %(default)s)")
    parser.add_argument("--rate", type=float, default=RATE, metavar="R", help="share of writes that meet a fault (default %(default)s)")
    options = parser.parse_args()
    began = time.monotonic()
    outcomes = play(options)
    sys.stdout.write(table(outcomes, time.monotonic() - began) + "\n")
    return 1 if any(outcome.problems for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
