"""Published programs: fetched from a server that plays the release sites, however well or badly it plays."""

import hashlib
import io
import os
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devcluster import download
from devcluster.build import build
from devcluster.download import Patience, checksum_in, fetch, pinned
from devcluster.errors import DevClusterError
from devcluster.files import checkout
from devcluster.ports import LOOPBACK, free_port
from devcluster.programs import CONTROL_PLANE, KIND, Program
from devcluster.releases import OFF, RELEASES, release
from devcluster.toolchain import Pins

PINS = Pins.parse((checkout() / "deploy/devcluster/go.mod").read_text())
SHORT = Patience(reach=0.5, stall=0.5, whole=2.0)
ETCD, APISERVER, MANAGER, KUBECTL = CONTROL_PLANE
Behaviour = Callable[["_Handler", bytes], None]


class _Handler(BaseHTTPRequestHandler):
    """Answers with the files of its site."""

    server: "_Server"

    def do_GET(self) -> None:
        """Answer as the site behaves for this file."""
        site = self.server.site
        site.asked.append(self.path)
        content = site.files.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        site.behaviour.get(self.path.rpartition("/")[2], answer)(self, content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Site:
    """A mirror of the release sites."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    behaviour: dict[str, Behaviour] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def publish(self, program: Program, content: bytes, checksum: str = "") -> None:
        """Publish a program as its project does, by default with its checksum."""
        found = release(program, PINS)
        assert found is not None
        body = archive_of(found.member, content) if found.member else content
        self.files[found.file] = body
        line = checksum or hashlib.sha256(body).hexdigest()
        name = found.file.rpartition("/")[2]
        self.files[found.checksum] = (f"{'0' * 64}  other\n{line}  {name}\n" if found.member else line).encode()

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of somebody who uses this mirror."""
        return {RELEASES: self.url}


class _Server(ThreadingHTTPServer):
    site: Site


def archive_of(member: str, content: bytes) -> bytes:
    """Return a compressed archive with one file."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return output.getvalue()


def answer(handler: _Handler, content: bytes, part: float = 1.0) -> None:
    """Answer with the file, or with less than was announced."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: int(len(content) * part)])


def cut_off(handler: _Handler, content: bytes) -> None:
    """Close the connection in the middle."""
    answer(handler, content, 0.5)


def stall(handler: _Handler, content: bytes) -> None:
    """Stop in the middle, and leave the connection open."""
    answer(handler, content, 0.5)
    handler.wfile.flush()
    handler.server.site.closing.wait()


def silence(handler: _Handler, _content: bytes) -> None:
    """Take the request, and never answer."""
    handler.server.site.closing.wait()


def trickle(handler: _Handler, content: bytes) -> None:
    """Send byte by byte, never quick enough and never slow enough to be called stalled."""
    answer(handler, content, 0)
    for byte in content:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        if handler.server.site.closing.wait(0.1):
            break


@pytest.fixture
def site() -> Iterator[Site]:
    """Return a mirror with the programs of the control plane."""
    found = Site()
    with _Server((LOOPBACK, 0), _Handler) as server:
        server.site, server.daemon_threads = found, True
        found.url = f"http://{LOOPBACK}:{server.server_port}"
        for program in CONTROL_PLANE:
            found.publish(program, f"{program.name} as published".encode() * 100)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.closing.set()
        server.shutdown()
        thread.join()


@dataclass
class Told:
    """Collects what a person is told."""

    lines: list[str] = field(default_factory=list)

    def __call__(self, what: str, _seconds: float | None) -> None:
        """Note a line."""
        self.lines.append(what)


@pytest.fixture
def told() -> Told:
    """Return where reports go."""
    return Told()


def test_published_programs_are_fetched(site: Site, tmp_path: Path, told: Told) -> None:
    """All of them are there, can be run, and say it in one line; nothing else is left in the folder."""
    assert fetch(CONTROL_PLANE, PINS, tmp_path, told, site.env, patience=SHORT) == []

    names = [program.name for program in CONTROL_PLANE]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: f"{name} as published".encode() * 100 for name in names}
    assert all(os.access(path, os.X_OK) for path in tmp_path.iterdir())
    assert told.lines == ["etcd, kube-apiserver, kube-controller-manager, kubectl downloaded"]


