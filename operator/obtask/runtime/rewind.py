"""Owns the periodic check that the API server did not go back in time. A restore of etcd would otherwise go unnoticed."""

import asyncio
import logging

from obtask.kube.api import ApiError, ApiForbidden, ApiUnavailable
from obtask.kube.revisions import Revisions, Rewound, version_of
from obtask.runtime.assembly import Operator

logger = logging.getLogger(__name__)

LOOK_SECONDS = 10.0


async def look_back(operator: Operator) -> None:
    """Check until the API server has gone back in time: then raise Rewound."""
    revisions = Revisions(operator.api, operator.settings.namespaces)
    while True:
        try:
            await revisions.check()
            await _compare_task(operator)
            await _compare_lease(operator)
        except (ApiUnavailable, ApiForbidden) as error:
            logger.info("cannot check whether the API server went back in time: %s", error)
        except (LookupError, TypeError, ValueError):  # a malformed answer must not end the operator
            logger.exception("cannot check whether the API server went back in time")
        await asyncio.sleep(min(LOOK_SECONDS, operator.settings.sweep_seconds))


async def _compare_task(operator: Operator) -> None:
    # A list may come from the API server's watch cache, which survives a restore of etcd; a single object is read from etcd.
    tasks = operator.cache.tasks
    newest = max(tasks.uids(), key=lambda key: int(meta.resource_version) if (meta := tasks.metadata(key)) else 0, default=None)
    before = tasks.metadata(newest) if newest is not None else None
    if newest is None or before is None:
        return
    answer = await operator.engine.tasks.get(newest)
    if isinstance(answer, ApiError) or answer["metadata"]["uid"] != before.uid:
        return
    if version_of(answer) < int(before.resource_version):
        raise Rewound(f"task {newest} is at resourceVersion {version_of(answer)}, and was at {before.resource_version} before")


async def _compare_lease(operator: Operator) -> None:
    before = max(operator.cache.locks.leases(), key=lambda lease: int(lease.version), default=None)
    if before is None:
        return
    answer = await operator.sweeper.read(before)
    if not isinstance(answer, ApiError) and answer.made_at == before.made_at and int(answer.version) < int(before.version):
        where = f"{before.namespace}/{before.name}"
        raise Rewound(f"Lease {where} is at resourceVersion {answer.version}, and was at {before.version} before")
