"""Owns collecting an evidence bundle through kubectl, and writing it to a file. What is in it: `evidence`."""

import os
import re
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from kubectl_obtask.cluster import objects_in
from kubectl_obtask.evidence import Evidence, Refused, gathering
from kubectl_obtask.kubectl import Kubectl
from kubectl_obtask.outcome import ExitCode, Fault

PREFIX: Final = re.compile(r"Error from server(?: \((\w+)\))?: ")
DEVICES: Final = "/dev"
STATUS: Final = {"Forbidden": 403, "NotFound": 404, "Unauthorized": 401, "Expired": 410}


def collect(kubectl: Kubectl, namespace: str, name: str) -> Evidence | Fault:
    """Return what there is about a task; only a task that cannot be read is a Fault."""
    steps = gathering(namespace, name)
    path = next(steps)
    first: Fault | None = None
    while True:
        answer = objects_in(kubectl.get(path))
        if isinstance(answer, Fault):
            first = first or answer
        try:
            path = steps.send(_refused(answer) if isinstance(answer, Fault) else answer)
        except StopIteration as end:
            found: Evidence | Refused = end.value
            return found if isinstance(found, Evidence) else first or Fault(ExitCode.ERROR, found.message)


def write(file: Path, pieces: Iterable[bytes]) -> Fault | None:
    """Write a file that is there as a whole or not at all, for its owner only; a pipe or a device is written to, and stays one."""
    try:
        if file.exists() and (not file.is_file() or file.is_relative_to(DEVICES)):
            with file.open("wb") as written:
                written.writelines(pieces)
            return None
        file = file.resolve()
        handle, unfinished = tempfile.mkstemp(prefix=f".{file.name[:64]}-", dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as written:
                written.writelines(pieces)
            Path(unfinished).replace(file)
        except BaseException:
            with suppress(OSError):
                Path(unfinished).unlink()
            raise
    except OSError as error:
        return Fault(ExitCode.ERROR, f"{file}: {error.strerror or error}")
    return None


def _refused(fault: Fault) -> Refused:
    """Return a refusal in the API server's own words, without those that kubectl puts before them."""
    matched = PREFIX.match(fault.said)
    code = STATUS.get(matched[1] or "", 0) if matched else 0
    return Refused(code, fault.said[matched.end() :] if matched else fault.said)
