"""Stands in for `helm` where commands of documents are tried: the chart is rendered by Helm itself with the values of the command line.

No Pod can run there, so nothing is installed. A flag, a chart or a value that does not exist is an error.
"""

import argparse
import sys
from typing import Any

import yaml
from helm_python import Chart


def given(settings: list[str]) -> dict[str, Any]:
    """Return the values of `--set`: a.b=1, a={x,y}."""
    values: dict[str, Any] = {}
    for setting in settings:
        path, _, text = setting.partition("=")
        *outer, last = path.split(".")
        inner = values
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last] = text[1:-1].split(",") if text.startswith("{") else yaml.safe_load(text)
    return values


def main() -> None:
    """Do what one command line says."""
    parser = argparse.ArgumentParser(prog="helm", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("install", "upgrade"):
        known = verbs.add_parser(verb, allow_abbrev=False)
        known.add_argument("release")
        known.add_argument("chart")
        known.add_argument("-n", "--namespace", required=True)
        known.add_argument("--set", action="append", default=[])
        for flag in ("--create-namespace", "--install", "--reuse-values", "--take-ownership"):
            known.add_argument(flag, action="store_true")
    for verb in ("test", "uninstall", "rollback"):
        known = verbs.add_parser(verb, allow_abbrev=False)
        known.add_argument("release")
        known.add_argument("-n", "--namespace", required=True)
    asked = parser.parse_args()
    if asked.verb in {"install", "upgrade"}:
        rendered = Chart.load(asked.chart).render(given(asked.set), name=asked.release, namespace=asked.namespace)
        sys.stdout.write(f"{len(rendered)} files rendered\n")


if __name__ == "__main__":
    main()
