"""Make image archives from layers, without a daemon and without a registry: the same layer gives the same bytes."""

import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
EPOCH = "1970-01-01T00:00:00Z"
# Go's names of machines, which images use.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(target: Path, reference: str, layer: Path, machine: str, entrypoint: Sequence[str] = ()) -> None:
    """Write an archive (of the kind that `docker save` writes) with one layer; it appears complete or not at all."""
    with layer.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    config = _json(_configuration(digest, ARCHITECTURES.get(machine, machine), entrypoint))
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = _json([{"Config": name, "RepoTags": [reference], "Layers": [f"{digest}/layer.tar"]}])
    draft = target.with_name(f".{target.name}")
    with tarfile.open(draft, "w") as archive:
        _add(archive, name, config)
        entry = tarfile.TarInfo(f"{digest}/layer.tar")
        entry.size = layer.stat().st_size
        with layer.open("rb") as content:
            archive.addfile(entry, content)
        _add(archive, "manifest.json", manifest)
    draft.replace(target)


def layer_of(program: Path, scratch: Path) -> Path:
    """Return a layer with one static program, and a folder for temporary files."""
    layer = scratch / "layer.tar"
    with tarfile.open(layer, "w") as archive:
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(folder)
        entry = tarfile.TarInfo(program.name)
        entry.size, entry.mode = program.stat().st_size, 0o755
        with program.open("rb") as content:
            archive.addfile(entry, content)
    return layer


def unpacked_size(archive: Path) -> int:
    """Return how many bytes the files of an image have, all layers together."""
    total = 0
    with tarfile.open(archive) as image:
        manifest = image.extractfile("manifest.json")
        layers = json.load(manifest)[0]["Layers"] if manifest else []
        for name in layers:
            with tarfile.open(fileobj=image.extractfile(name), mode="r|*") as layer:
                total += sum(member.size for member in layer)
    return total


def compressed_size(archive: Path) -> int:
    """Return about how many bytes a registry would send."""
    packer = zlib.compressobj(level=6)
    with archive.open("rb") as content:
        packed = sum(len(packer.compress(block)) for block in iter(lambda: content.read(1 << 20), b""))
    return packed + len(packer.flush())


def _configuration(digest: str, architecture: str, entrypoint: Sequence[str]) -> Mapping[str, Any]:
    run: dict[str, Any] = {"Env": [PATH]}
    if entrypoint:
        run["Entrypoint"] = list(entrypoint)
    return {
        "architecture": architecture,
        "os": "linux",
        "created": EPOCH,
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": EPOCH, "created_by": "obtask.devcluster.node"}],
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
