"""Owns how locks and lists of names are named."""

from collections.abc import Sequence
from typing import Final

from kubectl_obtask.tasks import Task
from kubectl_obtask.wording import locking
from kubectl_obtask.wording.language import Language
from kubectl_obtask.wording.phases import SCOPES, worded

MOST_NAMED: Final = 5


def lock_word(task: Task, language: Language) -> str:
    """Return what a task locks: its scope, the tenant, and the cluster or host."""
    scope = " ".join(filter(None, (worded(SCOPES, task.maintenance, language), task.tenant)))
    return locking.LOCK.in_(language).format(scope=scope, domain=domain_word(task.spec.text("type"), task.target, language))


def domain_word(kind: str, target: str, language: Language) -> str:
    """Return the name of a cluster or a host."""
    return (locking.CLUSTER if kind == "Cluster" else locking.HOST).in_(language).format(target=target)


def names_word(names: Sequence[str], language: Language) -> str:
    """Return names as a list; of many, the first ones and how many more there are."""
    joint = "、" if language is Language.ZH else ", "
    more = f" +{len(names) - MOST_NAMED}" if len(names) > MOST_NAMED else ""
    return joint.join(names[:MOST_NAMED]) + more


def starting_word(names: Sequence[str], language: Language) -> str:
    """Return who starts."""
    text = locking.NOBODY_STARTS if not names else locking.STARTS if len(names) == 1 else locking.START_TOGETHER
    return text.in_(language).format(names=names_word(names, language))
