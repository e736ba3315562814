"""What other programs read of the plugin: the manifest for Krew, and the keys for k9s, by what those programs say of their files."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from tests.support.reader import ROOT

from kubectl_obtask.cli import COMMANDS
from obtask.model.contract import Verb

KREW: Final = ROOT / "deploy/krew/obtask.yaml"
K9S: Final = ROOT / "deploy/k9s/plugins.yaml"
READING: Final = {"why", "tree", "logs", "watch"}
TEXT: Final = {"type": "string", "minLength": 1}
ONE_LINE: Final = {"type": "string", "pattern": r"^[^\r\n]+$"}


def only(required: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the schema of an object that has these fields, and perhaps more of these, but no others."""
    return {"type": "object", "additionalProperties": False, "required": [*required], "properties": required | more}


# https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest, and what `krew` refuses when it reads a manifest.
PLATFORM_KEY: Final = {"enum": ["os", "arch"]}
SELECTOR: Final = {
    "minProperties": 1,
    **only(
        {},
        matchLabels={"type": "object", "minProperties": 1, "propertyNames": PLATFORM_KEY, "additionalProperties": TEXT},
        matchExpressions={
            "type": "array",
            "minItems": 1,
            "items": only({"key": PLATFORM_KEY, "operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]}}, values={"items": TEXT}),
        },
    ),
}
PLATFORM: Final = only(
    {
        "uri": {"type": "string", "pattern": r"^https://.+\.(zip|tar\.gz)$"},
        "sha256": {"type": "string", "pattern": "^[a-f0-9]{64}$"},
        "bin": TEXT,
        "selector": SELECTOR,
    },
    files={"type": "array", "minItems": 1, "items": only({"from": TEXT, "to": TEXT})},
    license=TEXT,
)
MANIFEST: Final = only(
    {
        "apiVersion": {"const": "krew.googlecontainertools.github.com/v1alpha2"},
        "kind": {"const": "Plugin"},
        "metadata": only({"name": {"type": "string", "pattern": r"^[\w-]+$"}}),
        "spec": only(
            {
                "version": {"type": "string", "pattern": r"^v\d+\.\d+\.\d+$"},
                "shortDescription": ONE_LINE | {"maxLength": 50},
                "description": TEXT,
                "platforms": {"type": "array", "minItems": 1, "items": PLATFORM},
            },
            homepage=TEXT,
            caveats=TEXT,
        ),
    }
)
# https://k9scli.io/topics/plugins: a file with one field that it does not know is not read at all.
FLAG: Final = {"type": "boolean"}
KEYS: Final = only(
    {
        "plugins": {
            "type": "object",
            "additionalProperties": only(
                {
                    "shortCut": {"type": "string", "pattern": "^(Shift|Ctrl|Alt)-[A-Z]$"},
                    "description": ONE_LINE,
                    "scopes": {"type": "array", "items": TEXT},
                    "command": TEXT,
                },
                args={"type": "array", "items": {"type": ["string", "number"]}},
                **dict.fromkeys(("override", "confirm", "dangerous", "background", "overwriteOutput"), FLAG),
            ),
        }
    }
)
# What k9s itself has on a list of custom resources: sort by age, name and namespace, go to the owner. A plugin does not get such a key.
TAKEN: Final = {"Shift-A", "Shift-N", "Shift-P", "Shift-J"}


@pytest.mark.parametrize(("file", "schema"), [(KREW, MANIFEST), (K9S, KEYS)], ids=["krew", "k9s"])
def test_a_file_is_what_its_reader_wants(file: Path, schema: Any, tmp_path: Path) -> None:
    """Every field that has to be there, and none that is not known."""
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    words = [str(Path(sys.executable).parent / "check-jsonschema"), "--schemafile", str(tmp_path / "schema.json"), str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own words

    assert done.returncode == 0, done.stdout


def test_the_manifest_hangs_together() -> None:
    """It has the plugin's name, each platform once, only those on which a file with `#!` can be run; what is run is installed."""
    manifest: dict[str, Any] = yaml.safe_load(KREW.read_text())
    platforms = manifest["spec"]["platforms"]
    systems = [value for each in platforms for rule in each["selector"]["matchExpressions"] for value in rule["values"]]

    assert manifest["metadata"]["name"] == KREW.stem
    assert sorted(systems) == ["darwin", "linux"]
    for each in platforms:
        assert {"from": each["bin"], "to": "."} in each["files"]
        assert f"/{manifest['spec']['version']}/" in each["uri"]


def test_the_keys_of_k9s() -> None:
    """Each calls a command of the plugin on the chosen task; those that change one are dangerous, and ask. No key has two meanings."""
    plugins: dict[str, Any] = yaml.safe_load(K9S.read_text())["plugins"]
    verbs = {key: next(word for word in each["args"] if word in COMMANDS) for key, each in plugins.items()}
    keys = [each["shortCut"] for each in plugins.values()]

    assert set(verbs.values()) == READING | {verb.value for verb in Verb}
    assert len(set(keys)) == len(keys)
    assert set(keys) & TAKEN == set()
    for key, each in plugins.items():
        assert each["scopes"] == ["obtasks"]
        assert [word for word in each["args"] if re.match(r"\$[A-Z]", word)] == ["$NAME", "$NAMESPACE", "$CONTEXT", "$KUBECONFIG"]
        changes = verbs[key] not in READING
        assert (each.get("dangerous", False), each.get("confirm", False)) == (changes, changes), key
