"""Owns what a server answers, or why there is no answer, and how CEL sees it. Pure."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

KEPT_BYTES = 1024 * 1024
UINT64 = 2**64
INT64_MIN = -(2**63)
LONGEST_INTEGER = 20

_LARGE = re.compile("[0-9]{19}")
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a server answered; ``stopped`` says why a redirect was not followed, ``cut`` that there was more than is kept."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    text: str = field(repr=False)
    size: int
    cut: bool
    stopped: str | None = None

    @property
    def ok(self) -> bool:
        """True for 2xx."""
        return self.status // 100 == 2  # noqa: PLR2004 - the class of success

    @property
    def content_type(self) -> str:
        """The kind of body, without its parameters."""
        return dict(self.named()).get("content-type", "").partition(";")[0].strip().lower()

    def named(self) -> dict[str, str]:
        """Return the headers with lower-case names; what came several times is joined."""
        found: dict[str, list[str]] = {}
        for name, value in self.headers:
            found.setdefault(name.lower(), []).append(value)
        return {name: ", ".join(values) for name, values in found.items()}


@dataclass(frozen=True, slots=True)
class Unreached:
    """Why there is no answer. If the request may have been sent, its outcome is unknown."""

    message: str
    sent: bool


@dataclass(frozen=True, slots=True)
class HttpRefused:
    """The administrator does not let tasks go there."""

    message: str


def variables(answer: HttpAnswer) -> dict[str, Any]:
    """Return the variables of an expression over the answer."""
    headers = {name: _text(value) for name, value in answer.named().items()}
    return {"status": answer.status, "headers": headers, "body": _body(answer)}


def _body(answer: HttpAnswer) -> Any:
    """Return JSON as values where the server says so, or where it can be nothing else; otherwise the text."""
    kind, start = answer.content_type, answer.text.lstrip()[:1]
    if not answer.cut and (kind.endswith(("/json", "+json", "-json")) or start in ("{", "[")):
        try:
            large = _LARGE.search(answer.text) is not None  # looking at each number takes three times as long
            value = json.loads(answer.text, strict=False, parse_int=_integer if large else None, parse_constant=_no_constant)
            return _value(value) if "\\u" in answer.text else value  # only escapes make texts that CEL does not take
        except (ValueError, RecursionError):
            pass  # not JSON, despite its content type
    return _text(answer.text)


def _value(value: Any) -> Any:
    match value:
        case str():
            return _text(value)
        case list():
            return [_value(item) for item in value]
        case dict():
            return {_text(name): _value(item) for name, item in value.items()}
        case _:
            return value


def _integer(text: str) -> int | float:
    number = int(text) if len(text) <= LONGEST_INTEGER else float(text)
    return number if isinstance(number, float) or INT64_MIN <= number < UINT64 else float(number)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _text(text: str) -> str:
    # The CEL library cuts texts at NUL, and takes no broken characters.
    return _NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)
