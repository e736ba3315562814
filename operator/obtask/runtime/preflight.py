"""Owns the checks before the operator starts: does the CRD keep what it writes, and has it the rights that it needs."""

import asyncio
import logging
import re
from collections.abc import Iterable
from importlib.metadata import version
from itertools import groupby

from obtask import names
from obtask.kube.access import Purpose, Right, refused
from obtask.kube.api import ApiError, ApiUnavailable
from obtask.kube.client import Api
from obtask.kube.discovery import published_schema
from obtask.model.compatibility import Schema, losses
from obtask.model.schema import DISTRIBUTION, task_schema
from obtask.runtime.rights import CLUSTER_WIDE, INDISPENSABLE, LEADING, OPTING_IN, purposes
from obtask.settings import Settings

logger = logging.getLogger(__name__)

# The schema of a new CRD and the rights of a new role take effect a moment after they were accepted.
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.5
NAMED_AT_MOST = 3
INSTALL = "`helm upgrade` of the chart, or `obtask crd | kubectl apply --server-side -f -`"
LONGEST_DESCRIPTION = 1024

_MAKER = re.compile(rf"{DISTRIBUTION} \S+(?<!\.)")


class CannotStart(Exception):  # noqa: N818 - what follows from it
    """A precondition is not met; the text says which one, and what to type."""


async def check_cluster(api: Api, settings: Settings, *, wait_seconds: float = PATIENCE_SECONDS) -> None:
    """Return when the operator can work; obstacles get some time to disappear by themselves.

    Raises CannotStart, or kube.api.ApiUnavailable when the API server does not answer.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    told = None
    while (obstacle := await _obstacle(api, settings)) is not None:
        if loop.time() >= deadline:
            raise obstacle
        if str(obstacle) != told:
            logger.warning("waiting for at most %g s: %s", wait_seconds, obstacle)
            told = str(obstacle)
        await asyncio.sleep(PAUSE_SECONDS)
    needed = purposes(settings.actions, opt_in=settings.opt_in)
    asked = [(purpose, namespace) for namespace in _namespaces(settings) for purpose in needed]
    # An operator of some namespaces only reads what is in none.
    asked += [
        (purpose, None) for purpose in CLUSTER_WIDE if not settings.namespaces or all(right.verb == "get" for right in purpose.rights)
    ]
    await asyncio.gather(*(_warn(api, purpose, namespace) for purpose, namespace in asked))


async def _obstacle(api: Api, settings: Settings) -> CannotStart | ApiUnavailable | None:
    try:
        fault = _misfit(await published_schema(api)) or await _powerless(api, settings)
    except ApiUnavailable as error:
        return error
    return None if fault is None else CannotStart(fault)


def _misfit(served: Schema | ApiError) -> str | None:
    """Return why the operator cannot work with the CRD that the API server serves, if so."""
    if isinstance(served, ApiError):
        if served.missing:
            return f"the CRD {names.PLURAL}.{names.GROUP} is not installed; type: {INSTALL}"
        logger.warning("the CRD cannot be compared with this operator: %s", served.message)
        return None
    ours = task_schema()
    lost, unknown = losses(ours, served), losses(served, ours)
    if lost:
        return (
            f"the CRD {names.PLURAL}.{names.GROUP} in the cluster ({_made_by(served)}) does not fit this operator ({DISTRIBUTION} "
            f"{version(DISTRIBUTION)}): it lacks {_some(lost)}; type: {INSTALL}"
        )
    if unknown:
        logger.info("the CRD (%s) has what this operator (%s) does not use: %s", _made_by(served), version(DISTRIBUTION), _some(unknown))
    return None


def _made_by(served: Schema) -> str:
    maker = _MAKER.search(served.get("description", "")[:LONGEST_DESCRIPTION])
    return maker[0] if maker else "of an unknown version"


def _some(items: list[str]) -> str:
    more = len(items) - NAMED_AT_MOST
    return ", ".join(items[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def _namespaces(settings: Settings) -> list[str | None]:
    return [*settings.namespaces] or [None]


async def _powerless(api: Api, settings: Settings) -> str | None:
    """Return which indispensable rights this user lacks, if any."""
    lacking = await asyncio.gather(*(_lacking(api, INDISPENSABLE, namespace) for namespace in _namespaces(settings)))
    if settings.opt_in:
        lacking.append(await _lacking(api, OPTING_IN, None))
    if settings.leader_namespace is not None:
        lacking.append(await _lacking(api, LEADING, settings.leader_namespace))
    said = "; ".join(text for text in lacking if text)
    return f"this user may not {said}; grant it: `helm upgrade` of the chart, or see its templates/_rules.tpl" if said else None


async def _warn(api: Api, purpose: Purpose, namespace: str | None) -> None:
    if text := await _lacking(api, purpose.rights, namespace):
        logger.warning("this user may not %s: %s", text, purpose.consequence)


async def _lacking(api: Api, rights: Iterable[Right], namespace: str | None) -> str:
    """Return what is not allowed there, for people: "get, list obtasks in namespace a"; nothing if all is."""
    missing = [str(right).split(" ", 1) for right in await refused(api, rights, namespace)]
    what = [f"{', '.join(verb for verb, _ in group)} {name}" for name, group in groupby(missing, key=lambda right: right[1])]
    return f"{', '.join(what)} in {f'namespace {namespace}' if namespace else 'all namespaces'}" if what else ""
