"""Owns masking of what a pod gets from Secrets, as environment variables and as files."""

import base64
import binascii
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from obtask.executors.base import Log
from obtask.kube.api import Refusal
from obtask.kube.objects import Objects

Json = Mapping[str, Any]

logger = logging.getLogger(__name__)


def secrets_of(job: Json) -> dict[str, set[str] | None]:
    """Return the Secrets that a Job's containers get variables or files from, with the keys; None: all of them."""
    found: dict[str, set[str] | None] = {}
    for name, key in _references(job["spec"]["template"]["spec"]):
        keys = found.setdefault(name, set())
        if key is None:
            found[name] = None
        elif keys is not None:
            keys.add(key)
    return found


def _references(pod: Json) -> Iterator[tuple[str, str | None]]:
    # imagePullSecrets are the kubelet's: no container sees them.
    for container in [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]:
        for variable in container.get("env") or ():
            ref = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
            if ref.get("name") and ref.get("key"):
                yield ref["name"], ref["key"]
        for source in container.get("envFrom") or ():
            name = (source.get("secretRef") or {}).get("name")
            if name:
                yield name, None
    for volume in pod.get("volumes") or ():
        projected = (volume.get("projected") or {}).get("sources") or ()
        for source in ({"secret": volume.get("secret")}, *projected):
            secret = source.get("secret") or {}
            name = secret.get("secretName") or secret.get("name")
            if name:
                items: Iterable[Json] = secret.get("items") or ({},)
                yield from ((name, item.get("key")) for item in items)


class PodSecrets:
    """Tells logs what to mask."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def hide(self, namespace: str, job: Json, log: Log) -> None:
        """Have the log mask every value that the Job's containers get from Secrets."""
        for name, keys in secrets_of(job).items():
            answer = await self._objects.secret(namespace, name)
            if not isinstance(answer, Refusal):
                data = answer.get("data") or {}
                for key in data if keys is None else keys & data.keys():
                    log.hide(_text(data[key]))
            elif not answer.missing:
                job_name = job["metadata"]["name"]
                logger.warning(
                    "Secret %s/%s cannot be read: the log of Job %s shows its values: %s", namespace, name, job_name, answer.message
                )


def _text(value: str) -> str:
    try:
        # As lines of a log are read: what is not UTF-8 looks the same there.
        return base64.b64decode(value).decode(errors="surrogateescape")
    except binascii.Error:
        return ""