def test_nothing_is_built_where_everything_is_published(site: Site, tmp_path: Path, told: Told) -> None:
    """`make up` on an ordinary machine does not even look for Go; the second time it asks nobody."""
    env = {**site.env, "XDG_CACHE_HOME": str(tmp_path), "PATH": ""}
    folder = build(checkout() / "deploy/devcluster", told, env)
    asked = len(site.asked)

    assert (folder / "kubectl").read_bytes().startswith(b"kubectl as published")
    assert build(checkout() / "deploy/devcluster", told, env) == folder
    assert len(site.asked) == asked


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [(cut_off, "it ended after 1000 of 2000 bytes"), (stall, "timed out"), (trickle, "too slow")],
    ids=["cut off", "stalled", "trickling"],
)
def test_a_transfer_that_fails_leaves_nothing(site: Site, tmp_path: Path, told: Told, behaviour: Behaviour, said: str) -> None:
    """The program is left to be built, what was wrong is said, and the others are there."""
    site.behaviour["kubectl"] = behaviour

    assert fetch(CONTROL_PLANE, PINS, tmp_path, told, site.env, patience=SHORT) == [KUBECTL]

    assert {path.name for path in tmp_path.iterdir()} == {"etcd", "kube-apiserver", "kube-controller-manager"}
    assert told.lines[-1].startswith(f"{site.url}/dl.k8s.io/release/")
    assert told.lines[-1].endswith(f"/kubectl: {said}; building from source instead")


@pytest.mark.parametrize("missing", ["kubectl", "kubectl.sha256"])
def test_what_is_not_published_is_built(site: Site, tmp_path: Path, told: Told, missing: str) -> None:
    """A file that is not there, or not its checksum, is a reason to build; the answer of the server is said."""
    site.files = {file: content for file, content in site.files.items() if not file.endswith(f"/{missing}")}

    assert fetch(CONTROL_PLANE, PINS, tmp_path, told, site.env, patience=SHORT) == [KUBECTL]

    assert "404" in told.lines[-1]


def test_no_site_at_all_costs_no_time(tmp_path: Path, told: Told) -> None:
    """Where nobody listens, everything is left to be built at once, and one line says so."""
    env = {RELEASES: f"http://{LOOPBACK}:{free_port()}"}
    began = time.monotonic()

    assert fetch(CONTROL_PLANE, PINS, tmp_path, told, env) == list(CONTROL_PLANE)

    assert time.monotonic() - began < Patience().reach
    assert told.lines == ["no way to dl.k8s.io and github.com from here: building from source"]
    assert list(tmp_path.iterdir()) == []


def test_sites_that_do_not_answer_are_given_up_together(site: Site, tmp_path: Path, told: Told) -> None:
    """The time to find out is for all files together, however many they are, and however long a connection may stall."""
    names = [file.rpartition("/")[2] for file in site.files]
    site.behaviour = dict.fromkeys(names, silence)
    began = time.monotonic()

    assert fetch(CONTROL_PLANE, PINS, tmp_path, told, site.env, patience=Patience(reach=0.5, stall=60)) == list(CONTROL_PLANE)

    assert time.monotonic() - began < 5
    assert told.lines == ["no way to dl.k8s.io and github.com from here: building from source"]


def test_one_site_that_does_not_answer_costs_only_its_own_programs(site: Site, tmp_path: Path, told: Told) -> None:
    """What the other site has is fetched all the same."""
    site.behaviour["SHA256SUMS"] = silence

    assert fetch(CONTROL_PLANE, PINS, tmp_path, told, site.env, patience=SHORT) == [ETCD]

    assert told.lines[-1] == "no way to github.com from here: building from source"


@pytest.mark.parametrize("program", [ETCD, KUBECTL], ids=["an archive", "a program"])
def test_a_wrong_checksum_is_refused(site: Site, tmp_path: Path, told: Told, program: Program) -> None:
    """Nothing is used, nothing is built either, and the error says which file it is and what can be done."""
    site.publish(program, b"something else", "ab" * 32)

    with pytest.raises(DevClusterError, match=rf"has the wrong checksum: SHA-256 \w+ instead of (ab)+\. .* {RELEASES}={OFF} to build"):
        fetch(CONTROL_PLANE, PINS, tmp_path, told, site.env, patience=SHORT)

    assert list(tmp_path.iterdir()) == []


