"""Owns the entry points: `kubectl-obtask`, and `kubectl_complete-obtask`, which kubectl asks what could follow."""

import sys


def main() -> None:
    """Run `kubectl obtask`; under the name of the other entry point, be that one: a zipapp has only one, and a link to it."""
    if sys.argv[0].replace("\\", "/").rpartition("/")[2].startswith("kubectl_complete-"):
        complete()
    from kubectl_obtask.cli import run  # noqa: PLC0415 - the other entry point must not pay for it

    sys.exit(run(sys.argv[1:]))


def complete() -> None:
    """Print what could follow the words of a command line, one candidate a line, then what the shell is to do (KEP-2379)."""
    from kubectl_obtask.completion import run  # noqa: PLC0415 - the other entry point must not pay for it

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
