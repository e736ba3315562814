"""What is built, and with what: every tool has a version and hashes, and what is shipped is listed."""

import json
import re
from pathlib import Path

import pytest
import yaml
from tests.support.supply_chain import ROOT, exported

RELEASES = "releases.txt"  # programs, with a SHA-256 each: tests/devcluster/test_devcluster_download.py
PINS = sorted(file for file in (ROOT / "deploy/pins").glob("*.txt") if file.name != RELEASES)
INSTALLS = re.compile(r"\bpip install\b.*|\buv tool\b.*|\bcurl\b.*|\bwget\b.*|\bnpm install\b.*|\bgo install\b.*")
BUILDING = [ROOT / "Makefile", *(ROOT / ".ci").iterdir(), *(file for file in (ROOT / "deploy").rglob("*") if file.is_file())]


@pytest.mark.parametrize("file", PINS, ids=lambda file: file.name)
def test_a_tool_has_one_version_and_its_hashes(file: Path) -> None:
    """One requirement, exactly one version, and a hash for each platform."""
    text = file.read_text()

    assert len(re.findall(r"^[a-z0-9-]+==\S+ \\$", text, re.MULTILINE)) == 1
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) >= 5


def test_nothing_is_installed_without_hashes() -> None:
    """Neither by the Makefile, nor by CI, nor for an image."""
    found = [line for file in BUILDING for line in INSTALLS.findall(file.read_text(errors="replace"))]

    assert found
    assert [line for line in found if "--require-hashes" not in line] == []


def test_actions_of_workflows_are_pinned_by_commit() -> None:
    """A tag of somebody else's repository can move."""
    texts = [file.read_text() for file in (ROOT / ".github/workflows").glob("*.yml")]
    used = [action for text in texts for action in re.findall(r"uses: (\S+)", text)]

    assert used
    assert [action for action in used if not re.search(r"@[0-9a-f]{40}$", action)] == []
    assert all(yaml.safe_load(text)["permissions"] == {"contents": "read"} for text in texts)


def test_every_package_of_the_lock_has_hashes() -> None:
    """Whatever is installed is what was looked at."""
    text = (ROOT / "uv.lock").read_text()
    files = re.findall(r"^.*url = \"https?://.*$", text, re.MULTILINE)

    assert len(files) > 100
    assert [line for line in files if 'hash = "sha256:' not in line] == []


def test_what_is_shipped_is_listed() -> None:
    """The list is CycloneDX, names what runs with version and hashes, and nothing that only tests need."""
    listed = json.loads(exported("--format=cyclonedx1.5"))
    packages = {component["name"]: component for component in listed["components"]}

    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.5")
    assert {"aiomysql", "kopf", "kubernetes", "cryptography", "cel-expr-python"} <= set(packages)
    assert "pytest" not in packages
    assert all(component["version"] and component["purl"].startswith("pkg:pypi/") for component in packages.values())
    assert all(reference["hashes"] for component in packages.values() for reference in component["externalReferences"])
