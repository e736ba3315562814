"""Fetch published programs: checked by SHA-256, complete or not at all, and given up in five seconds where there is no way to them."""

import hashlib
import http.client
import os
import re
import shutil
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from devcluster.errors import DevClusterError
from devcluster.files import checkout
from devcluster.programs import Program
from devcluster.progress import Meter, Report
from devcluster.releases import OFF, RELEASES, Release, address, release
from devcluster.toolchain import Pins

# Checksums that go before the published ones: lines like those of sha256sum, with addresses that have no scheme.
PINS = "deploy/devcluster/releases.sha256"

SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST_LIST = 1 << 20
CHUNK = 1 << 16
SCRATCH = ".download-"


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a download may take."""

    # Until the first answer of each site, counted once for all files together.
    reach: float = 5.0
    # Without a single byte.
    stall: float = 15.0
    # For everything: then building is as fast.
    whole: float = 600.0


class _WrongChecksumError(Exception):
    """What arrived is complete, and not what it should be."""


class _CutShortError(Exception):
    """The transfer ended early, or was given up."""


def fetch(
    programs: Sequence[Program],
    pins: Pins,
    folder: Path,
    report: Report,
    env: Mapping[str, str] = os.environ,
    *,
    patience: Patience = Patience(),
) -> list[Program]:
    """Put published programs into a folder; return those that are not there: not published, or not to be had from here.

    Raises DevClusterError for a file whose checksum is wrong: something is not as it should be, which a build would only hide.
    """
    if env.get(RELEASES, "").lower() == OFF:
        return list(programs)
    wanted = {program: found for program in programs if (found := release(program, pins)) is not None}
    if not wanted:
        return list(programs)
    for abandoned in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    known = pinned(checkout() / PINS)
    # A thread that nobody waits for any more may still write.
    with tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH, ignore_cleanup_errors=True) as scratch:
        files = {one.file: one for one in wanted.values()}
        transfers = [_Transfer(one, Path(scratch) / str(number), env, known, patience) for number, one in enumerate(files.values())]
        began = time.monotonic()
        _run(transfers, patience)
        failed = [transfer for transfer in transfers if not transfer.complete.is_set() or transfer.problem]
        _refuse_wrong(failed)
        drafts = {transfer.release.file: transfer.draft for transfer in transfers if transfer not in failed}
        fetched = {program: one for program, one in wanted.items() if one.file in drafts}
        for program, one in fetched.items():
            _install(drafts[one.file], one.member, folder / program.name)
    if fetched:
        report(f"{', '.join(program.name for program in fetched)} downloaded", time.monotonic() - began)
    if failed:
        report(_excuse(failed), None)
    return [program for program in programs if program not in fetched]


def pinned(path: Path) -> dict[str, str]:
    """Return the checksums of a file of pins by address."""
    lines = (line.split() for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {file: checksum for checksum, file in lines}


def checksum_in(text: str, file: str) -> str | None:
    """Return the SHA-256 of a file in what its project publishes: alone, or in a list with the names of files."""
    name = file.rpartition("/")[2]
    lines = [line.split() for line in text.splitlines() if line.strip()]
    named = [words[0] for words in lines if len(words) > 1 and words[1].lstrip("*").rpartition("/")[2] == name]
    alone = [words[0] for words in lines if len(words) == 1] if len(lines) == 1 else []
    return next((word.lower() for word in (*named, *alone) if SHA256.fullmatch(word.lower())), None)


def published_checksum(one: Release, env: Mapping[str, str], timeout: float) -> str:
    """Ask a project for the SHA-256 of a file; raises OSError, or ValueError if the answer does not have it."""
    with _open(one.checksum, env, timeout) as answer:
        text = answer.read(LONGEST_LIST).decode(errors="replace")
    found = checksum_in(text, one.file)
    if found is None:
        raise ValueError(f"{address(one.checksum, env)} does not have its checksum")
    return found


def _open(file: str, env: Mapping[str, str], timeout: float) -> http.client.HTTPResponse:
    url = address(file, env)
    # A proxy has no way to a mirror on this machine.
    near = urllib.parse.urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if near else []))
    answer: http.client.HTTPResponse = opener.open(url, timeout=timeout)
    return answer


@dataclass(slots=True)
class _Transfer:
    """One file on its way, in a thread of its own: nothing bounds the time that a name server takes."""

    release: Release
    draft: Path
    env: Mapping[str, str]
    pins: Mapping[str, str]
    patience: Patience
    got: int = 0
    size: int = 0
    problem: Exception | None = None
    answered: threading.Event = field(default_factory=threading.Event)
    complete: threading.Event = field(default_factory=threading.Event)
    given_up: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin; the thread does not keep the process alive."""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._fetch()
        except (OSError, http.client.HTTPException, ValueError, _WrongChecksumError, _CutShortError) as error:
            self.problem = error
        finally:
            self.complete.set()

    def _fetch(self) -> None:
        try:
            expected = self.pins.get(self.release.file) or published_checksum(self.release, self.env, self.patience.stall)
            self.answered.set()
            answer = _open(self.release.file, self.env, self.patience.stall)
        except urllib.error.HTTPError as error:
            error.close()
            self.answered.set()
            raise
        self.answered.set()
        digest = hashlib.sha256()
        with answer, self.draft.open("wb") as draft:
            self.size = int(answer.headers.get("Content-Length") or 0)
            for chunk in self._chunks(answer):
                digest.update(chunk)
                draft.write(chunk)
        if self.size and self.got < self.size:
            raise _CutShortError(f"it ended after {self.got} of {self.size} bytes")
        if digest.hexdigest() != expected:
            raise _WrongChecksumError(f"SHA-256 {digest.hexdigest()} instead of {expected}")

    def _chunks(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        while chunk := answer.read1(CHUNK):
            if self.given_up.is_set():
                raise _CutShortError(f"it is not there after {self.patience.whole:.0f} s")
            self.got += len(chunk)
            yield chunk


def _run(transfers: Sequence[_Transfer], patience: Patience) -> None:
    """Let transfers run until each has ended, or is given up."""
    began = time.monotonic()
    meter = Meter("downloading")
    for transfer in transfers:
        transfer.start()
    try:
        for transfer in transfers:
            while not transfer.complete.wait(0.05):
                took = time.monotonic() - began
                if took > patience.whole or (took > patience.reach and not transfer.answered.is_set()):
                    break
                meter.show(f"{sum(one.got for one in transfers) >> 20}/{sum(one.size for one in transfers) >> 20} MiB")
    finally:
        meter.clear()
        for transfer in transfers:
            transfer.given_up.set()


def _install(source: Path, member: str, program: Path) -> None:
    """Give a program its name, with a rename, so that there is never half a program of this name."""
    draft = source
    if member:
        draft = source.with_name(program.name)
        with tarfile.open(source) as archive, draft.open("wb") as output:
            shutil.copyfileobj(_member(archive, member), output)
    draft.chmod(0o755)
    draft.rename(program)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    for member in archive:
        if member.isfile() and member.name.removeprefix("./") == name and (content := archive.extractfile(member)):
            return content
    raise DevClusterError(f"{name} is not in its published archive; set {RELEASES}={OFF} to build from source")


def _refuse_wrong(failed: Sequence[_Transfer]) -> None:
    """Stop everything for a file that was changed on its way."""
    for transfer in failed:
        if isinstance(transfer.problem, _WrongChecksumError):
            raise DevClusterError(
                f"{address(transfer.release.file, transfer.env)} has the wrong checksum: {transfer.problem}. It is not used: it was "
                f"changed on its way, or {PINS} is wrong. Try again from another network, or set {RELEASES}={OFF} to build from source"
            )


def _excuse(failed: Sequence[_Transfer]) -> str:
    """Say in one line why something is built after all."""
    reached = [transfer for transfer in failed if transfer.answered.is_set()]
    if reached:
        return f"{address(reached[0].release.file, reached[0].env)}: {reached[0].problem or 'too slow'}; building from source instead"
    sites = sorted({transfer.release.file.partition("/")[0] for transfer in failed})
    return f"no way to {' and '.join(sites)} from here: building from source"
