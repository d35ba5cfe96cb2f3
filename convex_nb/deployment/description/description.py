"""What a deployment says of itself: `dep.function_spec()` and its kind."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convex_nb.deployment.foundation import Foundation
from convex_nb.deployment.remote.remote import Server

if TYPE_CHECKING:
    from convex_nb.language.schema import SchemaDefinition


class Description(Foundation):
    """What programs ask that are written against a deployment."""

    def function_spec(self) -> dict[str, Any]:
        """The registered functions and HTTP actions as JSON: kind, visibility, validators of arguments and results."""
        from convex_nb.deployment.description.function_spec import function_spec

        self._check_open()
        return function_spec(self._registry.functions, self._router, self._url)

    def codegen(self, path: str | PathLike[str] | None = None) -> str:
        """The text of a Python module with the types of documents and functions; written to `path`, if there is one.

        Its `Api(dep).messages.send(author="Ada")` is checked by mypy. The same functions and schema give the same text.
        """
        from convex_nb.deployment.description.codegen import codegen

        self._check_open()
        text = codegen(self._registry.functions, self._schema)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    @property
    def _schema(self) -> SchemaDefinition | None:
        return self._database.head.schema

    @property
    def _url(self) -> str | None:
        return next((door.url for door in self._doors if isinstance(door, Server)), None)
