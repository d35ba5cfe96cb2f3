"""The numbers: the reference's limits, and a wider profile for work with data."""

from __future__ import annotations

from dataclasses import dataclass

UNLIMITED = 2**62
"""Stands for "no limit" and keeps every check a plain comparison."""


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of a deployment. Sizes are bytes of `size_of`, times are seconds; the defaults are the reference's."""

    # Values, and documents in particular.
    document_bytes: int = 1 << 20
    document_nesting: int = 16
    field_name_length: int = 64
    nested_field_name_length: int = 1024
    object_fields: int = 1024
    array_elements: int = 8192
    value_nesting: int = 64
    value_array_elements: int = 8192

    # One function execution.
    argument_bytes: int = 16 << 20
    return_bytes: int = 16 << 20
    read_documents: int = 32_000
    read_bytes: int = 16 << 20
    read_ranges: int = 4096
    write_documents: int = 16_000
    write_bytes: int = 16 << 20
    scheduled_functions: int = 1000
    scheduled_argument_bytes: int = 4 << 20
    scheduled_total_bytes: int = 16 << 20
    outstanding_scheduled_functions: int = 1_000_000
    running_scheduled_functions: int = 10
    query_seconds: float = 1.0
    action_seconds: float = 600.0
    action_operations: int = 1000
    log_line_bytes: int = 4096
    log_lines: int = 256
    query_operators: int = 256
    file_data_url_bytes: int = 1 << 20

    # Definitions.
    tables: int = 10_000
    table_indexes: int = 32
    index_fields: int = 16
    identifier_length: int = 64
    environment_variables: int = 1000
    environment_name_length: int = 40
    environment_value_bytes: int = 8 << 10

    # Text and vector search.
    search_indexes: int = 4
    search_filter_fields: int = 16
    search_terms: int = 16
    search_filters: int = 8
    search_term_bytes: int = 32
    search_results: int = 1024
    vector_indexes: int = 4
    vector_filter_fields: int = 16
    vector_filters: int = 64
    vector_dimensions_least: int = 2
    vector_dimensions_most: int = 4096
    vector_results: int = 256

    @classmethod
    def convex(cls) -> Limits:
        """Return the reference's numbers."""
        return cls()

    @classmethod
    def notebook(cls) -> Limits:
        """Return wide limits for data work: what is stored keeps the reference's numbers, what a function does not."""
        return _NOTEBOOK


_NOTEBOOK = Limits(
    value_array_elements=UNLIMITED,
    argument_bytes=UNLIMITED,
    return_bytes=UNLIMITED,
    read_documents=UNLIMITED,
    read_bytes=UNLIMITED,
    read_ranges=UNLIMITED,
    write_documents=UNLIMITED,
    write_bytes=UNLIMITED,
    scheduled_functions=UNLIMITED,
    scheduled_total_bytes=UNLIMITED,
    query_seconds=60.0,
    action_seconds=float("inf"),
)
