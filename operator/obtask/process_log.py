"""Owns how a process writes its own log: one line, or one JSON object, for each record, whatever is in it."""

import json
import logging
from typing import Any, Literal

from obtask.model.printable import printable, printable_lines


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object of a record."""
        message = printable(record.getMessage())
        line = {"time": self.formatTime(record), "level": record.levelname, "logger": record.name, "message": message}
        if record.exc_info:
            line["exception"] = printable_lines(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """One line for each record, tracebacks behind a margin: text that others wrote cannot look like a line of ours."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Return the line of a record."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the library's name
        """Return the lines of a traceback."""
        return "\n".join(f"  | {line}" for line in printable_lines(super().formatException(ei)).split("\n"))


def configure(form: Literal["text", "json"]) -> None:
    """Write what is logged to stderr from now on, in this form."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
