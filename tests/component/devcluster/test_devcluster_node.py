"""The node: what its components are told, on which machines it starts, and that nothing of it stays."""

import json
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
import yaml

from devcluster import processes
from devcluster.errors import DevClusterError
from devcluster.files import checkout, locked
from devcluster.node import cgroups, configuration
from devcluster.node.folder import make_folder, refuse_foreign, remove_folder
from devcluster.node.layout import ADDRESS, Node
from devcluster.node.lifecycle import GUARD, is_up
from devcluster.node.machine import IMAGE_PROGRAMS, NODE_PROGRAMS, Machine, check
from devcluster.processes import CommandLine


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Return a node whose configuration is written."""
    made = Node(tmp_path / "state", tmp_path / "log", tmp_path / "programs")
    make_folder(made.state)
    configuration.write(made, checkout() / "deploy/node", "/usr/sbin/runc")
    return made


def machine(
    *, platform: str = "linux", root: bool = True, mount: str = "tmpfs", refusal: str = "", programs: Mapping[str, str] = NODE_PROGRAMS
) -> Machine:
    """Return a machine that has these programs."""
    return Machine(platform, root, {"/sys/fs/cgroup": mount}, refusal, lambda name: f"/usr/bin/{name}" if name in programs else None)


def test_components_read_what_was_written_for_them(node: Node) -> None:
    """Every configuration file can be read, and every file named on a command line or in a configuration file exists."""
    state = node.state
    kubelet = yaml.safe_load((state / "kubelet.yaml").read_text())
    containerd = tomllib.loads((state / "containerd.toml").read_text())
    network = json.loads((state / "cni/10-pods.conflist").read_text())
    lines = [file.read_text() for phase in ("first", "then") for file in sorted((state / phase).iterdir())]
    written = [*lines, *((state / file).read_text() for file in configuration.FILES.values())]

    assert (kubelet["cgroupRoot"], kubelet["address"], kubelet["clusterDNS"]) == (f"/{node.name}", ADDRESS, ["10.96.0.10"])
    assert containerd["root"] == str(state / "containerd")
    assert network["plugins"][0]["type"] == "bridge"
    assert not any("$" in text for text in written)
    named = {word.rstrip(",}") for text in written for word in text.replace("=", " ").split() if word.startswith(str(state))}
    made_later = {str(state / name) for name in ("etcd", "containerd", "api.sock")}
    assert [path for path in named if path not in made_later and not Path(path.strip('"')).exists() and "api.sock" not in path] == []


def test_secrets_of_a_node_are_its_owners(node: Node) -> None:
    """Keys and kubeconfigs can be read by their owner only."""
    secret = [*node.pki.iterdir(), *node.state.glob("*.kubeconfig")]

    assert len(secret) > 10
    assert {file.stat().st_mode & 0o077 for file in secret} == {0}


def test_another_folder_is_another_node(tmp_path: Path) -> None:
    """Two nodes on one machine share no name, so they share no cgroup."""
    first, second = (Node(tmp_path / name, tmp_path, tmp_path) for name in "ab")

    assert first.name != second.name
    assert first.name == Node(tmp_path / "a", tmp_path, tmp_path).name


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    """The kernel would cut it silently, or every connection would fail."""
    with pytest.raises(DevClusterError, match="too long a path for a socket"):
        Node(tmp_path / ("x" * 100), tmp_path, tmp_path)


def test_a_placeholder_nobody_fills_is_an_error(node: Node) -> None:
    """A slip in a template is found before a component reads it."""
    with pytest.raises(KeyError, match="typo"):
        configuration.rendered("a: $typo", node, "runc")


@pytest.mark.parametrize(
    ("here", "told"),
    [
        (machine(platform="darwin"), r"needs Linux; .*E2E=kubeconfig"),
        (machine(root=False), r"needs root .*sudo make e2e"),
        (machine(mount="cgroup2"), r"cgroup v1 .*there is cgroup2; .*E2E=kubeconfig"),
        (machine(refusal="unshare: not permitted"), r"root gets none here \(unshare: not permitted\); .*E2E=kubeconfig"),
        (machine(programs={}), r"on Debian: apt-get install -y --no-install-recommends .*containernetworking-plugins .*runc socat"),
    ],
)
def test_what_a_machine_lacks_is_said_in_one_line(here: Machine, told: str) -> None:
    """The line says what to do about it."""
    with pytest.raises(DevClusterError, match=told) as raised:
        check(here, NODE_PROGRAMS)

    assert "\n" not in str(raised.value)


def test_building_an_image_asks_nothing_of_namespaces() -> None:
    """Only running Pods does."""
    here = machine(mount="cgroup2", refusal="no", programs=IMAGE_PROGRAMS)

    assert check(here, IMAGE_PROGRAMS, pods=False) == []


def test_a_debian_installs_what_it_lacks() -> None:
    """Where there is apt-get, missing programs are no obstacle: their packages are named, each once."""
    here = machine(programs={"apt-get": "apt", "ip": "iproute2"})

    lacking = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux", "setpriv": "util-linux"}

    assert check(here, lacking) == ["nftables", "util-linux"]


def test_cgroups_are_removed_from_every_hierarchy(tmp_path: Path) -> None:
    """Whole trees go, those of other nodes stay."""
    for folder in ("cpu/obtask-a/kubepods/pod1", "memory/obtask-a", "cpu/obtask-b"):
        (tmp_path / folder).mkdir(parents=True)

    cgroups.remove("obtask-a", tmp_path)

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")) == ["cpu/obtask-b"]


def test_a_cgroup_in_use_is_named(tmp_path: Path) -> None:
    """What cannot be removed is an error, not left in silence."""
    (tmp_path / "cpu/obtask-a/busy").mkdir(parents=True)
    (tmp_path / "cpu/obtask-a/busy/process").touch()

    with pytest.raises(DevClusterError, match=r"cpu/obtask-a is still in use"):
        cgroups.remove("obtask-a", tmp_path, timeout=0.0)


def test_a_node_ends_with_who_wanted_it(node: Node) -> None:
    """When the pipe to the guard closes, as it does when its owner is killed, the node's processes are ended and its state is removed."""
    process = processes.start(CommandLine("node", ("/bin/sleep", "600"), node.run, node.log))
    with Popen([sys.executable, "-m", GUARD, str(node.run)], stdin=PIPE) as guard:  # noqa: S603 - our own module
        assert processes.is_alive(process)

    assert guard.returncode == 0
    assert not processes.is_alive(process)
    assert not node.state.exists()


