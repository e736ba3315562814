"""Owns which files are generated. Run: python -m generate, or python -m generate --check to be told what would change."""

import sys
import traceback
from collections.abc import Callable, Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Any

from documents import commandline, release
from generate import api, argocd, chart, labels, metrics, plugin, rbac, reasons, settings
from generate.text import ROOT, filled
from generate.values import values_table
from obtask.model.schema import custom_resource_definitions, render_yaml

CRDS: Mapping[str, Mapping[str, Any]] = {
    f"{definition['spec']['group']}_{definition['spec']['names']['plural']}.yaml": definition
    for definition in custom_resource_definitions()
}
CHART = Path("charts/obtask-operator")
REFERENCE = Path("docs/reference")
UNREACHABLE = "Expected code to be unreachable, but got: "  # typing.assert_never
ARGO = Path("deploy/gitops/argocd")


def _crd(name: str) -> Callable[[], str]:
    return lambda: render_yaml([dict(CRDS[name])])


def _values() -> dict[str, str]:
    return {"values": values_table(chart.values())}


# Whole files, or files of people with parts in them: in the order in which one is made of the other.
FILES: Mapping[Path, Callable[[], str]] = {
    **{folder / name: _crd(name) for folder in (Path("crds"), CHART / "files/crds") for name in CRDS},
    CHART / "files/templates.yaml": chart.catalogue,
    CHART / "Chart.yaml": release.chart,
    CHART / "values.yaml": chart.values,
    CHART / "values.schema.json": chart.values_schema,
    CHART / "templates/NOTES.txt": chart.notes,
    CHART / "templates/_contract.tpl": chart.contract,
    CHART / "templates/_rules.tpl": rbac.chart_rules,
    Path("deploy/devcluster/rbac.yaml"): rbac.local_role,
    ARGO / "discovery.lua": argocd.discovery,
    ARGO / "argocd-cm.yaml": argocd.patch,
    REFERENCE / "cli.md": commandline.page,
    **plugin.copies(),
}

# Pages in Markdown whose parts between two comments are generated.
PAGES: Mapping[Path, Callable[[], Mapping[str, str]]] = {
    CHART / "README.md": _values,
    Path("docs/guides/install.md"): rbac.parts,
    REFERENCE / "api.md": api.parts,
    REFERENCE / "events-and-reasons.md": reasons.parts,
    REFERENCE / "helm-values.md": _values,
    REFERENCE / "labels-and-annotations.md": labels.parts,
    REFERENCE / "metrics.md": metrics.parts,
    REFERENCE / "settings.md": settings.parts,
}

PATHS = (*FILES, *PAGES)


def wanted(path: Path) -> str:
    """Return what a generated file should hold."""
    return FILES[path]() if path in FILES else filled((ROOT / path).read_text(), PAGES[path]())


def drift(path: Path) -> str:
    """Return how a generated file differs from what it should hold; nothing if it does not."""
    there = (ROOT / path).read_text() if (ROOT / path).is_file() else ""
    lines = unified_diff(there.splitlines(), wanted(path).splitlines(), str(path), f"{path} (make generate)", lineterm="", n=1)
    return "\n".join(lines)


def made(path: Path, make: Callable[[Path], str]) -> str:
    """Return what is to be said of a file. One that cannot be made does not hide what is to be said of the others."""
    try:
        return make(path)
    except Exception as error:  # noqa: BLE001 - said of the file
        return f"--- {path}\n+ cannot be generated: {_why(error)}"


def _why(error: Exception) -> str:
    """Return the error; where a list has a member that some `match` does not decide about, which one, and where."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(ROOT)]
    undecided = str(error).removeprefix(UNREACHABLE)
    if not isinstance(error, AssertionError) or undecided == str(error) or not frames:
        return str(error)
    return f"{undecided} is not decided about in {frames[-1].name}, {Path(frames[-1].filename).relative_to(ROOT)}:{frames[-1].lineno}"


def _write(path: Path) -> str:
    (ROOT / path).write_text(wanted(path))
    return ""


def main(*, check: bool) -> int:
    """Write every generated file, or only tell what would change; return the exit code."""
    failed = [] if check else [said for path in PATHS if (said := made(path, _write))]
    found = failed or [said for path in PATHS if (said := made(path, drift))]
    sys.stdout.write("".join(f"{said}\n" for said in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
