"""Make image archives from layers, without a daemon and without a registry: the same layer gives the same bytes."""

import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
EPOCH = "1970-01-01T00:00:00Z"
# Go's names of machines, which images use.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(
    target: Path, reference: str, layers: Sequence[Path], machine: str, *, entrypoint: Sequence[str] = (), env: Sequence[str] = ()
) -> Path:
    """Write an archive (of the kind that `docker save` writes) with these layers, and return it."""
    digests = {_digest(layer): layer for layer in layers}
    config = _json(_configuration(tuple(digests), ARCHITECTURES.get(machine, machine), entrypoint, env))
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = _json([{"Config": name, "RepoTags": [reference], "Layers": [f"{digest}/layer.tar" for digest in digests]}])
    with tarfile.open(target, "w") as archive:
        _add(archive, name, config)
        for digest, layer in digests.items():
            _add_file(archive, f"{digest}/layer.tar", layer, 0o644)
        _add(archive, "manifest.json", manifest)
    return target


def layer(target: Path, files: Mapping[str, Path], links: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Write a layer: files by the paths they get, symbolic links, and a folder for temporary files."""
    with tarfile.open(target, "w") as archive:
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(folder)
        for path, file in files.items():
            _add_file(archive, path, file, 0o755 if os.access(file, os.X_OK) else 0o644)
        for path, goal in links.items():
            link = tarfile.TarInfo(path)
            link.type, link.linkname = tarfile.SYMTYPE, goal
            archive.addfile(link)
    return target


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


def _configuration(digests: Sequence[str], architecture: str, entrypoint: Sequence[str], env: Sequence[str]) -> Mapping[str, Any]:
    run: dict[str, Any] = {"Env": [PATH, *env]}
    if entrypoint:
        run["Entrypoint"] = list(entrypoint)
    return {
        "architecture": architecture,
        "os": "linux",
        "created": EPOCH,
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created": EPOCH, "created_by": "devcluster"} for _ in digests],
    }


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _add_file(archive: tarfile.TarFile, name: str, file: Path, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = file.stat().st_size, mode
    with file.open("rb") as content:
        archive.addfile(entry, content)
