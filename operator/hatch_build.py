"""Owns what is compiled when the wheel is built, or installed from a checkout: the translations of the Task Center."""

from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LOCALE = Path("operator/obtask/web/locale")


class TranslationsHook(BuildHookInterface[Any]):
    """Compiles every translation beside its source."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - as hatchling calls it
        """Write the compiled translations where the package looks for them."""
        for source in sorted((Path(self.root) / LOCALE).glob("*/LC_MESSAGES/*.po")):
            with source.open("rb") as text, source.with_suffix(".mo").open("wb") as compiled:
                write_mo(compiled, read_po(text))
