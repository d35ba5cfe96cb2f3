"""The two profiles of limits."""

from __future__ import annotations

import dataclasses

import pytest

from convex_nb.language.limits import UNLIMITED, Limits

REFERENCE = {
    "document_bytes": 2**20,
    "document_nesting": 16,
    "field_name_length": 64,
    "nested_field_name_length": 1024,
    "object_fields": 1024,
    "array_elements": 8192,
    "value_nesting": 64,
    "argument_bytes": 16 * 2**20,
    "return_bytes": 16 * 2**20,
    "read_documents": 32_000,
    "read_bytes": 16 * 2**20,
    "read_ranges": 4096,
    "write_documents": 16_000,
    "write_bytes": 16 * 2**20,
    "scheduled_functions": 1000,
    "scheduled_total_bytes": 16 * 2**20,
    "query_seconds": 1.0,
    "action_seconds": 600.0,
    "query_operators": 256,
    "tables": 10_000,
    "table_indexes": 32,
    "index_fields": 16,
    "identifier_length": 64,
    "search_indexes": 4,
    "search_filter_fields": 16,
    "search_terms": 16,
    "search_filters": 8,
    "search_results": 1024,
    "vector_indexes": 4,
    "vector_filters": 64,
    "vector_results": 256,
}


@pytest.mark.parametrize(("name", "number"), REFERENCE.items())
def test_the_reference_numbers(name: str, number: float) -> None:
    assert getattr(Limits.convex(), name) == number


def test_a_notebook_keeps_what_is_stored_and_widens_what_functions_do() -> None:
    notebook, convex = Limits.notebook(), Limits.convex()
    widened = {
        field.name
        for field in dataclasses.fields(Limits)
        if getattr(notebook, field.name) != getattr(convex, field.name)
    }
    assert all(getattr(notebook, name) >= UNLIMITED for name in widened - {"query_seconds"})
    assert notebook.query_seconds > convex.query_seconds
    assert widened.isdisjoint(
        {"document_bytes", "document_nesting", "object_fields", "array_elements", "field_name_length", "index_fields"}
    )
    assert {"value_array_elements", "argument_bytes", "return_bytes", "read_documents"} <= widened


def test_limits_are_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits.notebook().tables = 1  # type: ignore[misc]
    assert dataclasses.replace(Limits.convex(), tables=1).tables == 1
