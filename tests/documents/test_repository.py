"""What surrounds the code: workflows that run as they are written, one version, a changelog that a release can be made from."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from documents import release
from documents.commandline import page

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
SCHEMAS = [
    ("vendor.github-workflows", ".github/workflows/*.yml"),
    ("custom.github-workflows-require-timeout", ".github/workflows/*.yml"),
    ("vendor.dependabot", ".github/dependabot.yml"),
    ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/[!c]*.yml"),
    ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
]


@pytest.mark.parametrize(("schema", "pattern"), SCHEMAS)
def test_what_github_reads_fits_its_schema(schema: str, pattern: str) -> None:
    """Workflows, forms and settings have no field that GitHub does not know; every job has a time limit."""
    files = [str(path) for path in ROOT.glob(pattern)]
    words = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", schema, *files]
    checked = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - all words are ours

    assert files
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_workflows_give_no_rights_away() -> None:
    """Injected texts, credentials that stay, rights that are too wide: zizmor finds none."""
    words = [str(Path(sys.executable).parent / "zizmor"), "--offline", "--quiet", "--no-progress", str(ROOT / ".github")]
    checked = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - all words are ours

    assert checked.returncode == 0, checked.stdout


def test_the_workflow_runs_what_anybody_can_run() -> None:
    """CI is one script, and that script is there."""
    steps = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]["steps"]

    assert "bash .ci/run" in [step.get("run") for step in steps]
    assert (ROOT / ".ci/run").exists()


def test_a_workflow_calls_only_what_is_there() -> None:
    """A target of make that is renamed is renamed in the workflows, too."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    workflows = [yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")]
    scripts = [step.get("run", "") for workflow in workflows for job in workflow["jobs"].values() for step in job["steps"]]
    lines = re.findall(r"\bmake ([a-z -]+)", "\n".join(scripts))
    called = {word for line in lines for word in line.split() if not word.startswith("-")}

    assert called
    assert called <= targets


def script_of(name: str) -> str:
    """Return what a step of the release runs."""
    steps = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]["release"]["steps"]
    (found,) = (step["run"] for step in steps if step.get("name", "").startswith(name))
    return str(found)


def run_step(name: str, folder: Path, programs: dict[str, str], **environment: str) -> None:
    """Run a step of the release as the workflow does, in a folder, with these programs for what is not tried here."""
    for program, script in programs.items():
        (folder / program).write_text(f"#!/bin/bash\nset -e\n{script}\n")
        (folder / program).chmod(0o755)
    (folder / "output").touch()
    around = {"PATH": f"{folder}:/usr/bin:/bin", "GITHUB_OUTPUT": str(folder / "output"), **environment}
    subprocess.run(["/bin/bash", "-eo", "pipefail", "-c", script_of(name)], cwd=folder, env=around, check=True)  # noqa: S603


def test_the_released_chart_runs_the_released_image(tmp_path: Path) -> None:
    """By its digest: whoever installs the chart from the registry has told it nothing."""
    shutil.copytree(ROOT / "charts", tmp_path / "charts")
    digest = f"sha256:{'0' * 64}"
    render = (
        f"{sys.executable} -c 'from helm_python import Chart; "
        'print("\\n".join(Chart.load("charts/obtask-operator").render({}, name="a", namespace="b").values()))\''
    )
    helm = f'case "$1" in template) {render};; package) cp "$2/values.yaml" packed.yaml;; push) echo "Digest: sha256:1";; esac'

    run_step("Chart", tmp_path, {"helm": helm}, IMAGE="ghcr.io/owner/obtask-operator", DIGEST=digest, VERSION="1", REGISTRY="ghcr.io/owner")

    image = yaml.safe_load((tmp_path / "packed.yaml").read_text())["image"]
    assert (image["repository"], image["digest"]) == ("ghcr.io/owner/obtask-operator", digest)


def test_the_plugin_is_among_the_released_files(tmp_path: Path) -> None:
    """Its one file, its wheel, and what Krew reads; and nothing in dist is a folder, which no release takes."""
    make = """
for target in "$@"; do case $target in
  dist) rm -rf dist; mkdir dist; touch dist/obtask_operator.whl;;
  plugin) rm -rf dist/plugin; mkdir -p dist/plugin
    touch dist/plugin/kubectl_obtask.whl dist/plugin/.gitignore dist/kubectl-obtask dist/kubectl-obtask.tar.gz dist/obtask.yaml;;
esac; done"""

    run_step("Wheels", tmp_path, {"make": make})

    found = [*(tmp_path / "dist").iterdir()]
    assert all(file.is_file() for file in found)
    assert {file.name for file in found} == {
        "obtask_operator.whl",
        "kubectl_obtask.whl",
        "kubectl-obtask",
        "kubectl-obtask.tar.gz",
        "obtask.yaml",
    }


def test_code_owners_own_what_is_there() -> None:
    """A path that was moved is moved in CODEOWNERS, too."""
    lines = (ROOT / ".github/CODEOWNERS").read_text().splitlines()
    owned = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]

    assert len(owned) > 5
    assert [path for path in owned if path != "*" and not (ROOT / path.lstrip("/")).exists()] == []


def test_the_version_is_written_once() -> None:
    """The chart, and every image that a document or a manifest names, have the version of pyproject.toml."""
    version = release.version()
    assert release.CHART.read_text() == release.chart()
    files = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *(path for path in (ROOT / "deploy").rglob("*") if path.is_file())]
    texts = {str(path): path.read_text(errors="replace") for path in files}
    named = {(found, path) for path, text in texts.items() for found in re.findall(r"obtask-operator:(\d+\.\d+\.\d+)", text)}

    assert {found for found, _ in named} == {version}, named


def test_a_release_can_be_made_from_the_changelog() -> None:
    """Its newest version is that of the project and has a date; what is not released yet stands above it."""
    headings = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)

    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(release.version())} - \d{{4}}-\d\d-\d\d", headings[1])
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
        "What to look at when you upgrade",
    }


def test_the_page_about_the_command_line_is_true() -> None:
    """It is what the program says of itself."""
    assert (ROOT / "docs/reference/cli.md").read_text() == page()
