"""Owns every call of kubectl: the one function that starts it, with all connection flags, and what its answer means."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO, Final

from kubectl_obtask.outcome import ExitCode, Fault

PROGRAM_VARIABLE: Final = "KUBECTL"
ENDED: Final = "the stream has ended"
SERVICE_ACCOUNT_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
# What kubectl says first when a call fails. Everything else on stderr is for the user at once: warnings, and what a login asks for.
FAILURES: Final = ("Error from server", "error: ", "The ", "Unable to connect to the server", "Error in configuration", "Error: ")
REFUSALS: Final = ("Error from server (Forbidden)", "Error from server (Invalid)", "error: You must be logged in", "The ")
# The words of admission policies and webhooks, whatever reason they give.
DENIED: Final = ("denied the request", "denied request")
# klog's lines: the same failure several times, for those who develop kubectl. With -v they are asked for.
LOG_LINE: Final = re.compile(r"[EWIF]\d{4} \d\d:")
PASSING: Final = (
    "Unable to connect to the server",
    "The connection to the server",
    "Error from server (ServiceUnavailable)",
    "Error from server (Timeout)",
    "Error from server (ServerTimeout)",
    "Error from server (TooManyRequests)",
    "Error from server (InternalError)",
    "Error from server: etcdserver",
    "error: unexpected EOF",
)


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with the flags that the user gave: which cluster, as whom. ``namespace`` is what the user named, if anything."""

    flags: tuple[str, ...] = ()
    namespace: str | None = None
    environment: Mapping[str, str] | None = None

    def start(self, words: Sequence[str], stdin: bytes | None = None) -> "Call":
        """Start one call and return at once. It is the only place that runs kubectl."""
        namespace = () if self.namespace is None else (f"--namespace={self.namespace}",)
        environment = os.environ if self.environment is None else self.environment
        program = environment.get(PROGRAM_VARIABLE) or shutil.which("kubectl", path=environment.get("PATH")) or "kubectl"
        source = subprocess.PIPE if stdin is not None else None if sys.stdin is not None and sys.stdin.isatty() else subprocess.DEVNULL
        try:
            process = subprocess.Popen(  # noqa: S603 - the words are ours, and no shell reads them
                [program, *words, *self.flags, *namespace], stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
            )
        except OSError as error:
            return Call(None, Fault(ExitCode.ERROR, f"cannot run {program}: {error.strerror or error}"))
        return Call(process, None, stdin, verbose=any(flag.startswith("--v=") for flag in self.flags))

    def read(self, words: Sequence[str], stdin: bytes | None = None) -> bytes | Fault:
        """Return what one call prints, or why it failed."""
        return self.start(words, stdin).answer()

    def get(self, path: str) -> "Call":
        """Start reading a path of the API; a watch is read line by line."""
        return self.start(["get", "--raw", path])

    def current_namespace(self) -> str | Fault:
        """Return the namespace that kubectl itself would use; raw paths need its name."""
        if self.namespace is not None:
            return self.namespace
        said = self.read(["config", "view", "--minify", "--output=jsonpath={..namespace}"])
        if isinstance(said, Fault):
            # Without a kubeconfig, kubectl in a pod uses the service account of the pod.
            return _namespace_of_pod() or ("default" if "current-context" in said.said else said)
        return said.decode(errors="replace").strip() or "default"


def _namespace_of_pod() -> str | None:
    try:
        return SERVICE_ACCOUNT_NAMESPACE.read_text().strip() or None
    except OSError:
        return None


class Call:
    """A call of kubectl that was started."""

    def __init__(
        self, process: "subprocess.Popen[bytes] | None", fault: Fault | None, stdin: bytes | None = None, *, verbose: bool = False
    ) -> None:
        self._process = process
        self._verbose = verbose
        self._fault = fault
        self._held: list[str] = []
        self._listener: Thread | None = None
        self._lines: Queue[bytes | None] | None = None
        if process is not None and process.stderr is not None:
            self._listener = Thread(target=self._listen, args=(process.stderr,), daemon=True)
            self._listener.start()
        if process is not None and process.stdin is not None and stdin is not None:
            _give(process.stdin, stdin)

    def answer(self) -> bytes | Fault:
        """Return all that kubectl prints, once it has ended, or why it failed."""
        if self._process is None or self._process.stdout is None:
            return self._fault or Fault(ExitCode.ERROR, "kubectl has no output")
        output = self._process.stdout.read()
        self._process.stdout.close()
        fault = self._ended()
        return output if fault is None else replace(fault, printed=output)

    def line(self, timeout: float) -> bytes | Fault | None:
        """Return the next line; nothing if there is none within so many seconds; why there will be none any more.

        A stream that ended in order is a passing Fault, too: the API server ends every watch after a while.
        """
        if self._process is None or self._process.stdout is None:
            return self._fault or Fault(ExitCode.ERROR, "kubectl has no output")
        if self._lines is None:
            self._lines = Queue(maxsize=1024)
            Thread(target=_pump, args=(self._process.stdout, self._lines), daemon=True).start()
        try:
            line = self._lines.get(timeout=max(timeout, 0.001))
        except Empty:
            return None
        if line is not None:
            return line
        self._lines.put(None)
        return self._ended() or Fault(ExitCode.ERROR, ENDED, passing=True)

    def lines(self) -> Iterator[bytes | Fault]:
        """Yield each line as it comes, and at last why it failed, if it did."""
        if self._process is None or self._process.stdout is None:
            yield self._fault or Fault(ExitCode.ERROR, "kubectl has no output")
            return
        yield from self._process.stdout
        fault = self._ended()
        if fault is not None:
            yield fault

    def stop(self) -> None:
        """End the call; its output is of no interest any more."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        if self._process is not None and self._process.stdout is not None and self._lines is None:
            self._process.stdout.close()

    def _ended(self) -> Fault | None:
        if self._process is None:
            return self._fault
        code = self._process.wait()
        if self._listener is not None:
            self._listener.join()
        return fault_of("\n".join(self._held), code) if code else None

    def _listen(self, stderr: IO[bytes]) -> None:
        with stderr:
            for raw in stderr:
                line = raw.decode(errors="replace").rstrip("\r\n")
                if self._held or line.startswith(FAILURES):
                    self._held.append(line)
                elif self._verbose or not LOG_LINE.match(line):
                    print(line, file=sys.stderr, flush=True)  # noqa: T201 - kubectl speaks to the user


def fault_of(said: str, code: int) -> Fault:
    """Return what a failed call means, by kubectl's own words."""
    passing = said.startswith(PASSING)
    refused = not passing and (said.startswith(REFUSALS) or any(words in said for words in DENIED))
    return Fault(
        ExitCode.REFUSED if refused else ExitCode.ERROR,
        said or f"kubectl ended with exit code {code}",
        passing=passing,
        missing=said.startswith("Error from server (NotFound)"),
    )


def _give(pipe: IO[bytes], stdin: bytes) -> None:
    try:
        with pipe:
            pipe.write(stdin)
    except BrokenPipeError:
        return  # kubectl has refused before it read; it says why


def _pump(stdout: IO[bytes], lines: "Queue[bytes | None]") -> None:
    with stdout:
        for line in stdout:
            lines.put(line)
    lines.put(None)
