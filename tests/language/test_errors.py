"""The error tree."""

from __future__ import annotations

import builtins
import pickle
from typing import Any

import pytest

from convex_nb.language import errors
from convex_nb.language.errors import ConvexNbError

ERRORS: list[tuple[ConvexNbError, type[Exception], dict[str, Any], str]] = [
    (
        errors.InvalidValueError("No.", path=".a", value=5),
        ValueError,
        {"reason": "No.", "path": ".a", "value": 5},
        "No.\nPath: .a",
    ),
    (
        errors.ArgumentValidationError("No.", path=".a", value=5, validator="v.string()", subject="m:f"),
        ValueError,
        {"path": ".a", "value": 5, "validator": "v.string()", "subject": "m:f"},
        "No.\nPath: .a\nValue: 5\nValidator: v.string()\nFunction: m:f",
    ),
    (errors.ReturnValidationError("No."), ValueError, {"path": ""}, "No."),
    (
        errors.SchemaValidationError("No.", table="t"),
        ValueError,
        {"table": "t", "document_id": None},
        'Failed to insert or update a document in table "t" because it does not match the schema: No.',
    ),
    (errors.ConvexError({"code": "x"}), Exception, {"data": {"code": "x"}}, "{'code': 'x'}"),
    (errors.ConvexError("plain"), Exception, {"data": "plain"}, "plain"),
    (errors.ServerError("No.", path="m:f", request_id="5"), RuntimeError, {"path": "m:f", "request_id": "5"}, "No."),
    (errors.FunctionNotFoundError("No.", path="m:f", available=["m:g"]), LookupError, {"available": ("m:g",)}, "No."),
    (errors.HistoryError("No.", timestamp=1, oldest=2), LookupError, {"timestamp": 1, "oldest": 2}, "No."),
    (errors.DeterminismError("No.", operation="open"), RuntimeError, {"operation": "open"}, "No."),
    (
        errors.LimitError("No.", kind="read_documents", limit=5, used=6),
        RuntimeError,
        {"kind": "read_documents", "limit": 5, "used": 6},
        "No.",
    ),
    (
        errors.WriteConflictError("t", "j57", "m:f"),
        RuntimeError,
        {"table": "t", "document_id": "j57", "source": "m:f"},
        (
            'Documents read from or written to the table "t" changed while this mutation was being run and on every '
            'subsequent retry. A call to "m:f" changed the document with ID "j57".'
        ),
    ),
    (
        errors.WriteConflictError("t", "j57"),
        RuntimeError,
        {"source": None},
        (
            'Documents read from or written to the table "t" changed while this mutation was being run and on every '
            'subsequent retry. Another call to this mutation changed the document with ID "j57".'
        ),
    ),
    (errors.InvalidIdError("No.", id="x", table="t"), ValueError, {"id": "x", "table": "t"}, "No."),
    (errors.DocumentNotFoundError("No.", document_id="x"), LookupError, {"document_id": "x", "table": None}, "No."),
    (
        errors.IndexNotFoundError("t", "by_x", ["by_y"]),
        LookupError,
        {"table": "t", "index": "by_x", "available": ("by_y",), "staged": False},
        "Index t.by_x not found. The table has: by_y. Declare it in the schema: .index('by_x', [...]).",
    ),
    (
        errors.IndexNotFoundError("t", "by_x", staged=True),
        LookupError,
        {"staged": True},
        "Index t.by_x is staged: it cannot be queried until `staged` is removed in a later push.",
    ),
    (
        errors.IndexRangeError("No.", table="t", index="i", fields=["a"], field="a"),
        ValueError,
        {"fields": ("a",), "field": "a"},
        "No.",
    ),
    (
        errors.SearchError("No.", table="t", index="i", field="f"),
        ValueError,
        {"table": "t", "index": "i", "field": "f"},
        "No.",
    ),
    (errors.SchemaDefinitionError("No.", table="t", index="i", field="f"), TypeError, {"field": "f"}, "No."),
    (errors.ComponentError("No.", component="a/b"), ValueError, {"component": "a/b"}, "No."),
    (errors.SchedulingError("No.", when=-1), ValueError, {"when": -1}, "No."),
    (errors.DeploymentPausedError("No."), RuntimeError, {}, "No."),
    (
        errors.NotUniqueError("No.", table="t", document_ids=["a", "b"]),
        LookupError,
        {"document_ids": ("a", "b")},
        "No.",
    ),
    (
        errors.InvalidCursorError("No.", cursor="x"),
        ValueError,
        {"cursor": "x", "data": {"isConvexSystemError": True, "paginationError": "InvalidCursor"}},
        "No.",
    ),
    (errors.ReadOnlyError("No."), TypeError, {}, "No."),
    (errors.DeploymentClosedError("No."), RuntimeError, {}, "No."),
    (
        errors.DeploymentLockedError("No.", path="x", holder="me", process_id=5),
        RuntimeError,
        {"path": "x", "holder": "me", "process_id": 5},
        "No.",
    ),
    (errors.StorageError("No.", path="a.convex"), OSError, {"path": "a.convex"}, "No."),
    (
        errors.CommitInDoubtError("No.", path="postgresql://a/b"),
        errors.StorageError,
        {"path": "postgresql://a/b"},
        "No.",
    ),
    (errors.StorageExistsError("No.", path="a.convex"), FileExistsError, {"path": "a.convex"}, "No."),
    (
        errors.StorageVersionError("No.", path="a.convex", version=3, newest=1),
        RuntimeError,
        {"path": "a.convex", "version": 3, "newest": 1},
        "No.",
    ),
    (errors.UploadTokenError("No.", code="Expired"), PermissionError, {"code": "Expired"}, "No."),
    (errors.AuthenticationError("No.", code="Expired"), PermissionError, {"code": "Expired"}, "No."),
    (errors.ServingError("No.", port=80), OSError, {"port": 80}, "No."),
    (errors.MissingDependencyError("No.", package="x"), ImportError, {"package": "x"}, "No."),
    (errors.StorageCorruptError("No.", path="x", table="t"), RuntimeError, {"path": "x", "table": "t"}, "No."),
    (errors.SqlError("No.", sql="select"), ValueError, {"sql": "select"}, "No."),
]


