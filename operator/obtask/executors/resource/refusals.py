"""Owns what a refusal of the API server means for an attempt: the reason, the server's words, and what to grant. Pure."""

import re

from obtask.kube.api import Refusal
from obtask.kube.impersonation import ServiceAccount
from obtask.model.attempt import Failed
from obtask.model.limits import one_line
from obtask.model.status import FailureReason

FORBIDDEN, NOT_FOUND, CONFLICT, GONE, INTERNAL_ERROR = 403, 404, 409, 410, 500

_REASONS = {FORBIDDEN: FailureReason.FORBIDDEN, NOT_FOUND: FailureReason.NOT_FOUND, CONFLICT: FailureReason.EXPECTATION_NOT_MET}
_PLAIN = frozenset({FORBIDDEN, NOT_FOUND, CONFLICT})  # these name the object, and quote nothing of it
_QUOTED = re.compile(r'Invalid value: "(?:[^"\\]|\\.){100,}"', re.DOTALL)
_MISSING_RIGHT = re.compile(r'cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]*)")?')


def failed(refusal: Refusal, account: ServiceAccount, *, about_secret: bool = False) -> Failed:
    """Return a refusal as the end of an attempt. The API server may quote the whole live object: of a Secret that is not shown."""
    reason = _REASONS.get(refusal.status, FailureReason.HTTP_STATUS)
    hint = _grant(refusal.message, account) if refusal.status == FORBIDDEN else ""
    words = _QUOTED.sub("Invalid value (long, not shown)", refusal.message)
    if about_secret and refusal.status not in _PLAIN:
        words = f"{refusal.reason}: the words of the API server are not shown, because they may quote the Secret"
    return Failed(reason, one_line(words + hint), str(refusal.status))


def _grant(message: str, account: ServiceAccount) -> str:
    lacks = _MISSING_RIGHT.search(message)
    if lacks is None:
        return ""
    verb, resource, group, namespace = lacks.groups()
    if verb == "impersonate":
        return "; the operator may not act as this service account: grant it the verb impersonate on serviceaccounts"
    where = f'in namespace "{namespace}"' if namespace else "in the whole cluster"
    what = f"{resource}.{group}" if group else resource
    return f'; grant {verb} on {what} {where} to service account "{account.name}" of namespace "{account.namespace}"'
