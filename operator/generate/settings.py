"""Owns the reference of settings, from the settings themselves."""

from generate.text import code, table
from obtask.settings import Setting, settings


def parts() -> dict[str, str]:
    """Return the generated parts of docs/reference/settings.md."""
    return {"settings": table(("setting", "default", "allowed", "meaning"), map(_row, settings().values()))}


def _row(setting: Setting) -> tuple[str, str, str, str]:
    return code(filter(None, (setting.variable, setting.option))), setting.default, _allowed(setting), setting.description


def _allowed(setting: Setting) -> str:
    if setting.allowed:
        return code(setting.allowed)
    if setting.lowest is None:
        return ""
    return f"{setting.lowest} to {setting.highest}{f' {setting.unit}' if setting.unit else ''}"
