"""Owns the flags that every command has: those of kubectl, passed on unread, and our own of language and colour."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


# How kubectl writes an object: RESOURCE/NAME, with or without the group.
RESOURCES: Final = {
    "task": ("obtask", "obtasks", "obt"),
    "template": ("obtasktemplate", "obtasktemplates", "obtt", "clusterobtasktemplate", "clusterobtasktemplates", "cobtt"),
}


class Name(click.ParamType[str]):
    """A name that a shell can complete: it is looked up only then."""

    def __init__(self, kind: str) -> None:
        self.name = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, also of what `-o name` printed; another kind of object is refused."""
        resource, slash, name = str(value).rpartition("/")
        if not slash or self.name not in RESOURCES:
            return str(value)
        if resource.partition(".")[0] not in RESOURCES[self.name]:
            self.fail(f"{value!r} is no {self.name}", param, ctx)
        return name

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":  # noqa: ARG002 - Click's interface
        """Return the names that begin so."""
        found: list[CompletionItem] = import_module("kubectl_obtask.completing").candidates(self.name, ctx, incomplete)
        return found


TASK: Final = Name("task")
STEP: Final = Name("step")
SUBTASK: Final = Name("subtask")
TEMPLATE: Final = Name("template")


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of kubectl. ``switch``: it needs no value. ``many``: it may be given several times. ``kind``: of what it names."""

    name: str
    short: str = ""
    switch: bool = False
    many: bool = False
    kind: str = ""

    @property
    def key(self) -> str:
        """The name of its parameter, which no option of a command has."""
        return f"kubectl_{self.name.replace('-', '_')}"


FLAGS: Final = (
    Flag("kubeconfig"),
    Flag("context", kind="context"),
    Flag("cluster", kind="cluster"),
    Flag("user", kind="user"),
    Flag("namespace", "n", kind="namespace"),
    Flag("as"),
    Flag("as-group", many=True),
    Flag("as-uid"),
    Flag("as-user-extra", many=True),
    Flag("token"),
    Flag("server", "s"),
    Flag("tls-server-name"),
    Flag("certificate-authority"),
    Flag("client-certificate"),
    Flag("client-key"),
    Flag("insecure-skip-tls-verify", switch=True),
    Flag("request-timeout"),
    Flag("cache-dir"),
    Flag("disable-compression", switch=True),
    Flag("match-server-version", switch=True),
    Flag("kuberc"),
    Flag("v", "v"),
    Flag("vmodule"),
    Flag("log-flush-frequency"),
    Flag("warnings-as-errors", switch=True),
    Flag("username"),
    Flag("password"),
    Flag("profile"),
    Flag("profile-output"),
)
# Never shown, not even to the user who gave them: what is shown may be copied elsewhere.
SECRETS: Final = ("--token=", "--password=")
NAMESPACE: Final = next(flag for flag in FLAGS if flag.name == "namespace")
LANGUAGE: Final = "obtask_lang"
COLOUR: Final = "obtask_color"
# What Go takes for true and false, as kubectl does.
TRUE: Final = frozenset({"1", "t", "T", "true", "True", "TRUE"})
FALSE: Final = frozenset({"0", "f", "F", "false", "False", "FALSE"})


@dataclass(frozen=True, slots=True)
class Given:
    """The flags that were given to a command, or to the program before the command."""

    connection: tuple[str, ...] = ()
    namespace: str | None = None
    language: str | None = None
    colour: str = "auto"

    def then(self, later: "Given") -> "Given":
        """Return both; what comes later on the command line counts."""
        return Given(
            self.connection + later.connection,
            later.namespace or self.namespace,
            later.language or self.language,
            later.colour if later.colour != "auto" else self.colour,
        )


def shared_options() -> list[click.Parameter]:
    """Return the options that every command has; kubectl's are not listed in the help, as in kubectl's own."""
    options: list[click.Parameter] = []
    for flag in FLAGS:
        names = [flag.key, f"--{flag.name}", *([f"-{flag.short}"] if flag.short else [])]
        shown = {"help": "Namespace of the task.", "metavar": "NAME"} if flag is NAMESPACE else {"hidden": True}
        kind = Name(flag.kind) if flag.kind else None
        options.append(click.Option(names, type=kind, is_flag=flag.switch, multiple=flag.many, **shown))
    options.append(click.Option([LANGUAGE, "--lang"], type=click.Choice(["en", "zh"]), help="Language. Default: that of the locale."))
    options.append(click.Option([COLOUR, "--color"], type=click.Choice(["auto", "always", "never"]), default="auto", help="Colours."))
    return options


def taken(parameters: dict[str, Any]) -> Given:
    """Take what was given for the shared options out of the parameters of a command."""
    connection = tuple(word for flag in FLAGS if flag is not NAMESPACE for word in _words(flag, parameters.pop(flag.key, None)))
    return Given(
        connection,
        parameters.pop(NAMESPACE.key, None),
        parameters.pop(LANGUAGE, None),
        parameters.pop(COLOUR, None) or "auto",
    )


def normalised(words: Sequence[str], parameters: Iterable[click.Parameter], *, to_the_first: bool = False) -> list[str]:
    """Return the words of a command line in a form that Click reads as kubectl does: `-n=x`, `--switch=true`.

    The value of an option stays as it is, whatever it looks like. ``to_the_first``: what follows the first argument is left alone.
    """
    switches = {name: option.is_flag for option in parameters if isinstance(option, click.Option) for name in option.opts}
    found: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--" or (to_the_first and not _is_option(word)):
            return [*found, word, *left]
        made = _long(word, switches) if word.startswith("--") else _short(word, switches)
        found += made
        if made == [word] and switches.get(_option(word, switches)) is False:
            found += islice(left, 1)
    return found


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _long(word: str, switches: Mapping[str, bool]) -> list[str]:
    name, equals, value = word.partition("=")
    if not equals or not switches.get(name):
        return [word]
    return [name] if _truth(name, value) else []


def _short(word: str, switches: Mapping[str, bool]) -> list[str]:
    """Return a word of one-letter options: all but the last one are switches, and that may have its value behind an equals sign."""
    letters, equals, value = word.partition("=")
    if not equals or not _is_option(letters) or any(not switches.get(f"-{letter}") for letter in letters[1:-1]):
        return [word]
    last = f"-{letters[-1]}"
    match switches.get(last):
        case None:
            return [word]
        case False:
            return [letters, value]
        case True:
            before = letters[:-1]
            return [each for each, there in ((before, before != "-"), (last, _truth(last, value))) if there]


def _option(word: str, switches: Mapping[str, bool]) -> str:
    """Return the option whose value has to follow a word; no option if none has to."""
    if word.startswith("--") or not _is_option(word):
        return word
    at = next((at for at, letter in enumerate(word[1:], 1) if not switches.get(f"-{letter}")), 0)
    return f"-{word[at]}" if at == len(word) - 1 else ""


def _truth(name: str, value: str) -> bool:
    if value not in TRUE | FALSE:
        raise click.UsageError(f"{name} is true or false, not {value!r}")
    return value in TRUE


def _words(flag: Flag, value: Any) -> Iterator[str]:
    name = f"--{flag.name}"
    if flag.switch:
        if value:
            yield name
    else:
        for each in value if flag.many and value else [] if value in {None, ()} else [value]:
            yield f"{name}={each}"
