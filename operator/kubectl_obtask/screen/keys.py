"""Owns the keys of `watch`: which there are, what they do, and which of them stand at the bottom."""

from typing import Final, NamedTuple

from kubectl_obtask.wording import watching
from kubectl_obtask.wording.acting import VERBS
from kubectl_obtask.wording.language import Text


class Key(NamedTuple):
    """A key. ``name``: as Textual calls it. ``shown``: at the bottom, where 80 columns have room for a few."""

    name: str
    shows: str
    action: str
    words: Text
    shown: bool = False


KEYS: Final = (
    Key("slash", "/", "search", watching.SEARCH_KEY, shown=True),
    Key("f", "f", "failed", watching.FAILED_KEY, shown=True),
    Key("g", "g", "locate", watching.LOCATE_KEY, shown=True),
    Key("r", "r", "give('retry')", VERBS["retry"], shown=True),
    Key("R", "R", "give('rollback')", VERBS["rollback"], shown=True),
    Key("s", "s", "give('skip')", VERBS["skip"], shown=True),
    Key("S", "S", "give('skip-step')", VERBS["skip-step"]),
    Key("c", "c", "give('cancel')", VERBS["cancel"]),
    Key("a", "a", "give('approve')", VERBS["approve"]),
    Key("l", "l", "follow", watching.FOLLOW_KEY),
    Key("w", "w", "wrap", watching.WRAP_KEY),
    Key("d", "d", "download", watching.DOWNLOAD_KEY),
    Key("b", "b", "why", watching.BLOCKED_KEY, shown=True),
    Key("y", "y", "manifest", watching.YAML_KEY),
    Key("L", "L", "locks", watching.LOCKS_KEY),
    Key("question_mark", "?", "help", watching.HELP_KEY, shown=True),
    Key("q", "q", "quit", watching.QUIT_KEY, shown=True),
)
