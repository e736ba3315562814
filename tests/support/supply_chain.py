"""Owns the check of what is shipped: licences, from the installed packages; known vulnerabilities, where their database can be reached."""

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What may be shipped beside Apache-2.0; certifi is MPL-2.0, unchanged.
ALLOWED = (
    "Apache Software License", "Apache-2.0", "Apache-2.0 AND BSD-2-Clause", "Apache-2.0 AND MIT", "Apache-2.0 OR BSD-3-Clause",
    "BSD License", "BSD-2-Clause", "BSD-3-Clause", "BSD-3-Clause and Public-Domain", "ISC License (ISCL)", "MIT", "MIT License", "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)", "PSF-2.0",
    "Python Software Foundation License",
)  # fmt: skip
DATABASE = "https://api.osv.dev/"
PATIENCE = 4.0


def uv() -> str:
    """Return the uv of this checkout."""
    return os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".dev/tools/bin/uv")


def exported(*words: str) -> str:
    """Return the packages that the operator needs at run time, as uv.lock has them."""
    command = [uv(), "export", "--locked", "--no-dev", "--extra=web", "--quiet", *words]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own words


def requirements() -> list[str]:
    """Return one requirement for each package, with its version."""
    return exported("--format=requirements.txt", "--no-emit-project", "--no-hashes", "--no-annotate", "--no-header").splitlines()


def licences(needed: list[str]) -> int:
    """Say what licence is not allowed; return the exit code."""
    packages = [line.partition("==")[0] for line in needed]
    words = [_beside("pip-licenses"), "--from=mixed", f"--allow-only={';'.join(ALLOWED)}", "--packages", *packages]
    return subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode  # noqa: S603 - our own words


def reachable() -> bool:
    """Return whether the database of vulnerabilities answers; decided within seconds."""
    try:
        with urllib.request.urlopen(DATABASE, timeout=PATIENCE):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500
    except OSError:
        return False


def vulnerabilities(needed: list[str]) -> int:
    """Say what is known of these versions; return the exit code."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(needed))
        file.flush()
        words = [_beside("pip-audit"), "--vulnerability-service=osv", "--disable-pip", "--no-deps", "--progress-spinner=off"]
        return subprocess.run([*words, f"--requirement={file.name}"], check=False).returncode  # noqa: S603 - our own words


def _beside(program: str) -> str:
    return str(Path(sys.executable).with_name(program))


def main() -> None:
    """Check everything that can be checked here."""
    needed = requirements()
    code = licences(needed)
    if not code and reachable():
        code = vulnerabilities(needed)
    elif not code:
        sys.stdout.write("supply chain: licences are allowed; vulnerabilities not checked: their database cannot be reached\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
