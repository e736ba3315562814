"""Owns what a refusal of the API server means for an attempt: the reason, and the server's words as far as they may be shown. Pure."""

import re

from obtask.kube.api import Refusal
from obtask.kube.refusals import Cause, finding, with_advice
from obtask.model.attempt import Failed
from obtask.model.status import FailureReason

FORBIDDEN, NOT_FOUND, CONFLICT, GONE, INTERNAL_ERROR = 403, 404, 409, 410, 500

_REASONS = {FORBIDDEN: FailureReason.FORBIDDEN, NOT_FOUND: FailureReason.NOT_FOUND, CONFLICT: FailureReason.EXPECTATION_NOT_MET}
_PLAIN = frozenset({FORBIDDEN, NOT_FOUND, CONFLICT})  # these name the object, and quote nothing of it
_QUOTED = re.compile(r'Invalid value: "(?:[^"\\]|\\.){100,}"', re.DOTALL)


def failed(refusal: Refusal, *, about_secret: bool = False) -> Failed:
    """Return a refusal as the end of an attempt. The API server may quote the whole live object: of a Secret that is not shown."""
    found = finding(refusal)
    by_policy = found.cause is Cause.POLICY and not found.passes
    reason = FailureReason.FORBIDDEN if by_policy else _REASONS.get(refusal.status, FailureReason.HTTP_STATUS)
    words = _QUOTED.sub("Invalid value (long, not shown)", refusal.message)
    if about_secret and refusal.status not in _PLAIN:
        words = f"{refusal.reason}: the words of the API server are not shown, because they may quote the Secret"
    return Failed(reason, with_advice(words, found), str(refusal.status), passing=found.passes)
