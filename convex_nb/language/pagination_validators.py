"""The validators of paginated functions: what they take, and what they return."""

from __future__ import annotations

from typing import Final

from convex_nb.language.validators import ObjectValidator, Validator, v

pagination_opts: Final = v.object(
    {
        "numItems": v.number(),
        "cursor": v.nullable(v.string()),
        "endCursor": v.optional(v.nullable(v.string())),
        "id": v.optional(v.number()),
        "maximumRowsRead": v.optional(v.number()),
        "maximumBytesRead": v.optional(v.number()),
    }
)
"""The validator of the argument `paginationOpts`, the options that `paginate` takes."""


def pagination_result(item: Validator) -> ObjectValidator:
    """Return the validator of a page of `item`s, as `paginate` returns it."""
    return v.object(
        {
            "page": v.array(item),
            "isDone": v.boolean(),
            "continueCursor": v.string(),
            "splitCursor": v.optional(v.nullable(v.string())),
            "pageStatus": v.optional(v.nullable(v.union(v.literal("SplitRecommended"), v.literal("SplitRequired")))),
        }
    )
