"""Tell an image build where this machine's Python packages come from; nothing of it becomes part of the image."""

import configparser
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What says where packages come from. The rest of a configuration is about this machine.
PIP_KEYS = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy", "timeout", "default-timeout", "retries")
UV_LISTS = ("extra-index-url", "find-links", "allow-insecure-host")
UV_VARIABLES = {
    "UV_DEFAULT_INDEX": "index-url",
    "UV_INDEX_URL": "index-url",
    "UV_INDEX": "extra-index-url",
    "UV_EXTRA_INDEX_URL": "extra-index-url",
    "UV_FIND_LINKS": "find-links",
    "UV_INSECURE_HOST": "allow-insecure-host",
    "UV_NO_INDEX": "no-index",
}

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """Where pip and uv look for packages, as their configuration files say it, and what else of this machine they need."""

    pip: str
    uv: str
    # Files and folders of this machine, by where the build sees them.
    mounts: Mapping[str, Path]


def of_this_machine(env: Mapping[str, str], home: Path) -> PackageIndex:
    """Return what pip and uv use here."""
    own = (home / ".pip/pip.conf", home / ".config/pip/pip.conf", env.get("PIP_CONFIG_FILE"))
    pip_files = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", *own)
    uv_files = ("/etc/uv/uv.toml", home / ".config/uv/uv.toml", env.get("UV_CONFIG_FILE"))
    pip, uv = pip_settings(_read(pip_files), env), uv_settings(_read(uv_files), env)
    folders = [Path(word) for word in (*pip.get("find-links", "").split(), *uv.get("find-links", []))]
    own_files = {CERTIFICATES: Path(env.get("SSL_CERT_FILE") or CERTIFICATES), "/root/.netrc": home / ".netrc"}
    mounts = {str(folder): folder for folder in folders if folder.is_dir()}
    mounts |= {target: source for target, source in own_files.items() if source.is_file()}
    return PackageIndex(pip_conf(pip), uv_toml(uv), mounts)


def pip_settings(files: Iterable[str], env: Mapping[str, str]) -> dict[str, str]:
    """Return what the files say, later ones first, and what the environment says before all of them."""
    found: dict[str, str] = {}
    for text in files:
        parser = configparser.RawConfigParser()
        parser.read_string(text)
        for section in ("global", "install"):
            found |= dict(parser.items(section)) if parser.has_section(section) else {}
    found |= {name.removeprefix("PIP_").lower().replace("_", "-"): value for name, value in env.items() if name.startswith("PIP_")}
    return {key: value for key, value in found.items() if key in PIP_KEYS and value}


def uv_settings(files: Iterable[str], env: Mapping[str, str]) -> dict[str, Any]:
    """Return the same for uv."""
    found: dict[str, Any] = {}
    for text in files:
        content = tomllib.loads(text)
        found |= {key: content[key] for key in UV_VARIABLES.values() if key in content} | _uv_indexes(content)
    found |= {key: _uv_value(key, env[name]) for name, key in UV_VARIABLES.items() if env.get(name)}
    return {key: value for key, value in found.items() if value}


def _uv_indexes(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the newer way to say it, [[index]], in the older one."""
    indexes = content.get("index", [])
    default = [index["url"] for index in indexes if index.get("default")]
    others = [index["url"] for index in indexes if not index.get("default")]
    return ({"index-url": default[0]} if default else {}) | ({"extra-index-url": others} if others else {})


def _uv_value(key: str, text: str) -> Any:
    if key == "no-index":
        return text in ("true", "1")
    # An index may have a name, which uv sync does not need.
    words = [word.partition("=")[2] if "=" in word.partition("://")[0] else word for word in text.split()]
    return words if key in UV_LISTS else words[0]


def pip_conf(settings: Mapping[str, str]) -> str:
    """Return a configuration file of pip; values of several lines stay values of several lines."""
    lines = [f"{key} = " + "\n    ".join(value.split()) for key, value in settings.items()]
    return "\n".join(["[global]", *lines, ""])


def uv_toml(settings: Mapping[str, Any]) -> str:
    """Return a configuration file of uv: of strings, lists of strings and truth values, which TOML writes as JSON does."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def _read(files: Iterable[str | Path | None]) -> list[str]:
    return [Path(file).read_text() for file in files if file and Path(file).is_file()]
