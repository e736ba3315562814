"""Owns saying of each template whether tasks can be made of it: it is checked once for each of its generations."""

import logging
from collections.abc import Callable
from datetime import datetime

from obtask.kube.api import ApiError, Json
from obtask.kube.templates import Templates
from obtask.model.template import read_template, read_template_status
from obtask.model.template_contract import TemplateKind
from obtask.rules.templates import judged
from obtask.templates.checking import Compiles, first_fault

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 100  # templates that are read in one round


class TemplateChecks:
    """Looks for templates that have changed, and writes their status. Remembers which generation of each it has seen."""

    def __init__(self, templates: Templates, compiles: Compiles, clock: Callable[[], datetime]) -> None:
        self._templates = templates
        self._compiles = compiles
        self._clock = clock
        self._seen: dict[str, int] = {}

    async def look(self) -> None:
        """Check what is new or has changed. Raises kube.api.ApiUnavailable."""
        seen: dict[str, int] = {}
        room = MOST_AT_ONCE
        for kind in TemplateKind:
            for head in await self._templates.heads(kind):
                uid, generation = str(head.get("uid")), int(head.get("generation") or 0)
                if self._seen.get(uid) == generation:
                    seen[uid] = generation
                elif room > 0:
                    room -= 1
                    if await self._judge(kind, head):
                        seen[uid] = generation
        self._seen = seen

    async def _judge(self, kind: TemplateKind, head: Json) -> bool:
        """Check one template unless its status says that it was; return whether nothing is left to do for this generation."""
        answer = await self._templates.get(kind, head)
        if isinstance(answer, ApiError):
            return False
        template, before = read_template(kind, answer), read_template_status(answer)
        try:
            fault = await first_fault(template, self._compiles)
        except OSError as error:
            logger.warning("%s cannot be checked now: %s", template, error)
            return False
        status = judged(template, before, fault, self._clock())
        if status == before:
            return True
        return not isinstance(await self._templates.write_status(template, status), ApiError)
