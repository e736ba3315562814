"""Owns which files are generated. Run: python -m generate, or python -m generate --check to be told what would change."""

import sys
from collections.abc import Callable, Mapping
from difflib import unified_diff
from pathlib import Path

from documents import commandline, release
from generate import api, argocd, chart, labels, metrics, rbac, reasons, settings
from generate.text import ROOT, filled
from generate.values import values_table
from obtask.model.schema import custom_resource_definitions, render_yaml

CRD = "task.oceanbase.com_obtasks.yaml"
CHART = Path("charts/obtask-operator")
REFERENCE = Path("docs/reference")
ARGO = Path("deploy/gitops/argocd")


def _crd() -> str:
    return render_yaml(custom_resource_definitions())


def _values() -> dict[str, str]:
    return {"values": values_table(chart.values())}


# Whole files, or files of people with parts in them: in the order in which one is made of the other.
FILES: Mapping[Path, Callable[[], str]] = {
    Path("crds") / CRD: _crd,
    CHART / "files/crds" / CRD: _crd,
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
}

# Pages in Markdown whose parts between two comments are generated.
PAGES: Mapping[Path, Callable[[], Mapping[str, str]]] = {
    CHART / "README.md": _values,
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


def _told(path: Path) -> str:
    try:
        return drift(path)
    except Exception as error:  # noqa: BLE001 - one file that cannot be made does not hide what is to be said of the others
        return f"--- {path}\n+ cannot be generated: {error}"


def main(*, check: bool) -> int:
    """Write every generated file, or only tell what would change; return the exit code."""
    for path in () if check else PATHS:
        (ROOT / path).write_text(wanted(path))
    found = [changes for path in PATHS if (changes := _told(path))]
    sys.stdout.write("".join(f"{changes}\n" for changes in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
