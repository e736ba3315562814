"""Owns `templates`: which there are, and what one of them does and needs."""

import json
from collections.abc import Iterator
from typing import Final

import click

from kubectl_obtask.options import TEMPLATE
from kubectl_obtask.outcome import Fault
from kubectl_obtask.session import Session, verb
from kubectl_obtask.table import table
from kubectl_obtask.tasks import GROUP
from kubectl_obtask.templates import OF_CLUSTER, OWN, Parameter, Template, local, template, templates
from kubectl_obtask.wording import shared
from kubectl_obtask.wording import templates as words
from kubectl_obtask.wording.phases import SCOPES, TYPES, worded

FORMATS: Final = ("json", "yaml", "name")
MOST_NAMED: Final = 48


@verb("templates")
@click.argument("name", type=TEMPLATE, required=False)
@click.option("-o", "--output", type=click.Choice(FORMATS), help="Output format.")
def command(session: Session, *, name: str | None, output: str | None) -> int | None:
    """List the templates of tasks, or show one."""
    namespace = session.kubectl.current_namespace()
    if isinstance(namespace, Fault):
        return session.failed(namespace)
    one = template(session.kubectl, namespace, name) if name is not None else None
    found = templates(session.kubectl, namespace) if one is None else one if isinstance(one, Fault) else [one]
    if isinstance(found, Fault):
        return session.failed(found)
    if output is not None:
        return _written(session, found, output, single=one is not None)
    for line in _list(session, found) if one is None else _about(session, found[0]):
        session.terminal.line(line)
    return None


def _written(session: Session, found: list[Template], output: str, *, single: bool) -> int | None:
    plurals = dict((OWN, OF_CLUSTER))
    if output == "name":
        for each in found:
            session.terminal.line(f"{plurals[each.kind][:-1]}.{GROUP}/{each.name}")
    elif output == "json":
        whole = found[0].raw if single else {"apiVersion": "v1", "kind": "List", "items": [each.raw for each in found]}
        session.terminal.line(json.dumps(whole, indent=4, ensure_ascii=False))
    else:
        # kubectl has a library for YAML.
        what = (
            [f"{plurals[found[0].kind]}.{GROUP}", found[0].name] if single else [",".join(f"{each}.{GROUP}" for each in plurals.values())]
        )
        said = session.kubectl.read(["get", *what, "--output=yaml"])
        if isinstance(said, Fault):
            return session.failed(said)
        session.terminal.line(said.decode(errors="replace").rstrip("\n"))
    return None


def _list(session: Session, found: list[Template]) -> Iterator[str]:
    if not found:
        session.terminal.note(session.say(words.NONE))
        return
    headings = [session.say(text) for text in (shared.NAME, words.TYPE, words.MAINTENANCE, words.PARAMETERS, words.TITLE)]
    rows = [
        (
            each.name,
            worded(TYPES, each.spec.text("type"), session.language),
            worded(SCOPES, each.spec.text("maintenance"), session.language),
            _named(each),
            local(each.spec, "title", session.language),
        )
        for each in found
    ]
    yield from table(headings, rows, session.terminal)


def _named(found: Template) -> str:
    """Return the names of the parameters; those in brackets may be left out."""
    names = ",".join(each.name if each.needed else f"[{each.name}]" for each in found.parameters)
    return names if len(names) <= MOST_NAMED else f"{names[: MOST_NAMED - 1]}…"


def _about(session: Session, found: Template) -> Iterator[str]:
    yield f"{found.name}: {local(found.spec, 'title', session.language)}"
    kind, scope = (worded(each, found.spec.text(name), session.language) for each, name in ((TYPES, "type"), (SCOPES, "maintenance")))
    yield session.say(words.KIND, type=kind, maintenance=scope)
    if description := local(found.spec, "description", session.language):
        yield ""
        yield from description.splitlines()
    yield ""
    yield session.say(words.PARAMETERS_OF if found.parameters else words.NO_PARAMETERS)
    for each in found.parameters:
        yield from _parameter(session, each)
    yield ""
    yield session.say(words.STEPS, steps=", ".join(each.text("name") for each in found.spec.all("steps")))
    yield ""
    given = [f"-p {name}=…" for name in (*found.fields, *(each.name for each in found.parameters if each.needed))]
    yield session.say(words.TO_RUN, line=" ".join([session.command_line("run", "--template", found.name), *given]))


def _parameter(session: Session, each: Parameter) -> Iterator[str]:
    title = local(each, "title", session.language)
    yield f"  {each.name}" + (f": {title}" if title else "") + (session.say(words.NEEDED) if each.needed else "")
    if about := local(each, "description", session.language):
        yield from (f"      {line}" for line in about.splitlines())
    limits = [
        f"{name} {json.dumps(each.raw[name], ensure_ascii=False)}"
        for name in ("enum", "pattern", "minimum", "maximum", "default")
        if each.has(name)
    ]
    yield "      " + "; ".join(filter(None, (each.text("type"), each.text("format"), *limits)))
