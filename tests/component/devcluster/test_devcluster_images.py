"""Images: archives from layers, what makes a new one, and where a build finds Python packages."""

import io
import json
import os
import shutil
import tarfile
import tomllib
from collections.abc import Callable
from configparser import RawConfigParser
from pathlib import Path

import pytest

from devcluster.errors import DevClusterError
from devcluster.files import checkout
from devcluster.kind.image import control_plane_images
from devcluster.node import archive, package_index
from devcluster.node.images import IMAGE_FILES, sources
from devcluster.node.store import KEPT, Store, key
from devcluster.progress import silent


def archived(folder: Path, name: str) -> Path:
    """Return the archive of an image with one program of 1000 bytes."""
    folder.mkdir()
    (folder / "program").write_bytes(b"x" * 1000)
    (folder / "program").chmod(0o755)
    layer = archive.layer(folder / "layer.tar", {"program": folder / "program"}, {"link": "program"})
    archive.write(folder / name, "localhost/it:1", [layer], "x86_64", entrypoint=["/program"])
    return folder / name


def test_an_archive_is_what_docker_save_writes(tmp_path: Path) -> None:
    """The manifest names the image, its configuration and its layer; the layer has the program, ready to be run by anybody."""
    image = archived(tmp_path / "a", "it.tar")
    with tarfile.open(image) as content:
        files = {member.name: (content.extractfile(member) or io.BytesIO()).read() for member in content}
    [manifest] = json.loads(files["manifest.json"])
    config = json.loads(files[manifest["Config"]])
    with tarfile.open(fileobj=io.BytesIO(files[manifest["Layers"][0]])) as layer:
        members = {member.name: member.mode for member in layer}

    assert manifest["RepoTags"] == ["localhost/it:1"]
    assert (config["architecture"], config["config"]["Entrypoint"]) == ("amd64", ["/program"])
    assert members == {"tmp": 0o1777, "program": 0o755, "link": 0o644}


def test_the_same_program_gives_the_same_bytes(tmp_path: Path) -> None:
    """So a node is told of a new image only when there is one."""
    assert archived(tmp_path / "a", "it.tar").read_bytes() == archived(tmp_path / "b", "it.tar").read_bytes()


def test_sizes_are_those_of_the_files(tmp_path: Path) -> None:
    """Unpacked, an image has the bytes of its files; compressed, fewer."""
    image = archived(tmp_path / "a", "it.tar")

    assert archive.unpacked_size(image) == 1000
    assert archive.compressed_size(image) < 1000


