"""How an explanation shows itself: a line for each thing that it says, as text or as a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from html import escape


class Shown(ABC):
    """What has named lines."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n".join([f"{name:<8}{text}" for name, text in self._lines()])

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><th style='text-align:left'>{name}</th><td>{escape(text)}</td></tr>" for name, text in self._lines()
        ]
        return f"<table>{''.join(rows)}</table>"

    @abstractmethod
    def _lines(self) -> list[tuple[str, str]]: ...