def test_a_build_ends_with_a_wrong_checksum(site: Site, tmp_path: Path, told: Told) -> None:
    """It does not go on to build from source, which would hide it; the next attempt starts anew."""
    site.publish(ETCD, b"something else", "ab" * 32)
    env = {**site.env, "XDG_CACHE_HOME": str(tmp_path), "PATH": ""}

    with pytest.raises(DevClusterError, match="wrong checksum"):
        build(checkout() / "deploy/devcluster", told, env)

    assert [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.endswith(".lock")] == []
    assert told.lines == []


def test_downloads_can_be_switched_off(site: Site, tmp_path: Path, told: Told) -> None:
    """Then nobody is asked and nothing is said."""
    assert fetch(CONTROL_PLANE, PINS, tmp_path, told, {RELEASES: OFF}) == list(CONTROL_PLANE)

    assert (told.lines, site.asked) == ([], [])


def test_what_a_killed_download_left_is_removed(site: Site, tmp_path: Path, told: Told) -> None:
    """A folder of an earlier attempt does not stay for ever."""
    (tmp_path / f"{download.SCRATCH}old").mkdir()
    (tmp_path / f"{download.SCRATCH}old/0").write_text("half")

    fetch(CONTROL_PLANE, PINS, tmp_path, told, site.env, patience=SHORT)

    assert len(list(tmp_path.iterdir())) == len(CONTROL_PLANE)


def test_an_archive_with_several_programs_is_fetched_once(site: Site, tmp_path: Path, told: Told) -> None:
    """Containerd and its tools come together."""
    programs = [program for program in KIND if program.name in ("containerd", "ctr")]
    found = [one for program in programs if (one := release(program, PINS))]
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as archive:
        for one in found:
            archive.addfile(tarfile.TarInfo(one.member))
    site.files[found[0].file] = output.getvalue()
    site.files[found[0].checksum] = f"{hashlib.sha256(output.getvalue()).hexdigest()}  {found[0].file.rpartition('/')[2]}\n".encode()

    assert fetch(programs, PINS, tmp_path, told, site.env, patience=SHORT) == []

    assert len(site.asked) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"containerd", "ctr"}


def test_the_versions_are_those_of_go_mod() -> None:
    """A downloaded program has the version that would be built; only what is ours has no release."""
    unpublished = [program.name for program in KIND if release(program, PINS, "Linux", "x86_64") is None]
    found = release(APISERVER, PINS, "Linux", "x86_64")
    etcd = release(ETCD, PINS, "Linux", "aarch64")

    assert unpublished == ["pause"]
    assert found is not None
    assert found.file == f"dl.k8s.io/release/{PINS.kubernetes}/bin/linux/amd64/kube-apiserver"
    assert etcd is not None
    version = PINS.modules["go.etcd.io/etcd/server/v3"]
    assert etcd.file == f"github.com/etcd-io/etcd/releases/download/{version}/etcd-{version}-linux-arm64.tar.gz"


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "riscv64")])
def test_other_machines_build(system: str, machine: str) -> None:
    """Projects publish no control plane for them."""
    assert release(APISERVER, PINS, system, machine) is None


HASH = "ab" * 32


@pytest.mark.parametrize(
    ("text", "checksum"),
    [
        (HASH, HASH),
        (f"{HASH.upper()}\n", HASH),
        (f"{HASH}  it.tgz\n", HASH),
        (f"{'0' * 64}  other.tgz\n{HASH} *release/it.tgz\n", HASH),
        (f"{HASH}  other.tgz\n", None),
        (f"{HASH}\n{HASH}\n", None),
        ("<html>not found</html>", None),
        ("abc  it.tgz", None),
        ("", None),
    ],
)
def test_checksums_are_read_as_projects_write_them(text: str, checksum: str | None) -> None:
    """Alone, or in a list of files; anything else is no checksum."""
    assert checksum_in(text, "site/path/it.tgz") == checksum


def test_pins_go_before_what_is_published(tmp_path: Path) -> None:
    """A file of pins has lines like those of sha256sum; the one of this checkout can be read."""
    (tmp_path / "pins").write_text(f"# comment\n\n{HASH}  dl.k8s.io/x\n")

    assert pinned(tmp_path / "pins") == {"dl.k8s.io/x": HASH}
    assert all(download.SHA256.fullmatch(checksum) for checksum in pinned(checkout() / download.PINS).values())