@pytest.mark.parametrize(("error", "base", "attributes", "text"), ERRORS, ids=[type(row[0]).__name__ for row in ERRORS])
def test_each_error(error: ConvexNbError, base: type[Exception], attributes: dict[str, Any], text: str) -> None:
    assert isinstance(error, ConvexNbError)
    assert isinstance(error, base)
    assert {name: getattr(error, name) for name in attributes} == attributes
    assert str(error) == text
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is type(error)
    assert str(twin) == text
    assert {name: getattr(twin, name) for name in attributes} == attributes


def test_every_class_is_in_the_table_and_has_words_of_its_own() -> None:
    classes = {item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, ConvexNbError)}
    abstract = {ConvexNbError, errors.ValidationError}
    assert {type(row[0]) for row in ERRORS} == classes - abstract
    assert all(item.__doc__ and item.__doc__ != item.__base__.__doc__ for item in classes)
    assert not {item.__name__ for item in classes} & set(dir(builtins))


def test_a_finding_can_change_its_class() -> None:
    found = errors.ValidationError("No.", path=".a", value=5, validator="v.string()")
    twin = found.as_type(errors.ReturnValidationError, "m:f")
    assert type(twin) is errors.ReturnValidationError
    assert str(twin) == str(found) + "\nFunction: m:f"


def test_a_path_grows_from_the_inside() -> None:
    error = errors.InvalidValueError("No.", value=5).inside("[1]").inside(".a").inside("")
    assert error.path == ".a[1]"
    assert str(error) == "No.\nPath: .a[1]"


def test_the_data_of_an_application_error_is_a_value() -> None:
    given: dict[str, Any] = {"code": ("a", bytearray(b"b"))}
    error = errors.ConvexError(given)
    assert error.data == {"code": ["a", b"b"]}
    given["code"] = ()
    assert error.data == {"code": ["a", b"b"]}
    for data in ({1, 2}, {"a": object()}, 2**60, float):
        with pytest.raises(errors.InvalidValueError):
            errors.ConvexError(data)
