"""Owns what could follow on a command line: names that are looked up in the cluster, or in the kubeconfig. Says nothing when it cannot."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from kubectl_obtask.cluster import API, CORE, PAGE, UNFINISHED, objects_in, path_of, read_task, tasks_path
from kubectl_obtask.kubectl import Kubectl
from kubectl_obtask.options import Given, taken
from kubectl_obtask.outcome import Fault
from kubectl_obtask.tasks import FAILED, Fields, Task

Candidate = tuple[str, str]
PATIENCE: Final = "--request-timeout=3s"
# Which tasks a command is for; any other one is for all of them.
SELECTORS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("retry", "rollback", "skip", "skip-step"), (f"status.phase={FAILED}",)),
    **dict.fromkeys(("cancel", "approve", "why", "wait"), (UNFINISHED,)),
}


def candidates(kind: str, context: click.Context, beginning: str) -> list[CompletionItem]:
    """Return the names of a kind that begin so, each with what people know it by; none if they cannot be read."""
    kubectl = _kubectl(context)
    found = SOURCES[kind](kubectl, context)
    given = context.params.get("names") or ()
    return [CompletionItem(name, help=about) for name, about in found if name.startswith(beginning) and name not in given]


def _kubectl(context: click.Context) -> Kubectl:
    given = Given()
    for each in (context.parent, context):
        if each is not None:
            given = given.then(taken(dict(each.params)))
    return Kubectl((*given.connection, PATIENCE), given.namespace)


def _tasks(kubectl: Kubectl, context: click.Context) -> Iterator[Candidate]:
    namespace = kubectl.current_namespace()
    if isinstance(namespace, Fault):
        return
    known: set[str] = set()
    for fields in SELECTORS.get(context.info_name or "", (UNFINISHED, "")):
        # One page: what is asked for has to be there while somebody waits for it. Unfinished tasks are never behind finished ones.
        for raw in _items(kubectl, tasks_path(namespace, query={"fieldSelector": fields, "limit": PAGE})):
            task = Task(raw)
            if task.name not in known:
                known.add(task.name)
                yield task.name, " ".join(filter(None, (task.phase, task.spec.text("displayName"))))


def _steps(kubectl: Kubectl, context: click.Context) -> Iterator[Candidate]:
    task = _task(kubectl, context)
    for step in task.steps if task is not None else ():
        yield step.name, step.phase


def _subtasks(kubectl: Kubectl, context: click.Context) -> Iterator[Candidate]:
    task = _task(kubectl, context)
    for step in task.steps if task is not None else ():
        if context.params.get("step") in {None, step.name}:
            yield from ((sub.name, sub.phase) for sub in step.subtasks)


def _task(kubectl: Kubectl, context: click.Context) -> Task | None:
    # Of a line that ends with an option without its value, Click reads the arguments no further.
    namespace, name = kubectl.current_namespace(), context.params.get("name") or next(iter(context.args), None)
    if isinstance(namespace, Fault) or not isinstance(name, str):
        return None
    found = read_task(kubectl, namespace, name)
    return None if isinstance(found, Fault) else found


def _templates(kubectl: Kubectl, context: click.Context) -> Iterator[Candidate]:  # noqa: ARG001 - as all sources
    namespace = kubectl.current_namespace()
    own = () if isinstance(namespace, Fault) else (path_of(API, "obtasktemplates", namespace),)
    for path in (*own, path_of(API, "clusterobtasktemplates", None)):
        for raw in _items(kubectl, path):
            template = Fields(raw)
            yield template.at("metadata").text("name"), template.at("spec", "title").text("en")


def _namespaces(kubectl: Kubectl, context: click.Context) -> Iterator[Candidate]:  # noqa: ARG001 - as all sources
    for raw in _items(kubectl, path_of(CORE, "namespaces", None)):
        yield Fields(raw).at("metadata").text("name"), ""


def _in_kubeconfig(words: tuple[str, ...]) -> "Source":
    def read(kubectl: Kubectl, context: click.Context) -> Iterator[Candidate]:  # noqa: ARG001 - as all sources
        # What is looked for may be named by the very flag that is being completed.
        where = tuple(flag for flag in kubectl.flags if flag.startswith("--kubeconfig="))
        said = Kubectl(where).read(["config", *words])
        for line in [] if isinstance(said, Fault) else said.decode(errors="replace").splitlines():
            name = line.strip().split(" ")[0]
            if name and name != "NAME":
                yield name, ""

    return read


def _items(kubectl: Kubectl, path: str) -> Iterator[Any]:
    listed = objects_in(kubectl.get(path))
    if not isinstance(listed, Fault):
        yield from (each.raw for each in Fields(listed).all("items"))


Source = Callable[[Kubectl, click.Context], Iterator[Candidate]]
SOURCES: Final[Mapping[str, Source]] = {
    "task": _tasks,
    "step": _steps,
    "subtask": _subtasks,
    "template": _templates,
    "namespace": _namespaces,
    "context": _in_kubeconfig(("get-contexts", "--output=name")),
    "cluster": _in_kubeconfig(("get-clusters",)),
    "user": _in_kubeconfig(("get-users",)),
}
