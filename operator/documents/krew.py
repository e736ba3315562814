"""Owns the archive of the plugin for Krew, and its manifest with this version and checksum. Run: python -m documents.krew dist."""

import hashlib
import re
import sys
import tarfile
from pathlib import Path

from documents.release import ROOT, version

MANIFEST = ROOT / "deploy/krew/obtask.yaml"
ARCHIVE = "kubectl-obtask.tar.gz"


def archive(folder: Path) -> str:
    """Pack the plugin in a folder, and the licence; return the checksum."""
    with tarfile.open(folder / ARCHIVE, "w:gz") as packed:
        packed.add(folder / "kubectl-obtask", "kubectl-obtask")
        packed.add(ROOT / "LICENSE", "LICENSE")
    return hashlib.sha256((folder / ARCHIVE).read_bytes()).hexdigest()


def manifest(checksum: str) -> str:
    """Return the manifest of an archive with this checksum."""
    text = MANIFEST.read_text().replace("0" * 64, checksum)
    return re.sub(r"v\d+\.\d+\.\d+(?=$|/)", f"v{version()}", text, flags=re.MULTILINE)


def main(folder: Path) -> None:
    """Write the archive and its manifest beside the plugin."""
    (folder / MANIFEST.name).write_text(manifest(archive(folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
