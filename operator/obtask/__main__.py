"""Runs the command line: ``python -m obtask``."""

from obtask.cli import main

if __name__ == "__main__":
    main()
