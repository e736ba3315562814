"""Owns one attempt's conversation with the API server as its service account: retries, warnings, following an object."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from obtask.executors.base import Log
from obtask.executors.inprocess import Reporter
from obtask.executors.network.large_answers import SMALL_BYTES
from obtask.executors.resource.objects import Named, Target
from obtask.executors.resource.words import FORBIDDEN, GONE, INTERNAL_ERROR, NOT_FOUND, failed
from obtask.executors.until import pauses
from obtask.kube.api import ApiBusy, ApiError, ApiUnavailable, BadName, Json
from obtask.kube.discovery import Discovery, Served, is_about_kind
from obtask.kube.impersonation import ApiAnswer, Impersonation, ServiceAccount
from obtask.model.attempt import Failed
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason
from obtask.shares import Slots

FIRST_PAUSE_SECONDS = 0.5
PAUSES = wait_exponential(FIRST_PAUSE_SECONDS, max=8)
ASK_AGAIN_SECONDS = 15.0
SHOWN_TROUBLE = 300
KIND_PAUSES = (0.25, 0.5, 1.0, 1.5, 1.75)

_T = TypeVar("_T")


class ResourceConversation:
    """One attempt's requests. They are repeated while the API server does not answer; the caller enforces the deadline."""

    def __init__(
        self,
        account: ServiceAccount,
        impersonation: Impersonation,
        discovery: Discovery,
        *,
        log: Log,
        report: Reporter,
        confirmed: Callable[[], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]],
        watch_seconds: int,
        rooms: Slots,
    ) -> None:
        self.account = account
        self.log = log
        self.report = report
        self._impersonation = impersonation
        self._discovery = discovery
        self._confirmed = confirmed
        self._sleep = report.pausing(sleep)
        self._sleep_in_place = sleep
        self._rooms = rooms
        self._has_room = False
        self._watch_seconds = watch_seconds
        self.kind_is_gone = False  # discovery is out of date: find the object again

    @asynccontextmanager
    async def room(self) -> AsyncGenerator[None]:
        """Reserve memory for an object, which may have megabytes, for the duration of the block.

        Meanwhile the attempt keeps its slot: others that hold slots may be waiting for the memory.
        """
        async with self._rooms.of(self.account.namespace):
            self._has_room = True
            try:
                yield
            finally:
                self._has_room = False

    async def find(self, wanted: Named, namespace: str) -> Target | Failed:
        """Return where the object is; a kind that the API server does not know yet is waited for, for some seconds."""
        self.kind_is_gone = False
        served = await self._served(wanted)
        if isinstance(served, ApiError):
            return self.failed(served)
        target = Target(served, (wanted.namespace or namespace) if served.namespaced else None, wanted.name)
        try:
            _ = target.path
        except BadName as error:
            return Failed(FailureReason.NOT_FOUND, str(error))
        return target

    async def _served(self, wanted: Named) -> Served | ApiError:
        """Look for some seconds: the CRD may just have been created."""
        told = False
        for pause in (*KIND_PAUSES, None):
            served = await self.persist(lambda: self._discovery.find(wanted.api_version, wanted.kind))
            if pause is None or not isinstance(served, ApiError) or not served.missing:
                break
            if not told:
                self.log.write(f"{served.message} yet: asking again for {sum(KIND_PAUSES):g} s")
                told = True
            await self._sleep(pause)
        return served

    def _note(self, answer: object, served: Served) -> None:
        if isinstance(answer, ApiError) and is_about_kind(answer):
            self._discovery.forget(served)
            self.kind_is_gone = True

    async def read(self, target: Target) -> Json | ApiError:
        """Return the object as it is now."""
        answer = await self.persist(lambda: self._impersonation.send(self.account, "GET", target.path))
        self._note(answer, target.served)
        self.is_large = not isinstance(answer, ApiError) and answer.octets > SMALL_BYTES
        return answer if isinstance(answer, ApiError) else _meant(target, answer.body)

    async def write(
        self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None, content_type: str | None = None
    ) -> ApiAnswer | ApiError:
        """Send a change, which must be harmless when it is sent twice; what the server warns of goes into the log."""

        async def once() -> ApiAnswer | ApiError:
            await self._confirmed()
            before, self.report.touched = self.report.touched, True
            answer = await self._impersonation.send(self.account, method, path, query=query, body=body, content_type=content_type)
            if isinstance(answer, ApiError) and answer.status < INTERNAL_ERROR:
                self.report.touched = before  # what was sent earlier, and never answered, may have arrived
            return answer

        answer = await self.persist(once)
        for warning in () if isinstance(answer, ApiError) else answer.warnings:
            self.log.write(f"the API server warns: {warning}")
        return answer

    async def persist(self, request: Callable[[], Awaitable[_T]]) -> _T:
        """Return the answer to a request; asks again while there is none."""

        async def once() -> _T:
            try:
                return await request()
            except ApiUnavailable as error:
                self._say_unavailable(error)
                raise

        sleep = self._sleep_in_place if self._has_room else self._sleep
        return await AsyncRetrying(retry=retry_if_exception_type(ApiUnavailable), wait=PAUSES, sleep=sleep)(once)

    async def follow(self, target: Target, longest: float | None = None) -> AsyncGenerator[Json | ApiError]:
        """Yield the object as it is, then at each change; an ApiError is the last thing, ``missing`` if the object is gone.

        What cannot be watched is read again after pauses that grow up to ``longest`` seconds.
        Nothing is kept of an object while the next change is waited for: it may have megabytes, and thousands may wait.
        """
        too_old = ""
        unwatched = pauses(min(ASK_AGAIN_SECONDS, longest or ASK_AGAIN_SECONDS), longest)
        while True:
            async with self.room():
                live = await self.read(target)
                yield live
                if isinstance(live, ApiError):
                    return
                version = live["metadata"]["resourceVersion"]
                del live
            # What waits for a change holds no slot, and only so many hold a connection to the API server: the others ask again.
            async with self.report.resting() as connected:
                if connected:
                    async with aclosing(self._changes(target, None if version == too_old else version)) as changes:
                        async for change in changes:
                            if isinstance(change, ApiError) and change.status not in {FORBIDDEN, NOT_FOUND}:
                                too_old = version if change.status == GONE else too_old
                                break
                            if change is None:
                                async with self.room():
                                    yield (change := await self.read(target))
                            else:
                                yield change
                            if isinstance(change, ApiError):
                                return
                            del change
                            await self.report.turn()
            await self._sleep(FIRST_PAUSE_SECONDS if connected else next(unwatched))

    def failed(self, refusal: ApiError, target: Target | None = None) -> Failed:
        """Return a refusal, of a request about this object, as the end of an attempt."""
        return failed(refusal, about_secret=target is not None and target.is_secret)

    async def _changes(self, target: Target, version: str | None) -> AsyncGenerator[Json | ApiError | None]:
        """Yield what becomes of the object; None of one that is large: it is read where there is room for it."""
        watch = self._impersonation.watch(self.account, target.collection, target.name, version=version, seconds=self._watch_seconds)
        try:
            async with aclosing(watch) as changes:
                async for change in changes:
                    if isinstance(change, ApiError):
                        yield change
                    elif change.kind == "DELETED":
                        yield ApiError(NOT_FOUND, "NotFound", f"{target} was deleted")
                    elif change.kind in {"ADDED", "MODIFIED"} and change.octets > SMALL_BYTES:
                        del change
                        yield None
                        continue
                    elif change.kind in {"ADDED", "MODIFIED"}:
                        yield _meant(target, change.body)
                    del change
        except ApiUnavailable as error:
            self._say_unavailable(error)

    def _say_unavailable(self, error: ApiUnavailable) -> None:
        what = "wants to be asked later" if isinstance(error, ApiBusy) else "does not answer"
        text = one_line(f"the API server {what}, trying again: {error}", SHOWN_TROUBLE)
        self.log.write(text)
        self.report(text)


def _meant(target: Target, body: Json) -> Json | ApiError:
    """Refuse an object of another kind than requested: a Secret must not be shown or kept as something else."""
    if body.get("kind") == target.served.kind:
        return body
    return ApiError(FORBIDDEN, "Forbidden", f"the API server answered with another kind of object than {target.served.kind}")
