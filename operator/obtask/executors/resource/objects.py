"""Owns which object an action is about, and which of the action's values are secret. Pure."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from obtask.kube.api import Json, path_of
from obtask.kube.discovery import Served
from obtask.model.attempt import Attempt
from obtask.model.kubernetes_actions import ResourceAction

LONGEST_MANAGER = 128


@dataclass(frozen=True, slots=True)
class Named:
    """An object as an action names it; without a namespace it is in the task's, if its kind has namespaces."""

    api_version: str
    kind: str
    name: str
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """An object in the API server, whether it is there or not."""

    served: Served
    namespace: str | None
    name: str

    @property
    def collection(self) -> str:
        """The path of its neighbours."""
        return self.served.collection(self.namespace)

    @property
    def path(self) -> str:
        """Its own path."""
        return self.collection + path_of(self.name)

    @property
    def status_path(self) -> str:
        """The path of its status, if that is changed apart."""
        return self.path + path_of("status")

    @property
    def identity(self) -> tuple[str, str, str | None, str]:
        """API version, kind, namespace and name."""
        return self.served.api_version, self.served.kind, self.namespace, self.name

    @property
    def is_secret(self) -> bool:
        """Whether nothing of its content may be shown."""
        return (self.served.api_version, self.served.kind) == ("v1", "Secret")

    def __str__(self) -> str:
        where = f' in namespace "{self.namespace}"' if self.namespace else ""
        return f'{self.served.kind} "{self.name}"{where}'


def identity_of(body: Json) -> tuple[object, object, object, object]:
    """Return which object a body says it is, to compare with ``Target.identity``."""
    meta = body.get("metadata") or {}
    return body.get("apiVersion"), body.get("kind"), meta.get("namespace"), meta.get("name")


def named(action: ResourceAction) -> Named:
    """Return the object that an action changes; raises ValueError for one that only puts back."""
    if action.patch is not None:
        return Named(action.patch.api_version, action.patch.kind, action.patch.name)
    if action.apply is None:
        raise ValueError("the action names no object")
    meta = action.apply["metadata"]
    return Named(action.apply["apiVersion"], action.apply["kind"], meta["name"], meta.get("namespace"))


def field_manager(attempt: Attempt) -> str:
    """Return the name under which the API server notes who set which field.

    One for each subtask, and the same in both directions: what a step applied and its rollback leaves out goes; what another
    step applied to the same object stays.
    """
    of = attempt.id
    where = of.step if of.step == of.subtask else f"{of.step}/{of.subtask}"
    full = f"obtask/{attempt.namespace}/{attempt.task}/{where}"
    return full if len(full) <= LONGEST_MANAGER else f"obtask/{hashlib.sha256(full.encode()).hexdigest()}"


def secrets_in(action: ResourceAction) -> list[str]:
    """Return the values of a Secret that an action writes, as they are and as they are encoded."""
    if not action.changes_secret:
        return []
    body: Json = action.apply or (action.patch.patch if action.patch else {})
    plain = [value for value in _values(body.get("stringData")) if value]
    encoded = [value for value in _values(body.get("data")) if value]
    return [*plain, *encoded, *filter(None, map(_decoded, encoded))]


def _values(entries: Any) -> list[str]:
    scalars = (str, int, float)  # numbers are a mistake, and a secret all the same
    return [str(value) for value in entries.values() if isinstance(value, scalars)] if isinstance(entries, dict) else []


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
