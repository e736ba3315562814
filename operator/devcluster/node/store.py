"""Keep image archives by what they were made from, so that nothing is made twice, and only the last few."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster.build import cache_root
from devcluster.files import locked
from devcluster.progress import Report, reported

# How many archives of one kind stay: for some checkouts, and for going back and forth between two versions.
KEPT = 4


@dataclass(frozen=True, slots=True)
class Store:
    """A folder with image archives."""

    folder: Path

    @classmethod
    def of_user(cls, env: Mapping[str, str] = os.environ) -> "Store":
        """Return the one in the cache folder of this user."""
        return cls(cache_root(env).with_name("images"))

    def ensure(self, kind: str, parts: Iterable[bytes], make: Callable[[Path], Path], what: str, report: Report) -> Path:
        """Return the archive of these parts; `make` makes it in a folder of its own if it is not there yet."""
        target = self.folder / f"{kind}-{key(parts)}.tar"
        with locked(self.folder / f"{kind}.lock", f"another process makes the {what}; waiting for it"):
            if target.exists():
                os.utime(target)
                return target
            for abandoned in self.folder.glob(f".{kind}-*"):
                shutil.rmtree(abandoned, ignore_errors=True)
            with reported(report, what), tempfile.TemporaryDirectory(dir=self.folder, prefix=f".{kind}-") as scratch:
                make(Path(scratch)).replace(target)
            for old in sorted(self.folder.glob(f"{kind}-*.tar"), key=lambda file: file.stat().st_mtime, reverse=True)[KEPT:]:
                old.unlink()
        return target


def key(parts: Iterable[bytes]) -> str:
    """Return the name of what is made from these parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()[:16]