CHANGES: dict[str, Callable[[Path], object]] = {
    "a module": lambda root: (root / "operator/obtask/names.py").write_text("changed"),
    "a new module": lambda root: (root / "operator/obtask/new.py").touch(),
    "the lock": lambda root: (root / "uv.lock").write_text("changed"),
    "the Dockerfile": lambda root: (root / "deploy/Dockerfile").write_text("changed"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of what images are made from."""
    root = tmp_path / "checkout"
    for name in IMAGE_FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkout() / name, root / name)
    shutil.copytree(checkout() / "operator/obtask", root / "operator/obtask")
    return root


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_means_another_image(copy: Path, change: str) -> None:
    """Whatever gets into the image decides which one it is."""
    before = key(sources(copy))
    CHANGES[change](copy)

    assert key(sources(copy)) != before


def test_what_is_not_in_the_image_makes_no_other(copy: Path) -> None:
    """The local environment, bytecode and tests are left out of it."""
    before = key(sources(copy))
    (copy / "operator/devcluster").mkdir()
    (copy / "operator/devcluster/new.py").touch()
    (copy / "operator/obtask/__pycache__").mkdir(exist_ok=True)
    (copy / "operator/obtask/__pycache__/x.pyc").touch()

    assert key(sources(copy)) == before


def test_an_archive_is_made_once(tmp_path: Path) -> None:
    """The same parts lead to the same file, other parts to another; a failure leaves nothing that looks made."""
    store, made = Store(tmp_path), []

    def make(scratch: Path) -> Path:
        made.append(scratch)
        (scratch / "image.tar").touch()
        return scratch / "image.tar"

    def fail(scratch: Path) -> Path:
        (scratch / "image.tar").touch()
        raise DevClusterError("no room")

    with pytest.raises(DevClusterError):
        store.ensure("it", [b"a"], fail, "image", silent)
    first = store.ensure("it", [b"a"], make, "image", silent)

    assert store.ensure("it", [b"a"], make, "image", silent) == first
    assert store.ensure("it", [b"b"], make, "image", silent) != first
    assert (len(made), len(list(tmp_path.glob("*.tar"))), list(tmp_path.glob(".*"))) == (2, 2, [])


def test_only_the_last_archives_stay(tmp_path: Path) -> None:
    """Each change of the operator makes an archive of hundreds of megabytes; what was used last is kept."""
    store = Store(tmp_path)

    def make(scratch: Path) -> Path:
        (scratch / "image.tar").touch()
        return scratch / "image.tar"

    files = [store.ensure("it", [bytes([number])], make, "image", silent) for number in range(KEPT)]
    for age, file in enumerate(files):
        os.utime(file, (age, age))
    store.ensure("it", [bytes([0])], make, "image", silent)
    newest = store.ensure("it", [b"new"], make, "image", silent)

    assert set(tmp_path.glob("*.tar")) == {newest, files[0], *files[2:]}


def test_pip_in_a_build_looks_where_pip_here_looks() -> None:
    """The environment goes before files, later files before earlier ones; what is about this machine stays here."""
    files = ["[global]\nindex-url = https://a.example/simple\ncert = /here/ca.pem\n", "[global]\nindex-url = https://b.example/simple\n"]
    env = {"PIP_EXTRA_INDEX_URL": "https://c.example/simple https://d.example/simple", "PIP_CERT": "/here/ca.pem", "PIP_NO_INDEX": ""}
    parser = RawConfigParser()
    parser.read_string(package_index.pip_conf(package_index.pip_settings(files, env)))

    found = dict(parser.items("global"))
    assert found == {"index-url": "https://b.example/simple", "extra-index-url": "https://c.example/simple\nhttps://d.example/simple"}


def test_uv_in_a_build_looks_where_uv_here_looks() -> None:
    """Both ways to name an index in a file are understood, and names of indexes in the environment are dropped."""
    file = '[[index]]\nurl = "https://a.example/simple"\ndefault = true\n[[index]]\nurl = "https://b.example/simple"\n'
    env = {"UV_INDEX": "ours=https://c.example/simple https://d.example/?a=b", "UV_CACHE_DIR": "/here"}

    settings = package_index.uv_settings([file], env)

    assert tomllib.loads(package_index.uv_toml(settings)) == {
        "index-url": "https://a.example/simple",
        "extra-index-url": ["https://c.example/simple", "https://d.example/?a=b"],
    }
    assert package_index.uv_settings([file], {})["extra-index-url"] == ["https://b.example/simple"]
    assert package_index.uv_settings([], {"UV_NO_INDEX": "true"}) == {"no-index": True}


def test_a_build_sees_the_certificates_and_wheels_of_this_machine(tmp_path: Path) -> None:
    """Folders of wheels are there under their own names, certificates where Debian has them; addresses are no folders."""
    (tmp_path / "wheels").mkdir()
    (tmp_path / "ca.pem").touch()
    env = {"PIP_FIND_LINKS": f"{tmp_path}/wheels https://a.example/wheels", "SSL_CERT_FILE": f"{tmp_path}/ca.pem"}

    index = package_index.of_this_machine(env, tmp_path)

    assert index.mounts == {str(tmp_path / "wheels"): tmp_path / "wheels", package_index.CERTIFICATES: tmp_path / "ca.pem"}


def test_the_images_of_the_control_plane_are_those_that_kubeadm_wants() -> None:
    """Whatever kubeadm calls them, the last word of a name is the program in it."""
    listed = "registry.example/kube-proxy:v1.36.3\nregistry.example:5000/coredns/coredns:v1.12.4\nregistry.example/pause:3.10\n"

    assert control_plane_images(listed) == {
        "kube-proxy": "registry.example/kube-proxy:v1.36.3",
        "coredns": "registry.example:5000/coredns/coredns:v1.12.4",
        "pause": "registry.example/pause:3.10",
    }