def test_who_comes_next_waits_for_the_guard(node: Node, tmp_path: Path) -> None:
    """The owner's lock outlives an owner that is killed, until the node is removed: the guard never meets the next node in this folder."""
    lock = tmp_path / "lock"
    process = processes.start(CommandLine("node", ("/bin/sleep", "600"), node.run, node.log))
    script = f"""
import sys
from pathlib import Path
from devcluster.files import locked
from devcluster.leash import leash
with locked(Path({str(lock)!r}), "waiting") as lock, leash(Path({str(node.run)!r}), {GUARD!r}, [lock]):
    print("guarded", flush=True)
    sys.stdin.read()
"""
    with Popen([sys.executable, "-c", script], stdin=PIPE, stdout=PIPE, text=True) as owner:  # noqa: S603 - our own words
        assert owner.stdout is not None
        assert owner.stdout.readline() == "guarded\n"
        owner.kill()

    with locked(lock, "waiting for the guard"):
        left = node.state.exists(), processes.is_alive(process)

    assert left == (False, False)


def test_a_node_is_up_once_its_start_has_ended(node: Node) -> None:
    """A starter that is killed halfway leaves processes; `make node-up` starts such a node anew."""
    process = processes.start(CommandLine("node", ("/bin/sleep", "600"), node.run, node.log))
    halfway = is_up(node)
    node.complete.touch()
    started = is_up(node)
    processes.stop([process], grace=0)

    assert (halfway, started, is_up(node)) == (False, True, False)


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, kind: str) -> None:
    """`--state ~/work` is a slip, not a wish to lose it: neither `up` nor `down` touches it, and one line says so."""
    work = tmp_path / "work"
    file = work / "thesis" if kind == "folder" else work
    file.parent.mkdir(exist_ok=True)
    file.write_text("years")

    for change in (make_folder, remove_folder):
        with pytest.raises(DevClusterError, match="is not the folder of a node, and not empty") as raised:
            change(work)
        assert "\n" not in str(raised.value)

    assert file.read_text() == "years"


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path) -> None:
    """What `mktemp -d` made can be given; a node's folder goes with all that is in it, and can be removed again and again."""
    (tmp_path / "node").mkdir()
    make_folder(tmp_path / "node")
    (tmp_path / "node/pki").mkdir()
    (tmp_path / "node/pki/ca.crt").touch()
    (tmp_path / "node/link").symlink_to(tmp_path)

    refuse_foreign(tmp_path / "node")
    remove_folder(tmp_path / "node")
    remove_folder(tmp_path / "node")

    assert list(tmp_path.iterdir()) == []
