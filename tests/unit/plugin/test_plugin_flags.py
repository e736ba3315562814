"""kubectl's flags: every one is passed on as it was given, whether before or after the command, in any form that kubectl takes."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import click
import pytest
from tests.support.plugin import on_screen

from kubectl_obtask.cli import build
from kubectl_obtask.commands.web import KNOWN
from kubectl_obtask.options import FLAGS, TASK, Flag, Given
from kubectl_obtask.session import session

# A task that failed, for whom every command is allowed, and has been answered; also a list that has it, and a template.
ANSWERED = {
    "kind": "OBTask",
    "metadata": {"name": "x", "uid": "u", "namespace": "prod", "resourceVersion": "5"},
    "spec": {"type": "Cluster", "maintenance": "None", "cluster": "c", "steps": [{"name": "a", "wait": {"seconds": 1}}]},
    "status": {
        "phase": "Failed",
        "currentStep": "a",
        "allowedActions": ["retry", "rollback", "skip", "skip-step", "cancel", "approve"],
        "lastAction": {"id": "5", "result": "Accepted"},
        "failedSubtask": {"step": "a", "subtask": "a", "attempt": 1},
        "steps": [{"name": "a", "phase": "Failed", "subtasks": [{"name": "a", "phase": "Failed", "attempts": 1}]}],
    },
}
RECORDER = f"""#!/bin/sh
echo "$@" >> "$RECORD"
case "$*" in "config view --raw "*) exit 1;; config*) echo prod;; *) echo '{json.dumps(ANSWERED | {"items": [ANSWERED]})}';; esac
"""
COMMANDS = build()
VERBS = COMMANDS.list_commands(click.Context(COMMANDS))
ALONE = {"version", "completion"}
# What a command has to be told besides its flags.
WORDS = {
    **dict.fromkeys(("list", "locks", "templates", "watch", "web", "version"), ""),
    **dict.fromkeys(("tree", "logs", "why", "wait"), "x"),
    **dict.fromkeys(("retry", "rollback", "skip", "skip-step", "cancel", "approve"), "x -y"),
    "run": "--template x -p cluster=c --name x",
    "download": "x -o -",
    "completion": "bash",
}
GIVEN = [flag for flag in FLAGS if flag.name != "namespace"]


def switches(verb: str) -> Iterator[tuple[str, str]]:
    """Yield each way to write a switch of a command, and the name of its parameter."""
    command = COMMANDS.get_command(click.Context(COMMANDS), verb)
    for option in command.params if command is not None else ():
        if isinstance(option, click.Option) and option.is_flag:
            yield from ((each, str(option.name)) for each in option.opts)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a user whose kubectl notes what it is called with."""
    (folder / "kubectl").write_text(RECORDER)
    (folder / "kubectl").chmod(0o755)
    (folder / "record").write_text("")
    return {"PATH": f"{folder}:/usr/bin:/bin", "RECORD": str(folder / "record"), "TERM": "xterm", "LC_ALL": "C.UTF-8"}


def recorded(folder: Path) -> list[list[str]]:
    """Return the words of every call of kubectl until now."""
    return [line.split() for line in (folder / "record").read_text().splitlines()]


def ended(folder: Path, *words: str) -> str:
    """Run a command to its end; return what it says of its failure."""
    around = environment(folder)
    return subprocess.run(  # noqa: S603 - words of the test
        [sys.executable, "-m", "kubectl_obtask", *words], check=False, env=around, stdin=subprocess.DEVNULL, capture_output=True
    ).stderr.decode()


def calls(folder: Path, *words: str) -> list[list[str]]:
    """Return the words of every call of kubectl that a command makes."""
    ended(folder, *words)
    return recorded(folder)


def as_typed(flags: Sequence[Flag]) -> list[str]:
    """Return flags as a user types them."""
    return [word for flag in flags for word in ([f"--{flag.name}"] if flag.switch else [f"--{flag.name}", "x"])]


