"""Owns what an error of the API server is about: a right, a quota, a policy, a namespace that ends. Whether it passes, what to do. Pure.

The API server gives no more than a status and a sentence; the sentences are those of its admission plugins and authorizers.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from obtask.kube.api import ApiError
from obtask.model.limits import MESSAGE_CHARACTERS, one_line

LONGEST_READ = 4096  # what a webhook says may be long
LONGEST_HINT = 200
SEAM = "; "


class ErrorCause(Enum):
    """What is in the way. ``OTHER``: what was sent, or what is there."""

    RIGHTS = auto()
    QUOTA = auto()
    POLICY = auto()
    ENDING = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a refusal is about. ``passes``: it may be different later although nobody changes what was sent. ``advice``: what to do."""

    cause: ErrorCause
    passes: bool = False
    advice: str = ""


_RIGHT = re.compile(r'User "([^"]*)" cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]*)")?')
_ACCOUNT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")
_USED_UP = re.compile(r"exceeded quota: ([^,;\s]+)")
_NOT_COUNTED = re.compile(r"status unknown for quota: ([^,;\s]+)")
_MISFIT = re.compile(r"failed quota: ([^,;:\s]+)|(insufficient quota to (?:match these scopes|consume))")
_POLICY = re.compile(r"((?:Validating|Mutating)AdmissionPolicy) '([^']+)'")
_WEBHOOK = re.compile(r'admission webhook "([^"]+)" denied the request')
_WEBHOOK_DOWN = re.compile(r'failed calling webhook "([^"]+)"')
_BUILT_IN = re.compile(r'violates PodSecurity "([^"]+)"|(?:maximum|minimum) \S+ (?:usage|limit) per (\S+)')
_ENDING = "being terminated"
FORBIDDEN = 403


def finding(error: ApiError) -> Finding:
    """Return what a refusal is about."""
    return finding_of(error.message, forbidden=error.status == FORBIDDEN)


def finding_of(words: str, *, forbidden: bool = True) -> Finding:
    """Return what a sentence of the API server is about; controllers pass such sentences on in their Events.

    ``forbidden``: it came with status 403. Of anything else only a policy's no is known by its words.
    """
    text = words[:LONGEST_READ]
    found = _by_policy(text)
    if found is not None or not forbidden:
        return found or Finding(ErrorCause.OTHER)
    if _ENDING in text:
        return Finding(ErrorCause.ENDING, advice="the namespace is being deleted, with all that is in it")
    return _by_quota(text) or _by_rights(text) or Finding(ErrorCause.POLICY)


def explained(error: ApiError) -> str:
    """Return what the API server says, on one line, and what to do about it."""
    return with_advice(error.message, finding(error))


def with_advice(words: str, found: Finding) -> str:
    """Return a sentence on one line with what to do behind it; of a long one the beginning."""
    room = MESSAGE_CHARACTERS - len(found.advice) - len(SEAM)
    return f"{one_line(words, room)}{SEAM}{found.advice}" if found.advice else one_line(words)


def _by_policy(text: str) -> Finding | None:
    if (found := _POLICY.search(text)) is not None:
        return Finding(ErrorCause.POLICY, advice=_hint(f'refused by policy: change what the task asks for, or the {found[1]} "{found[2]}"'))
    if (found := _WEBHOOK.search(text)) is not None:
        return Finding(
            ErrorCause.POLICY, advice=_hint(f'refused by policy: change what the task asks for, or what webhook "{found[1]}" allows')
        )
    if (found := _WEBHOOK_DOWN.search(text)) is not None:
        return Finding(ErrorCause.POLICY, passes=True, advice=_hint(f'webhook "{found[1]}" does not answer: its owner has to mend that'))
    if (found := _BUILT_IN.search(text)) is not None:
        what = f'the Pod Security level "{found[1]}" of the namespace' if found[1] else "the LimitRange of the namespace"
        return Finding(ErrorCause.POLICY, advice=_hint(f"refused by policy: change what the task asks for, or {what}"))
    return None


def _by_quota(text: str) -> Finding | None:
    if (found := _USED_UP.search(text)) is not None:
        return Finding(
            ErrorCause.QUOTA, passes=True, advice=_hint(f'a quota is used up: free some of ResourceQuota "{found[1]}", or raise it')
        )
    if (found := _NOT_COUNTED.search(text)) is not None:
        return Finding(ErrorCause.QUOTA, passes=True, advice=_hint(f'ResourceQuota "{found[1]}" is not counted yet: that takes a moment'))
    if (found := _MISFIT.search(text)) is not None:
        quota = f'ResourceQuota "{found[1]}"' if found[1] else "a ResourceQuota for it"
        return Finding(ErrorCause.QUOTA, advice=_hint(f"a quota is in the way: say in the task what it needs, or change {quota}"))
    return None


def _by_rights(text: str) -> Finding | None:
    lacks = _RIGHT.search(text)
    if lacks is None:
        return None
    user, verb, resource, group, namespace = lacks.groups()
    if verb == "impersonate":
        text = "the operator may not act as this service account: grant it the verb impersonate on serviceaccounts"
        return Finding(ErrorCause.RIGHTS, advice=text)
    where = f'in namespace "{namespace}"' if namespace else "in the whole cluster"
    what = f"{resource}.{group}" if group else resource
    account = _ACCOUNT.fullmatch(user)
    whom = f'service account "{account[2]}" of namespace "{account[1]}"' if account else f'user "{user}"'
    return Finding(ErrorCause.RIGHTS, advice=_hint(f"grant {verb} on {what} {where} to {whom}"))


def _hint(text: str) -> str:
    return one_line(text, LONGEST_HINT)
