"""Owns the templates that a visitor may use, read with the visitor's own credentials."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from obtask import names
from obtask.kube.api import ApiError, Json, Requests, path_of
from obtask.kube.templates import template_path
from obtask.model.contract import Forbidden, Maintenance, TaskType
from obtask.model.task import InvalidSpec
from obtask.model.template import Template, TemplateSpec, read_template
from obtask.model.template_contract import DEFAULT_KIND, TemplateKind
from obtask.web.extras import TOO_LARGE, bounded

MOST = 500  # templates of a kind that are shown


@dataclass(frozen=True, slots=True)
class Entry:
    """A template in the catalogue. ``body``: as the API server has it."""

    template: Template
    spec: TemplateSpec
    body: Json

    @property
    def name(self) -> str:
        """Its name."""
        return self.template.metadata.name

    @property
    def namespace(self) -> str:
        """Its namespace, empty for one of the cluster."""
        return self.template.metadata.namespace

    @property
    def group(self) -> tuple[TaskType, Maintenance]:
        """Under which heading it stands."""
        return (self.spec.type, self.spec.maintenance)

    @property
    def undoes(self) -> bool:
        """Whether any step can be undone."""
        return any(work.rollback is not None for step in self.spec.steps for _, work in step.works)

    @property
    def asks(self) -> bool:
        """Whether it waits for an approval."""
        return any(step.approve is not None for step in self.spec.steps)

    @property
    def destroys(self) -> bool:
        """Whether a name has to be typed again, because what it names is destroyed."""
        return any(each.confirm is not None for each in self.spec.parameters)

    @property
    def forbidden(self) -> Mapping[Forbidden, tuple[str, ...]]:
        """The commands that steps take away, with these steps."""
        found = {verb: tuple(step.name for step in self.spec.steps if verb in step.forbid) for verb in Forbidden}
        return {verb: steps for verb, steps in found.items() if steps}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The templates that can be read, in order, and what was refused."""

    entries: Sequence[Entry]
    refusals: Sequence[ApiError]


async def catalogue(api: Requests, namespaces: Sequence[str]) -> Catalogue:
    """Return the templates of the cluster and of these namespaces; of all, when none is named. Raises ApiUnavailable."""
    entries: list[Entry] = []
    refusals: list[ApiError] = []
    for kind in TemplateKind:
        for scope in [("namespaces", each) for each in namespaces] if kind.namespaced and namespaces else [()]:
            path = path_of("apis", names.GROUP, names.VERSION, *scope, kind.plural)
            answer = await bounded(api.send("GET", path, query={"limit": str(MOST)}))
            if isinstance(answer, ApiError):
                # That templates of a namespace may not be seen is nothing to speak of; that they are too many is.
                refusals += [answer] if not kind.namespaced or answer.status == TOO_LARGE else []
            else:
                entries += _entries(kind, answer)
    return Catalogue(sorted(entries, key=lambda each: (each.namespace, each.name)), refusals)


async def entry(api: Requests, kind: TemplateKind, namespace: str, name: str) -> Entry | ApiError | InvalidSpec:
    """Return one template, why it was refused, or what is wrong with it; raises ApiUnavailable, and BadName for what is no name."""
    answer = await api.send("GET", template_path(kind, namespace, name))
    if isinstance(answer, ApiError):
        return answer
    template = read_template(kind, answer)
    return template.spec if isinstance(template.spec, InvalidSpec) else Entry(template, template.spec, answer)


def kind_named(name: str) -> TemplateKind:
    """Return the kind of this name; the one of the cluster for what is none."""
    return next((kind for kind in TemplateKind if kind.value == name), DEFAULT_KIND)


def _entries(kind: TemplateKind, answer: Json) -> Iterator[Entry]:
    for body in answer.get("items") or ():
        try:
            template = read_template(kind, body)
        except (ValidationError, ValueError, TypeError, KeyError):
            continue
        if not isinstance(template.spec, InvalidSpec):
            yield Entry(template, template.spec, body)
