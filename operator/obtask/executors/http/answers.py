"""Owns what a server answers, or why there is no answer, and how CEL sees it. Pure."""

import contextlib
from dataclasses import dataclass, field
from typing import Any

from obtask.executors.foreign_values import parsed, usable_text

KEPT_BYTES = 1024 * 1024


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
    headers = {name: usable_text(value) for name, value in answer.named().items()}
    return {"status": answer.status, "headers": headers, "body": _body(answer)}


def _body(answer: HttpAnswer) -> Any:
    """Return JSON as values where the server says so, or where it can be nothing else; otherwise the text."""
    kind, start = answer.content_type, answer.text.lstrip()[:1]
    if not answer.cut and (kind.endswith(("/json", "+json", "-json")) or start in ("{", "[")):
        with contextlib.suppress(ValueError):  # not JSON, despite its content type
            return parsed(answer.text)
    return usable_text(answer.text)
