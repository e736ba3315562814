"""Owns templates of tasks: reading them, and the task that a person's words make of one. API.md section 8."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from kubectl_obtask.cluster import API, objects_in, path_of
from kubectl_obtask.kubectl import Kubectl
from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.tasks import GROUP, Fields
from kubectl_obtask.typed import typed
from kubectl_obtask.wording.language import Language

OWN: Final = ("OBTaskTemplate", "obtasktemplates")
OF_CLUSTER: Final = ("ClusterOBTaskTemplate", "clusterobtasktemplates")


class Parameter(Fields):
    """What a task of the template may, or must, say."""

    @cached_property
    def name(self) -> str:
        """Its name."""
        return self.text("name")

    @property
    def needed(self) -> bool:
        """Whether a task has to give a value; what is to be typed again always has to be."""
        return bool(self.confirms) or (self.truth("required") is True and not self.has("default"))

    @property
    def confirms(self) -> str:
        """The parameter whose value must be typed again; empty for any other one."""
        return self.text("confirm")

    def value(self, text: str) -> Any:
        """Return what a text stands for; what cannot be read stays a text, which the operator refuses with what is allowed."""
        return typed(self.text("type"), text)


class Template(Fields):
    """A template, of the namespace or of the cluster."""

    def __init__(self, raw: Any, kind: str) -> None:
        super().__init__(raw)
        self.kind = kind

    @cached_property
    def name(self) -> str:
        """Its name."""
        return self.at("metadata").text("name")

    @property
    def spec(self) -> Fields:
        """What it says."""
        return self.at("spec")

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters."""
        return tuple(Parameter(each.raw) for each in self.spec.all("parameters"))

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that a task of it has to have: whom it is for."""
        target = "agent" if self.spec.text("type") == "Local" else "cluster"
        return (target, "tenant") if self.spec.text("maintenance") == "Tenant" else (target,)


def local(raw: Fields, name: str, language: Language) -> str:
    """Return a text in the user's language; English is there always."""
    texts = raw.at(name)
    return texts.lines(language.value) or texts.lines("en")


def templates(kubectl: Kubectl, namespace: str) -> list[Template] | Fault:
    """Return the templates that a task of the namespace can name: its own, then those of the cluster.

    Who may see only one of the two kinds sees those.
    """
    own = kubectl.get(path_of(API, OWN[1], namespace))
    of_cluster = kubectl.get(path_of(API, OF_CLUSTER[1], None))
    found: list[Template] = []
    faults: list[Fault] = []
    for (kind, _), call in ((OWN, own), (OF_CLUSTER, of_cluster)):
        listed = objects_in(call)
        if isinstance(listed, Fault):
            faults.append(listed)
        else:
            found += sorted((Template(each.raw, kind) for each in Fields(listed).all("items")), key=lambda each: each.name)
    return faults[0] if len(faults) > 1 or (faults and not found) else found


def template(kubectl: Kubectl, namespace: str, name: str) -> Template | Fault:
    """Return the template of a name: of the cluster, as `templateRef` means it by default, else of the namespace."""
    found = objects_in(kubectl.get(path_of(API, OF_CLUSTER[1], None, name)))
    if not isinstance(found, Fault):
        return Template(found, OF_CLUSTER[0])
    own = objects_in(kubectl.get(path_of(API, OWN[1], namespace, name)))
    if not isinstance(own, Fault):
        return Template(own, OWN[0])
    return found if own.missing and not found.missing else own


@dataclass(slots=True)
class Wanted:
    """What a person wants of a template. ``fields``: whom the task is for. ``rest``: what else the spec says."""

    template: Template
    fields: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)

    def take(self, words: Sequence[str]) -> Fault | None:
        """Take words such as memory=16G: parameters, or fields of the task where the template has no such parameter."""
        known = {each.name: each for each in self.template.parameters}
        for word in words:
            name, equals, text = word.partition("=")
            if not equals:
                return Fault(ExitCode.USAGE, f"-p {word}: write NAME=VALUE")
            if name in known:
                self.parameters[name] = known[name].value(text)
            elif name in self.template.fields:
                self.fields[name] = text
            else:
                names = ", ".join([*known, *self.template.fields])
                return Fault(ExitCode.USAGE, f"-p {word}: template {self.template.name} has no parameter {name}; it has {names}")
        return None

    def missing(self) -> Iterator[str | Parameter]:
        """Yield the fields and parameters that still have to be given."""
        yield from (name for name in self.template.fields if not self.fields.get(name))
        yield from (each for each in self.template.parameters if each.name not in self.parameters and each.needed)

    def manifest(self, namespace: str, name: str | None) -> Mapping[str, Any]:
        """Return the task, for kubectl create."""
        template = self.template
        spec: dict[str, Any] = {"type": template.spec.text("type"), "maintenance": template.spec.text("maintenance"), **self.fields}
        if "cluster" in self.fields and "connection" not in self.rest:
            spec["connection"] = {"secretName": f"{self.fields['cluster'].lower()}-sys"}
        spec |= {**self.rest, "templateRef": {"kind": template.kind, "name": template.name}, "parameters": self.parameters}
        metadata = {"name": name} if name else {"generateName": f"{template.name[:50]}-"}
        return {"apiVersion": f"{GROUP}/v1alpha1", "kind": "OBTask", "metadata": metadata | {"namespace": namespace}, "spec": spec}
