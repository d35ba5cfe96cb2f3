"""A reactive backend that lives inside a Jupyter notebook.

`%load_ext convex_nb` in a notebook, or `convex_nb.open()` anywhere. Names are loaded when they are first used, so that
importing this costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convex_nb._version import __version__ as __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from convex_nb.deployment.clients.client import Client as Client
    from convex_nb.deployment.clients.optimistic import (
        insert_at_bottom_if_loaded as insert_at_bottom_if_loaded,
        insert_at_position as insert_at_position,
        insert_at_top as insert_at_top,
    )
    from convex_nb.deployment.current import (
        current as current,
        set_current as set_current,
    )
    from convex_nb.deployment.deployment import Deployment as Deployment
    from convex_nb.deployment.opening import open as open  # noqa: A004 (the name that the page of the API gives it)
    from convex_nb.engine.wal.repair import repair as repair
    from convex_nb.functions.components.component import define_component as define_component
    from convex_nb.functions.components.handles import create_function_handle as create_function_handle
    from convex_nb.functions.contexts import (
        ActionCtx as ActionCtx,
        MutationCtx as MutationCtx,
        QueryCtx as QueryCtx,
    )
    from convex_nb.functions.definition import (
        action as action,
        internal_action as internal_action,
        internal_mutation as internal_mutation,
        internal_query as internal_query,
        mutation as mutation,
        query as query,
    )
    from convex_nb.functions.http.http_action import http_action as http_action
    from convex_nb.functions.http.messages import (
        Request as Request,
        Response as Response,
    )
    from convex_nb.functions.http.router import http_router as http_router
    from convex_nb.functions.live.subscription import Subscription as Subscription
    from convex_nb.functions.references import (
        api as api,
        components as components,
        internal as internal,
    )
    from convex_nb.language.documents import Document as Document
    from convex_nb.language.encoding import (
        dumps as dumps,
        from_json as from_json,
        loads as loads,
        to_json as to_json,
        to_plain_json as to_plain_json,
    )
    from convex_nb.language.errors import (
        ArgumentValidationError as ArgumentValidationError,
        AuthenticationError as AuthenticationError,
        ComponentError as ComponentError,
        ConvexError as ConvexError,
        ConvexNbError as ConvexNbError,
        DeploymentClosedError as DeploymentClosedError,
        DeploymentLockedError as DeploymentLockedError,
        DeploymentPausedError as DeploymentPausedError,
        DeterminismError as DeterminismError,
        DocumentNotFoundError as DocumentNotFoundError,
        FunctionNotFoundError as FunctionNotFoundError,
        HistoryError as HistoryError,
        IndexNotFoundError as IndexNotFoundError,
        IndexRangeError as IndexRangeError,
        InvalidCursorError as InvalidCursorError,
        InvalidIdError as InvalidIdError,
        InvalidValueError as InvalidValueError,
        LimitError as LimitError,
        MissingDependencyError as MissingDependencyError,
        NotUniqueError as NotUniqueError,
        ReadOnlyError as ReadOnlyError,
        ReturnValidationError as ReturnValidationError,
        SchedulingError as SchedulingError,
        SchemaDefinitionError as SchemaDefinitionError,
        SchemaValidationError as SchemaValidationError,
        SearchError as SearchError,
        ServerError as ServerError,
        ServingError as ServingError,
        SqlError as SqlError,
        StorageCorruptError as StorageCorruptError,
        StorageError as StorageError,
        StorageExistsError as StorageExistsError,
        StorageVersionError as StorageVersionError,
        UploadTokenError as UploadTokenError,
        WriteConflictError as WriteConflictError,
    )
    from convex_nb.language.keys import encode_key as encode_key
    from convex_nb.language.ordering import (
        compare_values as compare_values,
        same_value as same_value,
    )
    from convex_nb.language.pagination_validators import (
        pagination_opts as pagination_opts,
        pagination_result as pagination_result,
    )
    from convex_nb.language.schema import (
        define_schema as define_schema,
        define_table as define_table,
    )
    from convex_nb.language.validators import v as v
    from convex_nb.language.value_types import (
        UNDEFINED as UNDEFINED,
        Id as Id,
        Int64 as Int64,
    )
    from convex_nb.language.values import size_of as size_of
    from convex_nb.notebook.arguments import SKIP as SKIP
    from convex_nb.notebook.form import form as form
    from convex_nb.notebook.live import live as live
    from convex_nb.notebook.paginated import paginated as paginated
    from convex_nb.services.backup import verify_backup as verify_backup
    from convex_nb.services.scheduling.crons import cron_jobs as cron_jobs

_NAMES_OF_MODULES = {
    "deployment.clients.client": ("Client",),
    "deployment.clients.optimistic": ("insert_at_bottom_if_loaded", "insert_at_position", "insert_at_top"),
    "deployment.current": ("current", "set_current"),
    "deployment.deployment": ("Deployment",),
    "deployment.opening": ("open",),
    "engine.wal.repair": ("repair",),
    "functions.components.component": ("define_component",),
    "functions.components.handles": ("create_function_handle",),
    "functions.contexts": ("ActionCtx", "MutationCtx", "QueryCtx"),
    "functions.definition": ("action", "internal_action", "internal_mutation", "internal_query", "mutation", "query"),
    "functions.http.http_action": ("http_action",),
    "functions.http.messages": ("Request", "Response"),
    "functions.http.router": ("http_router",),
    "functions.live.subscription": ("Subscription",),
    "functions.references": ("api", "components", "internal"),
    "language.documents": ("Document",),
    "language.encoding": ("dumps", "from_json", "loads", "to_json", "to_plain_json"),
    "language.errors": (
        "ArgumentValidationError",
        "AuthenticationError",
        "ComponentError",
        "ConvexError",
        "ConvexNbError",
        "DeploymentClosedError",
        "DeploymentLockedError",
        "DeploymentPausedError",
        "DeterminismError",
        "DocumentNotFoundError",
        "FunctionNotFoundError",
        "HistoryError",
        "IndexNotFoundError",
        "IndexRangeError",
        "InvalidCursorError",
        "InvalidIdError",
        "InvalidValueError",
        "LimitError",
        "MissingDependencyError",
        "NotUniqueError",
        "ReadOnlyError",
        "ReturnValidationError",
        "SchedulingError",
        "SchemaDefinitionError",
        "SchemaValidationError",
        "SearchError",
        "ServerError",
        "ServingError",
        "SqlError",
        "StorageCorruptError",
        "StorageError",
        "StorageExistsError",
        "StorageVersionError",
        "UploadTokenError",
        "WriteConflictError",
    ),
    "language.keys": ("encode_key",),
    "language.ordering": ("compare_values", "same_value"),
    "language.pagination_validators": ("pagination_opts", "pagination_result"),
    "language.schema": ("define_schema", "define_table"),
    "language.validators": ("v",),
    "language.value_types": ("UNDEFINED", "Id", "Int64"),
    "language.values": ("size_of",),
    "notebook.arguments": ("SKIP",),
    "notebook.form": ("form",),
    "notebook.live": ("live",),
    "notebook.paginated": ("paginated",),
    "services.backup": ("verify_backup",),
    "services.scheduling.crons": ("cron_jobs",),
}
_MODULE_OF = {name: module for module, names in _NAMES_OF_MODULES.items() for name in names}

# A star import must not take Python's own `open` away.
__all__ = list(filter("open".__ne__, _MODULE_OF))


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=None)
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext convex_nb`."""
    from convex_nb.notebook.extension import load_ipython_extension

    load_ipython_extension(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """`%unload_ext convex_nb`."""
    from convex_nb.notebook.extension import unload_ipython_extension

    unload_ipython_extension(shell)
