"""One line per event: JSON for machines, or text for people. No line ever holds an object's body, a token or a URL's
credentials: messages name objects, and numbers come as extra fields.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_QUIET: Final = {
    # kopf says much at INFO and debug; and that it does not see signals, which are the main loop's.
    "kopf": logging.WARNING,
    "kopf._core.reactor.running": logging.ERROR,
    "urllib3": logging.ERROR,  # its retries are reported by the caller
    "aiohttp": logging.WARNING,
    "asyncio": logging.WARNING,
}


class JsonFormatter(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **extras(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802, ARG002 - logging's
        """UTC with milliseconds."""
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


class TextFormatter(JsonFormatter):
    """One line of text, extra fields as ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line = f"{self.formatTime(record)} {record.levelname:7} {record.name.rpartition('.')[2]}: {record.getMessage()}"
        line += "".join(f" {name}={value}" for name, value in extras(record).items())
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def extras(record: logging.LogRecord) -> dict[str, object]:
    """What the caller passed as ``extra`` (kopf's own references to objects are left out)."""
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _STANDARD and not name.startswith(("k8s_", "settings", "_"))
    }


def configure(level: str, style: str) -> None:
    """Log to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, logging.getLogger().level))