def as_passed(flags: Sequence[Flag]) -> set[str]:
    """Return flags as kubectl gets them."""
    return {f"--{flag.name}" if flag.switch else f"--{flag.name}=x" for flag in flags}


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in {"watch", "web"}])
def test_every_command_passes_all_flags_on(verb: str, tmp_path: Path) -> None:
    """To each call of kubectl that it makes."""
    made = calls(tmp_path, verb, *WORDS[verb].split(), *as_typed(GIVEN), "-n", "prod")

    assert bool(made) == (verb not in ALONE)
    for words in made:
        assert as_passed(GIVEN) | {"--namespace=prod"} <= {*words}, words


def test_the_screen_passes_all_flags_on(tmp_path: Path) -> None:
    """To the list that it begins with, to the watch, and to what it reads besides."""
    line = [sys.executable, "-m", "kubectl_obtask", "watch", *as_typed(GIVEN), "-n", "prod"]
    with on_screen(line, environment(tmp_path)) as screen:
        screen.until("Failed")
        while not any("watch=true" in word for words in recorded(tmp_path) for word in words):
            assert screen.process.poll() is None
        screen.press("q")
        assert screen.left() == 0

    for words in recorded(tmp_path):
        assert as_passed(GIVEN) | {"--namespace=prod"} <= {*words}, words


def test_the_page_has_what_all_flags_lead_to(tmp_path: Path) -> None:
    """Its kubeconfig is what kubectl makes of the flags; those that a kubeconfig cannot say are refused, each by its name."""
    known = [flag for flag in GIVEN if f"--{flag.name}=" in KNOWN]
    others = [flag for flag in GIVEN if flag not in known]

    [made] = calls(tmp_path, "web", *as_typed(known), "-n", "prod")
    refused = ended(tmp_path, "web", *as_typed(GIVEN))

    assert made[:3] == ["config", "view", "--raw"]
    assert as_passed(known) | {"--namespace=prod"} <= {*made}
    assert {f"--{flag.name}=" for flag in known} == {*KNOWN}
    assert recorded(tmp_path) == []
    assert {*re.findall("--[a-z-]+", refused)} == {f"--{flag.name}" for flag in others}


@pytest.mark.parametrize("flag", GIVEN, ids=lambda flag: flag.name)
def test_every_flag_is_passed_on_to_every_call(flag: Flag, tmp_path: Path) -> None:
    """To the question for the namespace as to the list itself."""
    made = calls(tmp_path, "list", *as_typed([flag]))

    assert [words[0] for words in made] == ["config", "get"]
    assert all(as_passed([flag]) <= {*words} for words in made)


@pytest.mark.parametrize(
    "words",
    [
        ["-n", "prod", "--context=a", "list"],
        ["list", "--namespace=prod", "--context", "a"],
        ["--context", "b", "list", "-n=prod", "--context", "a"],
        ["list", "-nprod", "--context=a", "--insecure-skip-tls-verify=false"],
    ],
    ids=" ".join,
)
def test_flags_have_all_the_forms_that_kubectl_takes(words: list[str], tmp_path: Path) -> None:
    """What comes last counts, as in kubectl; the namespace need not be asked for."""
    [made] = calls(tmp_path, *words)

    assert made[2].startswith("/apis/task.oceanbase.com/v1alpha1/namespaces/prod/obtasks?")
    assert [word for word in made if word.startswith("--context")][-1] == "--context=a"
    assert made[-1] == "--namespace=prod"
    assert "--insecure-skip-tls-verify" not in made


SWITCHES = [(verb, option, name) for verb in VERBS for option, name in switches(verb)]


@pytest.mark.parametrize("value", ["true", "1", "T", "false", "False", "0"])
@pytest.mark.parametrize(("verb", "switch", "key"), SWITCHES, ids=str)
def test_every_switch_takes_the_values_that_kubectl_takes(verb: str, switch: str, key: str, value: str) -> None:
    """True is as if it stood there alone, false as if it did not; long or short."""
    command = COMMANDS.get_command(click.Context(COMMANDS), verb)
    assert command is not None
    words = [word for word in WORDS[verb].split() if word != "-y"]
    given = command.make_context(verb, [*words, f"{switch}={value}"], resilient_parsing=True).params

    assert given[key] is (value in {"true", "1", "T"})
    with pytest.raises(click.UsageError, match="is true or false"):
        command.make_context(verb, [f"{switch}=maybe"])


