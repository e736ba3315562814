"""Owns the catalogue of templates that comes with the package, and reading templates from files."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from obtask import names
from obtask.kube.yaml_text import data_of, documents
from obtask.model.task import first_fault
from obtask.model.template import Template, read_template
from obtask.model.template_contract import TemplateKind

# A wheel has the files beside this module; in a checkout they are where the chart is made from. Not linked: not every checkout has links.
PACKAGED: Final = "catalogue"
CHECKED_OUT: Final = Path(__file__).parents[3] / "deploy" / "templates"


class NotTemplates(ValueError):  # noqa: N818 - what the file is
    """A text that holds something else than templates; the message says what."""


def read_catalogue() -> dict[str, Template]:
    """Return the templates of the catalogue by name, in the order of their names.

    Raises NotTemplates if one of the files holds anything else, which a test rules out for what is shipped.
    """
    packaged = files("obtask.templates") / PACKAGED
    folder: Traversable = packaged if packaged.is_dir() else CHECKED_OUT
    texts = sorted((file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.name.endswith(".yaml"))
    found = [template for name, text in texts for template in read_templates(text, name)]
    return {template.metadata.name: template for template in sorted(found, key=lambda template: template.metadata.name)}


def read_templates(text: str, source: str) -> list[Template]:
    """Return the templates in a text of YAML or JSON, which comes from ``source``; raises NotTemplates."""
    try:
        found = [data_of(root) for root in documents(text)]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise NotTemplates(f"{source}: no YAML: {' '.join(str(error).split())}") from None
    if not found:
        raise NotTemplates(f"{source}: there is no template in it")
    return [_template(document, f"{source}: document {number}") for number, document in enumerate(found, 1)]


def _template(document: object, where: str) -> Template:
    kinds = " or ".join(TemplateKind)
    if not isinstance(document, dict) or document.get("apiVersion") != names.API_VERSION or document.get("kind") not in set(TemplateKind):
        raise NotTemplates(f"{where}: no {kinds} of {names.API_VERSION}")
    try:
        return read_template(TemplateKind(document["kind"]), {"metadata": {}, **document})
    except ValidationError as error:
        raise NotTemplates(f"{where}: {first_fault(error, 'metadata')}") from None
