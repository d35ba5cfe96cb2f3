"""What a parsed SELECT reads: its relations, and as far as their names tell, which of their columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

_WRITING_NODE: Final = re.compile(r"(INSERT|UPDATE|DELETE|MERGE)\w*_NODE")
_BY_NAME_IN_A_TEXT: Final = frozenset({"query", "query_table", "json_execute_serialized_sql"})
_TABLE_FUNCTIONS: Final = frozenset(
    [
        "duckdb_functions",
        "duckdb_keywords",
        "duckdb_types",
        "generate_series",
        "histogram",
        "histogram_values",
        "icu_calendar_names",
        "json_each",
        "json_tree",
        "pg_timezone_names",
        "range",
        "repeat",
        "repeat_row",
        "summary",
        "unnest",
    ]
)
"""Those that reach nothing and do nothing. DuckDB's own configuration stops the others as well."""
_LIST_OF_TABLES: Final = '"tables"'
_ALL_COLUMNS: Final = frozenset({"STAR", "POSITIONAL_REFERENCE"})


NO_FILES: Final = (
    "SQL reads the tables, and frames that are given by name, and no file and no address. Read it with pandas and give "
    "the frame, or import it: dep.import_table(name, path)."
)


class WritingError(Exception):
    """The statement would do what ``kind``, such as ``DELETE``, does."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class UnknownReadError(Exception):
    """What the statement reads cannot be told; says why, and what to write instead."""


class Relation(NamedTuple):
    """A table or frame that is read, by its name as it is written."""

    name: str
    alias: str
    is_whole: bool
    """Whether all columns are needed, since not all are named."""


class SqlTree:
    """A statement as ``json_serialize_sql`` gives it. Raises ``WritingError`` and ``UnknownReadError``."""

    def __init__(self, statements: list[Any]) -> None:
        self.lists_tables = any(
            node.get("type") == "SHOW_REF" and node["table_name"] == _LIST_OF_TABLES for node in _nodes(statements)
        )
        relations = list(_relations(statements, frozenset(), False))
        self.relations: frozenset[str] = frozenset(relation.name for relation in relations)
        references = [node["column_names"] for node in _nodes(statements) if node.get("type") == "COLUMN_REF"]
        references += [node["using_columns"] for node in _nodes(statements) if "using_columns" in node]
        self._names = frozenset(name.lower() for names in references for name in names)
        # A row as a value has the name of its relation.
        rows = {names[-1].lower() for names in references if names}
        self._whole = frozenset(
            relation.name
            for relation in relations
            if relation.is_whole or {relation.name.lower(), relation.alias.lower()} & rows
        )

    def columns(self, relation: str) -> frozenset[str] | None:
        """Names, in lower case, among which are those of all columns of a relation that are needed; ``None``: all."""
        return None if relation in self._whole else self._names


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of the tree."""
    if isinstance(tree, list):
        for item in tree:
            yield from _nodes(item)
    elif isinstance(tree, dict):
        yield tree
        for item in tree.values():
            yield from _nodes(item)


def _relations(node: Any, hidden: frozenset[str], whole: bool) -> Iterator[Relation]:
    """The names after FROM and the like that are no names of common table expressions."""
    if isinstance(node, list):
        for item in node:
            yield from _relations(item, hidden, whole)
        return
    if not isinstance(node, dict):
        return
    kind = str(node.get("type", ""))
    if writing := _WRITING_NODE.fullmatch(kind):
        raise WritingError(writing[1])
    if kind == "BASE_TABLE":
        if not node["schema_name"] and node["table_name"].lower() not in hidden:
            yield Relation(node["table_name"], node["alias"], whole or bool(node["column_name_alias"]))
    elif kind == "SHOW_REF" and node["query"] is None:
        if node["show_type"] == "SHOW":
            yield Relation(node["table_name"], "", True)
        elif node["table_name"] != _LIST_OF_TABLES:
            raise UnknownReadError("Of what there is SQL lists the tables alone: SHOW TABLES, and DESCRIBE of one.")
    elif kind == "TABLE_FUNCTION":
        _check_table_function(node["function"]["function_name"])
    elif kind == "RECURSIVE_CTE_NODE":
        hidden |= {node["cte_name"].lower()}
    elif kind == "SELECT_NODE":
        whole = any(_asks_for_all(item) for name, item in node.items() if name not in ("from_table", "cte_map"))
    elif kind == "PIVOT" or node.get("ref_type") == "NATURAL":
        whole = True
    for expression in (node.get("cte_map") or {"map": ()})["map"]:
        # Such an expression sees those before it, and not itself unless it is recursive.
        yield from _relations(expression["value"], hidden, False)
        hidden |= {expression["key"].lower()}
    for name, item in node.items():
        if name != "cte_map":
            yield from _relations(item, hidden, whole)


def _check_table_function(name: str) -> None:
    if name in _BY_NAME_IN_A_TEXT:
        raise UnknownReadError("A table that is named by a text cannot be followed: write its name in the statement.")
    if name not in _TABLE_FUNCTIONS:
        raise UnknownReadError(f"{name}(...) is out of reach here: {NO_FILES}")


def _asks_for_all(node: Any) -> bool:
    """Whether an expression takes columns without naming them: those of the innermost SELECT around it."""
    if isinstance(node, list):
        return any(map(_asks_for_all, node))
    if not isinstance(node, dict) or node.get("type") == "SELECT_NODE":
        return False
    if node.get("type") == "ORDER_MODIFIER":
        # ORDER BY ALL is about what was selected.
        return any(order["expression"]["type"] != "STAR" and _asks_for_all(order) for order in node["orders"])
    return node.get("type") in _ALL_COLUMNS or any(map(_asks_for_all, node.values()))
