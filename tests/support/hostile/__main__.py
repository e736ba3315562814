"""Serves every hostile target until standard input ends."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack

from tests.support.hostile.agent import AGENTS
from tests.support.hostile.mysql import SERVERS as SQL_SERVERS
from tests.support.hostile.web import SERVERS as WEB_SERVERS
from tests.support.hostile.wire import listening


async def _serve() -> None:
    async with AsyncExitStack() as stack:
        targets = {**SQL_SERVERS, **WEB_SERVERS, **AGENTS}
        ports = {name: await stack.enter_async_context(listening(talk)) for name, talk in targets.items()}
        sys.stdout.write(json.dumps(ports) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


asyncio.run(_serve())
