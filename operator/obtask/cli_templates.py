"""Owns the commands `obtask templates …`: the catalogue, and checking templates, without a cluster."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from obtask import names
from obtask.executors.evaluation.evaluator import Evaluator
from obtask.kube.yaml_text import written
from obtask.model.printable import printable_lines
from obtask.model.template import LocalDescription, LocalTitle, Parameter, Template, TemplateSpec
from obtask.model.template_contract import DEFAULT_KIND
from obtask.rules.expansion import expanded
from obtask.rules.parameters import allowed
from obtask.rules.templates import summary
from obtask.templates.catalogue import NotTemplates, read_catalogue, read_templates
from obtask.templates.checking import first_fault
from obtask.templates.given import NotGiven, parameters_of, task_of

FAULTY, USAGE = 1, 2


class Output(StrEnum):
    """How the answer is written."""

    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Language(StrEnum):
    """The language of titles and descriptions."""

    EN = "en"
    ZH = "zh"


As = Annotated[Output | None, typer.Option("--output", "-o", help="json, yaml or name. Default: a table, or a text for people.")]
Lang = Annotated[Language | None, typer.Option(help="en or zh. Default: by $LC_ALL, $LC_MESSAGES or $LANG.")]
Name = Annotated[str, typer.Argument(help="Name of a template, as `obtask templates list` shows it.")]
Files = Annotated[list[Path], typer.Argument(help="Files with templates, in YAML or JSON; - is the standard input.")]
Given = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="Value of a parameter; may be repeated. Lists: a,b,c or JSON; maps: JSON."),
]


def build() -> typer.Typer:
    """Return the commands."""
    app = typer.Typer(help="The catalogue of templates, without a cluster.", no_args_is_help=True, rich_markup_mode=None)
    app.command("list", help="List the templates of the catalogue.")(show_all)
    app.command("show", help="Show one template: what it does, its parameters and its steps.")(show)
    app.command("render", help="Print a task of a template, for kubectl create -f -.")(render)
    app.command("check", help="Check templates in files: their fields, parameters and expressions.")(check)
    return app


def show_all(output: As = None, lang: Lang = None) -> None:
    """List the catalogue."""
    found = list(read_catalogue().values())
    match output:
        case Output.JSON | Output.YAML:
            _write({"apiVersion": "v1", "kind": "List", "items": [manifest(template) for template in found]}, output)
        case Output.NAME:
            _say("".join(f"{DEFAULT_KIND.plural}.{names.GROUP}/{template.metadata.name}\n" for template in found))
        case None:
            language = _language(lang, os.environ)
            rows: list[tuple[str, ...]] = [("NAME", "TYPE", "KIND", "PARAMETERS", "TITLE")]
            _say(_table(rows + [_row(template, language) for template in found]))


def _row(template: Template, language: Language) -> tuple[str, ...]:
    spec = template.spec
    if not isinstance(spec, TemplateSpec):
        return template.metadata.name, "-", "-", "-", f"invalid: {spec.message}"
    return template.metadata.name, spec.type, spec.maintenance, _cut(summary(spec) or "-"), _in(spec.title, language)


def show(name: Name, output: As = None, lang: Lang = None) -> None:
    """Show one template."""
    template = _find(name)
    match output:
        case Output.JSON | Output.YAML:
            _write(manifest(template), output)
        case Output.NAME:
            _say(f"{DEFAULT_KIND.plural}.{names.GROUP}/{name}\n")
        case None:
            _say(_told(template, _language(lang, os.environ)))


def render(  # noqa: PLR0917 - the command line has names for them
    name: Name,
    param: Given = None,
    task_name: Annotated[str | None, typer.Option("--name", help="Name of the task. Default: that of the template.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the task. Default: none is written.")] = None,
    cluster: Annotated[str | None, typer.Option(help="The cluster. Default: CLUSTER, to be replaced.")] = None,
    tenant: Annotated[str | None, typer.Option(help="The tenant, where the template is for one. Default: TENANT, to be replaced.")] = None,
    agent: Annotated[str | None, typer.Option(help="The host, where the template is for one. Default: AGENT, to be replaced.")] = None,
    connection: Annotated[str | None, typer.Option(help="Secret with the connection. Default: <cluster>-sys.")] = None,
    output: As = None,
) -> None:
    """Print a task of a template; what does not fit is told, and the exit code is 2."""
    template = _find(name)
    spec = _spec(template)
    try:
        given = parameters_of(spec.parameters, param or [])
        fields = {"cluster": cluster, "tenant": tenant, "agent": agent}
        plan, open_fields = task_of(spec, name, given, fields, connection)
    except NotGiven as wrong:
        _fail(str(wrong), USAGE)
    made = expanded(plan, template)
    if isinstance(made, str):
        _fail(f"{made.removeprefix('spec.')}\n{_synopsis(spec, name)}", USAGE)
    for field in open_fields:
        typer.echo(f"obtask: replace {field.upper()} (--{field})", err=True)
    metadata = {"name": task_name or name} | ({"namespace": namespace} if namespace else {})
    whole = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": _short(plan.dump())}
    if output is Output.NAME:
        _say(f"{names.SINGULAR}.{names.GROUP}/{metadata['name']}\n")
    else:
        _write(whole, output or Output.YAML)


def check(files: Files, output: As = None) -> None:
    """Check templates in files; the exit code is 1 if one of them is faulty."""
    verdicts = asyncio.run(_checked(files))
    if output in (Output.JSON, Output.YAML):
        _write([{"template": where, "valid": fault is None, "message": fault or ""} for where, fault in verdicts], output)
    else:
        _say("".join(f"{where}: {'valid' if fault is None else fault}\n" for where, fault in verdicts))
    if any(fault is not None for _, fault in verdicts):
        raise typer.Exit(FAULTY)


async def _checked(files: Sequence[Path]) -> list[tuple[str, str | None]]:
    evaluator = Evaluator()
    found: list[tuple[str, str | None]] = []
    try:
        for file in files:
            try:
                text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
                templates = read_templates(text, str(file))
            except NotTemplates as error:
                found.append((str(file), str(error).removeprefix(f"{file}: ")))
                continue
            except (OSError, UnicodeDecodeError) as error:
                found.append((str(file), f"cannot be read: {error}"))
                continue
            found += [(f"{file}: {template}", await first_fault(template, evaluator.fault)) for template in templates]
    finally:
        await evaluator.close()
    return found


def manifest(template: Template) -> dict[str, Any]:
    """Return the template as it is applied to a cluster."""
    head = {"apiVersion": names.API_VERSION, "kind": template.kind.value, "metadata": {"name": template.metadata.name}}
    return head | {"spec": dict(template.written)}


def _find(name: str) -> Template:
    found = read_catalogue()
    if name not in found:
        near = get_close_matches(name[:253], found, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`obtask templates list` shows what there is"
        _fail(f"there is no template {name}; {hint}", USAGE)
    return found[name]


def _spec(template: Template) -> TemplateSpec:
    if not isinstance(template.spec, TemplateSpec):
        _fail(f"{template}: {template.spec.message}", FAULTY)
    return template.spec


def _told(template: Template, language: Language) -> str:
    spec = _spec(template)
    lines = [f"{template.metadata.name}: {_in(spec.title, language)}", f"type {spec.type}, maintenance {spec.maintenance}", ""]
    if spec.description is not None:
        lines += [*_in(spec.description, language).splitlines(), ""]
    lines += (
        ["parameters:", *(line for each in spec.parameters for line in _about(each, language))] if spec.parameters else ["no parameters"]
    )
    return (
        "\n".join([*lines, "", f"steps: {', '.join(step.name for step in spec.steps)}", "", _synopsis(spec, template.metadata.name)]) + "\n"
    )


def _about(parameter: Parameter, language: Language) -> list[str]:
    title = f"  {parameter.name}: {_in(parameter.title, language)}" if parameter.title else f"  {parameter.name}"
    default = "" if parameter.default is None else f"; default {json.dumps(parameter.default, ensure_ascii=False)}"
    needed = " (required)" if parameter.required and parameter.default is None else ""
    about = [f"    {line}" for line in _in(parameter.description, language).splitlines()] if parameter.description else []
    return [title + needed, f"    {allowed(parameter, {})}{default}", *about]


def _synopsis(spec: TemplateSpec, name: str) -> str:
    needed = "".join(f" -p {each.name}=…" for each in spec.parameters if each.required and each.default is None)
    target = "".join(f" --{field} …" for field in dict.fromkeys((spec.type.target, spec.maintenance.field)) if field)
    return f"obtask templates render {name}{target}{needed} | kubectl create -f -"


def _in(text: LocalTitle | LocalDescription, language: Language) -> str:
    return text.zh or text.en if language is Language.ZH else text.en


def _language(asked: Language | None, environment: Mapping[str, str]) -> Language:
    if asked is not None:
        return asked
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return Language.ZH if locale.lower().startswith("zh") else Language.EN


def _short(spec: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if value not in ([], {}) and key != "onConflict"}


def _cut(text: str, most: int = 48) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _table(rows: Sequence[Sequence[str]]) -> str:
    # What may be Chinese comes last: its width is not its length.
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    return "".join("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) + "\n" for row in rows)


def _write(data: Any, output: Output) -> None:
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n" if output is Output.JSON else written(data, width=140)
    sys.stdout.write(text)


def _say(text: str) -> None:
    sys.stdout.write(printable_lines(text))


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"obtask: {printable_lines(message)}", err=True)
    raise typer.Exit(code)
