"""Owns why an attempt does not see, or cannot have done, what it asks an agent for."""

from dataclasses import dataclass

from obtask.executors.obshell.answers import Answer

NO_SLOT = "waiting for a free slot in the operator"


@dataclass(frozen=True, slots=True)
class Miss:
    """Why something cannot be seen just now.

    ``gone``: the agent does not know the DAG. ``away``: it is its database that does not answer. ``wrong_password``: no password is right.
    ``answered``: the agent did answer.
    """

    message: str
    gone: bool = False
    away: bool = False
    wrong_password: bool = False
    answered: bool = False

    @property
    def unasked(self) -> bool:
        """True where the agent was not asked, and may be in a while."""
        return self.message == NO_SLOT


@dataclass(frozen=True, slots=True)
class NotDone:
    """Why an operator was not carried out.

    ``disallowed``: obshell does not allow it for that task, now or later. ``busy``: it is busy with another one. ``uncertain``: it may have
    arrived. ``refused``: nothing was changed by it, and asking again is in vain.
    """

    message: str
    disallowed: bool = False
    busy: Answer | None = None
    uncertain: bool = False
    refused: bool = False
