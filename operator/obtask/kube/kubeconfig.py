"""Owns the operator's settings in a kubeconfig: an extension of its current cluster, which other programs leave alone."""

from pathlib import Path
from typing import Any

import yaml

from obtask import names

EXTENSION = f"{names.GROUP}/settings"


def settings_in(kubeconfig: Path) -> dict[str, str]:
    """Return the settings that go with the current cluster, as in the environment. A file that is no kubeconfig has none."""
    try:
        read = yaml.safe_load(kubeconfig.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    config = _mapping(read)
    context = _named(config.get("contexts"), "context", config.get("current-context"))
    cluster = _named(config.get("clusters"), "cluster", context.get("cluster"))
    settings = _named(cluster.get("extensions"), "extension", EXTENSION)
    return {str(name): str(value) for name, value in settings.items()}


def _named(entries: Any, kind: str, name: Any) -> dict[str, Any]:
    named = (_mapping(entry) for entry in (entries if isinstance(entries, list) else ()))
    return next((_mapping(entry.get(kind)) for entry in named if entry.get("name") == name), {})


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
