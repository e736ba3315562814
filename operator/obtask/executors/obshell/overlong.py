"""Owns reading the reason of a failure from the end of an answer that is too long to be read. Pure, linear."""

import json
import re

_TEXT = re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ERROR = re.compile(rb'[\[,]\s*(?="ERROR)')
_LOGS_END = re.compile(rb'"\s*\]')
SHOWN_BYTES = 600


def last_words(end: bytes) -> str | None:
    """Return the last line of an error in the end of a DAG as JSON; of a line that is longer than that, its end. None if there is none.

    obshell writes the logs of a subtask last, and a subtask that failed is followed by some that have none yet.
    """
    errors = list(_ERROR.finditer(end))
    whole = _TEXT.match(end, errors[-1].end()) if errors else None
    if whole is not None:
        return _decoded(whole[1])
    closing = [found.start() for found in _LOGS_END.finditer(end)]
    if not closing:
        return None
    return _decoded(end[max(0, closing[-1] - SHOWN_BYTES) : closing[-1]])


def _decoded(text: bytes) -> str | None:
    readable = text.decode(errors="ignore")
    try:
        decoded = json.loads(f'"{readable}"', strict=False)
    except ValueError:
        # It begins, or ends, in the middle of what is escaped.
        return readable.replace("\\n", " ").strip() or None
    return decoded.strip() or None if isinstance(decoded, str) else None
