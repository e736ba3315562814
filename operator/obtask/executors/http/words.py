"""Owns what people are told about an answer, or about why there is none. Pure."""

import re
import ssl
from collections.abc import Callable
from http import HTTPStatus

import aiohttp

from obtask.executors.http.answers import HttpAnswer
from obtask.executors.network.sessions import CONNECT_SECONDS, Disconnected

SHOWN_BODY = 200
_ENCODING = re.compile(r"content-encoding: ?([-\w ()]{1,40})", re.IGNORECASE)


def shown(answer: HttpAnswer, beginning: Callable[[str], str]) -> str:
    """Return a short form of the answer: ``HTTP 200 OK: {"state": "done"}``.

    ``beginning`` returns the beginning of a text with secrets masked; half a secret at the end of a cut text would not be recognised.
    """
    line = status_line(answer.status)
    if answer.stopped is not None:
        return f"{line}: {answer.stopped}"
    body = " ".join(beginning(answer.text).split())
    short = body if len(body) <= SHOWN_BODY else body[: SHOWN_BODY - 1] + "…"
    more = " (the body was cut at 1 MiB)" if answer.cut else ""
    return f"{line}: {short}{more}" if short else line


def status_line(status: int) -> str:
    """Return the status with its standard phrase; the server's own phrase could be anything."""
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def why_no_answer(error: Exception, where: str) -> str:
    """Return what went wrong; the text of some errors holds whole URLs, and is left out."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            cause = error.certificate_error
            detail = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else "it does not fit the host"
            return f"cannot verify the TLS certificate of {where}: {detail}"
        case aiohttp.ClientConnectorSSLError():
            return f"cannot connect to {where}: TLS failed ({error.os_error.__class__.__name__})"
        case aiohttp.ClientConnectorError():
            detail = error.os_error.strerror or type(error.os_error).__name__
            return f"cannot connect to {where}: {_plain(detail)}"
        case aiohttp.ConnectionTimeoutError():
            return f"cannot connect to {where} within {CONNECT_SECONDS:g} s"
        case TimeoutError():
            return f"{where}: the answer is large, and takes too long to come"
        case Disconnected():
            return f"{where}: {error}"
        case aiohttp.ClientResponseError() if (encoding := _ENCODING.search(str(error))) is not None:
            return f"{where} answers in an encoding that was not asked for and cannot be read: {encoding[1].strip()}"
        case aiohttp.ClientPayloadError():
            return f"{where}: the answer broke off"
        case aiohttp.ClientResponseError():
            return f"{where} does not answer as HTTP wants it"
        case _:
            return f"{where}: {type(error).__name__}"


def _plain(detail: str) -> str:
    """Return the system's text without the addresses that asyncio puts around it."""
    return detail.partition("[Errno")[0].strip().lower() if not detail.startswith("Connect call") else "connection refused"