@pytest.mark.parametrize("before", [[], ["--context=a"]])
@pytest.mark.parametrize("value", ["-n=5 nodes were down", "-s=x", "--insecure-skip-tls-verify=false", "-A=true", "--", "-n", "-y=1"])
@pytest.mark.parametrize("word", ["--reason", "--reason="])
def test_what_an_option_is_given_stays_as_it_is(word: str, value: str, before: list[str], tmp_path: Path) -> None:
    """A reason may look like a flag of kubectl: it is kept in the history as it was typed, and nothing else changes."""
    given = [word + value] if word.endswith("=") else [word, value]
    environment(tmp_path)
    recorder = tmp_path / "kubectl"
    recorder.write_text(RECORDER.replace('echo "$@"', 'for word in "$@"; do echo "$word"; done'))
    line = [sys.executable, "-m", "kubectl_obtask", *before, "retry", "x", *given, "-n=prod", "-y=true", "--no-wait=true"]
    around = {"PATH": f"{tmp_path}:/usr/bin:/bin", "RECORD": str(tmp_path / "record"), "LC_ALL": "C.UTF-8"}
    subprocess.run(line, env=around, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603 - words of the test
    words = (tmp_path / "record").read_text().splitlines()

    assert f"task.oceanbase.com/action-reason={value}" in words
    assert {each for each in words if each.startswith(("--namespace=", "--server=", "--insecure"))} == {"--namespace=prod"}


def test_names_stay_in_their_segment_of_the_path(tmp_path: Path) -> None:
    """A name from the command line cannot reach another path."""
    made = calls(tmp_path, "list", "-n", "../../../api/v1/secrets?a=b")

    assert made[0][2].startswith("/apis/task.oceanbase.com/v1alpha1/namespaces/..%2F..%2F..%2Fapi%2Fv1%2Fsecrets%3Fa%3Db/obtasks?")


@pytest.mark.parametrize("given", ["a,status.phase!=Failed", "a=b", "a\\", "a\\,b", ",", "租户"])
@pytest.mark.parametrize(
    ("words", "field"), [(["list", "--tenant"], "spec.tenant"), (["wait", "--timeout=1s"], "metadata.name")], ids=["list", "wait"]
)
def test_what_a_user_gives_is_one_value_of_a_selector(words: list[str], field: str, given: str, tmp_path: Path) -> None:
    """As the API server reads selectors: whatever is in it ends no condition, and adds none."""
    made = calls(tmp_path, *words, given, "-n", "prod")
    asked = [parse_qs(urlsplit(word).query)["fieldSelector"][0] for words in made for word in words if "fieldSelector=" in word]

    assert asked
    for selector in asked:
        terms = re.findall(r"((?:\\.|[^\\,=!])+)=((?:\\.|[^\\,=])*)(?:,|$)", selector)
        assert [(name, re.sub(r"\\(.)", r"\1", value)) for name, value in terms] == [(field, given)]


PRINTING = [[verb, *WORDS[verb].split()] for verb in ("list", "tree", "why", "templates", "run", "download", "version", "completion")]


@pytest.mark.parametrize("words", [[], *PRINTING, *([verb, "--help"] for verb in VERBS)], ids=" ".join)
def test_a_full_disk_is_an_error_of_one_line(words: list[str], tmp_path: Path) -> None:
    """Whatever command was to print, the error is the system's own, and no traceback."""
    with Path("/dev/full").open("wb") as full:
        line = [sys.executable, "-m", "kubectl_obtask", *words]
        done = subprocess.run(  # noqa: S603 - words of the test
            line, check=False, env=environment(tmp_path), stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE
        )

    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == "kubectl obtask: No space left on device"
    assert "Traceback" not in done.stderr.decode()


def test_secrets_are_not_repeated() -> None:
    """A token that was given is not in the lines that the user is told to type."""
    line = session(Given(("--token=abc", "--password=def", "--context=a b"), "prod")).command_line("why", "x")

    assert line == "kubectl obtask why x -n prod '--context=a b'"


def test_names_may_be_those_that_kubectl_prints() -> None:
    """`kubectl obtask list -o name` can be given to any other command; objects of another kind cannot."""
    assert TASK.convert("obtasks.task.oceanbase.com/resize", None, None) == TASK.convert("resize", None, None) == "resize"
    with pytest.raises(click.BadParameter, match="is no task"):
        TASK.convert("secret/resize", None, None)
