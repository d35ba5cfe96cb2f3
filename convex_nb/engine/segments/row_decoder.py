"""Generated code that makes the document of one row of a segment, reading its Arrow buffers in place."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from convex_nb.engine.segments.columns import TYPES, VARIABLE
from convex_nb.engine.segments.generated import maker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from convex_nb.engine.segments.columns import ArrowArray, Column
    from convex_nb.engine.segments.layout import Field, Layout
    from convex_nb.language.documents import Document


def row_decoder(columns: Sequence[Column]) -> Callable[[int], Document]:
    """The function from a row to its document. Code is generated once per layout."""
    buffers: list[Any] = []
    for column in columns:
        buffers += _buffers(column)
    make = _factory(tuple(column.field for column in columns))
    decode: Callable[[int], Document] = make(*buffers)
    return decode


def _buffers(column: Column) -> list[Any]:
    """What the parameters of `_parameters` stand for."""
    field = column.field
    validity, *parts = column.values.buffers()
    buffers: list[Any] = []
    if column.offsets is not None:
        buffers += [column.offsets, column.data]
    elif column.numbers is not None:
        buffers.append(column.numbers)
    elif field.kind == "boolean":
        buffers.append(_bits(parts[0]))
    if field.kind == "number":
        buffers.append(_bitmap(column.whole))
    if field.optional or field.nullable:
        if field.kind == "null":
            buffers.append(bytes(len(column) // 8 + 1))
        else:
            buffers.append(_bits(validity) if validity is not None else b"\xff" * (len(column) // 8 + 1))
    if field.optional and field.nullable:
        buffers.append(_bitmap(column.nulls))
    return buffers


def _bitmap(array: ArrowArray) -> bytes:
    return _bits(array.buffers()[1])


def _bits(buffer: Any) -> bytes:
    # Indexing bytes is a little quicker than indexing a memoryview, and bitmaps are small.
    return b"" if buffer is None else buffer.to_pybytes()


def _content(number: int) -> str:
    return f"d{number}[v{number}[row]:v{number}[following]]"


def _expression(number: int, field: Field) -> str:
    return {
        "null": "None",
        "boolean": f"v{number}[byte] & bit != 0",
        "int": f"v{number}[row]",
        "float": f"v{number}[row]",
        "number": f"int(v{number}[row]) if w{number}[byte] & bit else v{number}[row]",
        "int64": f"new_int(Int64, v{number}[row])",
        "string": f"{_content(number)}.decode()",
        "bytes": _content(number),
        "id": f"Id({_content(number)}.decode(), {field.table!r})",
        "floats": f"floats_of({_content(number)})",
        "encoded": f"value_of({_content(number)})",
        "rest": f"value_of({_content(number)})",
    }[field.kind]


def _parameters(number: int, field: Field) -> list[str]:
    names = [] if field.kind == "null" else [f"v{number}"]
    if TYPES[field.kind] in VARIABLE:
        names.append(f"d{number}")
    if field.kind == "number":
        names.append(f"w{number}")
    if field.optional or field.nullable:
        names.append(f"p{number}")
    if field.optional and field.nullable:
        names.append(f"n{number}")
    return names


def _source(layout: Layout) -> str:
    parameters: list[str] = []
    entries: list[str] = []
    setup: list[str] = []
    later: list[str] = []
    for number, field in enumerate(layout):
        parameters += _parameters(number, field)
        value = _expression(number, field)
        present = f"p{number}[byte] & bit"
        if field.kind == "rest":
            later.append(f"if {present}: fields.update({value})")
        elif field.optional:
            later.append(f"if {present}: fields[{field.name!r}] = {value}")
            if field.nullable:
                later.append(f"elif n{number}[byte] & bit: fields[{field.name!r}] = None")
        else:
            if field.nullable:
                value = f"({value}) if {present} else None"
            elif field.kind == "id":
                # What Id(...) does, without its call: every document has one.
                value = f"id{number}"
                setup += [f"{value} = new_text(Id, {_content(number)}.decode())", f"{value}.table = {field.table!r}"]
            if later:
                later.append(f"fields[{field.name!r}] = {value}")
            else:
                entries.append(f"{field.name!r}: {value}")
    if any("byte" in line for line in (*entries, *later)):
        setup = ["byte = row >> 3", "bit = 1 << (row & 7)", *setup]
    if any("following" in line for line in (*setup, *entries, *later)):
        setup = ["following = row + 1", *setup]
    literal = "{" + ", ".join(entries) + "}"
    body = [*setup, f"fields = {literal}", *later] if later else setup
    made = "Document(fields)" if later else f"Document({literal})"
    text = "\n".join(f"        {line}" for line in [*body, f"return {made}"])
    return f"def make({', '.join(parameters)}):\n    def document(row):\n{text}\n    return document\n"


@lru_cache(maxsize=1024)
def _factory(layout: Layout) -> Callable[..., Any]:
    return maker(_source(layout), f"decoder of {len(layout)} columns")
