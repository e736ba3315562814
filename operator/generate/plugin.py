"""Owns what the plugin for kubectl has from the operator: copies, because it must not import it."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from generate.text import ROOT

OPERATOR: Final = Path("operator/obtask")
PLUGIN: Final = Path("operator/kubectl_obtask")
# Modules that need nothing but each other, the standard library and PyYAML: where each is, and where its copy is.
COPIES: Final[Mapping[str, str]] = {
    "rules/preview_wording": "wording/preview_wording",
    "rules/situation_wording": "wording/situation_wording",
    "templates/typed": "typed",
    "model/printable": "escapes",
    **{
        f"rules/evidence/{name}": f"evidence/{name}"
        for name in ("__init__", "attempts", "contents", "fields", "packing", "passwords", "reading", "summary")
    },
}


def copies() -> dict[Path, Callable[[], str]]:
    """Return what makes each file of the plugin that is a copy."""
    return {PLUGIN / f"{copy}.py": partial(_copy, OPERATOR / f"{source}.py") for source, copy in COPIES.items()}


def _copy(source: Path) -> str:
    written = (ROOT / source).read_text()
    for original, copy in COPIES.items():
        written = written.replace(_module("obtask", original), _module("kubectl_obtask", copy))
    return f"# A copy of {source}, made by `make generate`.\n{written}"


def _module(package: str, path: str) -> str:
    return f"{package}.{path.replace('/', '.').removesuffix('.__init__')}"
