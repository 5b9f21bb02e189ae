"""A stream that calls itself a terminal."""

from __future__ import annotations

import io


class Terminal(io.StringIO):
    """A terminal at which somebody sits, who has typed this, or reads what is written."""

    def isatty(self) -> bool:
        return True
