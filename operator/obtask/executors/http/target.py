"""Owns one attempt's conversation with a server: requests, allowed redirects, bounded answers, and their log."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import aiohttp

from obtask.executors.base import Log
from obtask.executors.http.answers import KEPT_BYTES, HttpAnswer, HttpRefused, Unreached
from obtask.executors.http.decoding import decoded, unpacked
from obtask.executors.http.requests import Request, redirected
from obtask.executors.http.words import status_line, why_no_answer
from obtask.executors.inprocess import Reporter
from obtask.executors.network.large_answers import SMALL_BYTES, Share
from obtask.executors.network.lookup import HostRefused
from obtask.executors.network.sessions import Disconnected
from obtask.masking.body import without_json_secrets
from obtask.masking.http import shown_headers, shown_url, without_query
from obtask.masking.secrets import Secrets, masked, without_end
from obtask.model.limits import one_line

MOST_REDIRECTS = 5
READ_FOR_SHOWING = 16 * 1024
LOGGED_BODY = 4096
LONGEST_FORM = 6  # a secret grows by this factor if every character is written as \u0041
SHOWN_LINE = 300
CHUNK = 64 * 1024


class HttpConversation:
    """Sends requests of one attempt, each at most once."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        log: Log,
        report: Reporter,
        clock: Callable[[], datetime],
        confirmed: Callable[[], Awaitable[None]],
        share: Share,
    ) -> None:
        self._session = session
        self._log = log
        self._report = report
        self._clock = clock
        self._confirmed = confirmed
        self._share = share
        self._secrets: set[str] = set()
        self._forms = Secrets()
        self._sent = False

    def hide(self, *secrets: str) -> None:
        """Mask these values from now on."""
        # A server may echo a value without the white space around it.
        for secret in dict.fromkeys(form for given in secrets for form in (given, given.strip())):
            if secret.strip():
                self._secrets.add(secret)
                self._forms.add(secret)
                self._log.hide(secret)

    def clean(self, text: str) -> str:
        """Return the text without secrets."""
        return masked(text, self._secrets)

    def beginning(self, text: str) -> str:
        """Return the beginning of a server's text with secrets masked, and without a possibly cut secret at its end."""
        read = self.clean(without_json_secrets(text[:READ_FOR_SHOWING]))
        if not self._forms.heavy:  # else those that are written in other forms are found later, if they are whole
            read = self._forms.mask([read])[0]
        return read if len(text) <= READ_FOR_SHOWING else without_end(read, [secret * LONGEST_FORM for secret in self._secrets])

    def forget(self) -> None:
        """Release the last answer: the memory that it occupies may be given to others."""
        self._share.leave()

    async def ask(self, first: Request, *, quiet: bool = False) -> HttpAnswer | Unreached | HttpRefused:
        """Send the request and return the last answer; a quiet one, asked again and again, is neither logged nor reported."""
        self._sent = False
        self.forget()
        line = self.clean(f"{first.method} {shown_url(first.url)}")
        try:
            return await self._follow(first, line, quiet=quiet)
        except HostRefused as refused:
            return HttpRefused(str(refused))
        except asyncio.CancelledError:
            if self._sent and not quiet:
                self._log.write(f"{line}: stopped waiting for the answer and closed the connection: outcome unknown")
            raise
        except (aiohttp.ClientError, Disconnected, OSError, ValueError) as error:
            outcome = "outcome unknown" if self._sent else "nothing was sent"
            failed = Unreached(self.clean(f"{why_no_answer(error, without_query(first.url))}: {outcome}"), self._sent)
            if not quiet:
                self._log.write(f"{line}: {failed.message}")
            return failed

    async def _follow(self, request: Request, line: str, *, quiet: bool) -> HttpAnswer:
        for hop in range(MOST_REDIRECTS + 1):
            answer = await self._once(request, line if hop == 0 else self.clean(f"{request.method} {shown_url(request.url)}"), quiet=quiet)
            following = redirected(request, answer.status, answer.named().get("location"))
            if following is None:
                return answer
            if isinstance(following, str):
                return _stopped(answer, following)
            request = following
        return _stopped(answer, f"more than {MOST_REDIRECTS} redirects, the last one to {without_query(request.url)}")

    async def _once(self, request: Request, line: str, *, quiet: bool) -> HttpAnswer:
        short = one_line(line, SHOWN_LINE)
        refused = request.secret.refusal(request.url)
        if refused is not None:
            raise HostRefused(refused)

        async def before_sending() -> None:
            # Another operator may have taken over while we connected.
            if not request.safe:
                await self._confirmed()
            self._sent = True
            if not quiet:
                self._report.touched = True
                self._report(f"{short}: sent, waiting for the answer")

        if not quiet:
            self._log.write(line)
            size = "" if request.body is None else f"; body: {len(request.body)} bytes"
            self._log.write(self.clean(f"request headers: {shown_headers(request.headers)}{size}"))
            self._report(f"{short}: connecting")
        if not request.safe:
            await self._confirmed()
        began = self._clock()
        async with self._session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            trace_request_ctx=before_sending,
        ) as response:
            answer = await _read(response, self._share)
            if answer.cut:
                response.close()
        if not quiet:
            self._tell(answer, (self._clock() - began).total_seconds())
        return answer

    def _tell(self, answer: HttpAnswer, seconds: float) -> None:
        cut = ", cut at 1 MiB" if answer.cut else ""
        self._log.write(f"{status_line(answer.status)}, {seconds * 1000:.0f} ms, {answer.size} bytes{cut}")
        self._log.write(self.clean(f"answer headers: {shown_headers(answer.headers)}"))
        if answer.text:
            text = self.beginning(answer.text)
            more = f"\n… of {answer.size} bytes" if len(text) > LOGGED_BODY else ""
            self._log.write(text[:LOGGED_BODY] + more)


async def _read(response: aiohttp.ClientResponse, share: Share) -> HttpAnswer:
    kept = bytearray()
    while len(kept) <= KEPT_BYTES:
        if len(kept) > SMALL_BYTES:
            await share.enter()
        async with asyncio.timeout(share.seconds_left):
            chunk = await response.content.read(CHUNK)
        if not chunk:
            break
        kept += chunk
    if response.headers.get("Content-Encoding", "").strip().lower() == "x-gzip":
        kept = unpacked(kept, KEPT_BYTES + 1)
    cut = len(kept) > KEPT_BYTES
    del kept[KEPT_BYTES:]
    headers = tuple(response.headers.items())
    text = decoded(bytes(kept), response.headers.get("Content-Type", ""), cut=cut)
    return HttpAnswer(response.status, headers, text, len(kept), cut)


def _stopped(answer: HttpAnswer, why: str) -> HttpAnswer:
    return HttpAnswer(answer.status, answer.headers, answer.text, answer.size, answer.cut, stopped=why)
