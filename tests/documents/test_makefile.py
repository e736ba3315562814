"""The Makefile's own commands: documents are tested without it, so that they need no checkout of their own."""

import os
import re
import subprocess

import pytest
from tests.support.reader import ROOT

TARGETS = re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
VARIANTS = ["demo DEMO=runbook", "demo DEMO=other", "up OPERATOR=0", "test TESTS=tests/unit", "attack ONLY=S3 FULL=1"]
VARIANTS += ["e2e E2E=kind", "e2e E2E=kubeconfig", "e2e E2E=other", "siege MINUTES=1", "bench SCENARIO=tenants"]


def recipe(words: str) -> str:
    """Return what make would give to the shell."""
    # What a make above this one says of itself would change what is printed.
    environment = {name: value for name, value in os.environ.items() if name not in {"MAKELEVEL", "MAKEFLAGS", "MFLAGS"}}
    command = ["make", "--dry-run", *words.split()]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return said.stdout


@pytest.mark.parametrize("words", [*TARGETS, *VARIANTS])
def test_the_shell_can_read_a_command_of_the_makefile(words: str) -> None:
    """Whatever variables are given: quotes, brackets and conditions are whole."""
    subprocess.run(["/bin/bash", "-n"], input=recipe(words), text=True, check=True)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("demo", ".venv/bin/python -m devcluster.demo"),
        ("demo DEMO=runbook", ".venv/bin/python -m devcluster.demo --runbook"),
        ("up", ".venv/bin/python -m devcluster up --operator"),
        ("up OPERATOR=0", ".venv/bin/python -m devcluster up --no-operator"),
        ("down", ".venv/bin/python -m devcluster down"),
    ],
)
def test_a_command_of_the_readme_starts_what_the_documents_are_tested_with(words: str, command: str) -> None:
    """The documents' tests run these modules themselves."""
    assert recipe(words).strip().splitlines()[-1].strip() == command


def test_some_tests_are_run_without_the_checks() -> None:
    """Whoever works on one part waits for that part only; whoever runs all tests runs all checks, too."""
    assert "ruff" in recipe("test")
    assert "ruff" not in recipe("test TESTS=tests/unit")


def test_a_demonstration_that_there_is_not_is_refused() -> None:
    """And nothing is started."""
    assert "devcluster.demo" not in recipe("demo DEMO=other")
