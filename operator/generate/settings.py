"""Owns the reference of settings, from the settings themselves."""

from generate.text import code, table
from obtask.environment import Declared, Setting
from obtask.settings import Settings
from obtask.web.settings import WebSettings


def parts() -> dict[str, str]:
    """Return the generated parts of docs/reference/settings.md."""
    return {"settings": _table(Settings), "web": _table(WebSettings)}


def _table(settings: type[Declared]) -> str:
    return table(("setting", "default", "allowed", "meaning"), map(_row, settings.described().values()))


def _row(setting: Setting) -> tuple[str, str, str, str]:
    return code(filter(None, (setting.variable, setting.option))), setting.default, _allowed(setting), setting.description


def _allowed(setting: Setting) -> str:
    if setting.allowed:
        return code(setting.allowed)
    if setting.lowest is None:
        return ""
    return f"{setting.lowest} to {setting.highest}{f' {setting.unit}' if setting.unit else ''}"
