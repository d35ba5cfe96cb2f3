"""What a live view and its browser side say to each other. `static/live.js` repeats these shapes as JSDoc types.

Of each view one update is in flight at most: the kernel sends an `Update`, the browser answers `Drawn`, and what
happened in between is folded into the next one. Views that move together share the message and the answer, which go
by one of them. An `Update`, whole, is the widget's only synced trait besides its mark, so that a reloaded page or a
second tab has something to draw before it has asked. Each request also carries `tab`, which page it is.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

Kind: TypeAlias = Literal["table", "figure", "tree"]
More: TypeAlias = Literal["LoadingFirstPage", "CanLoadMore", "LoadingMore", "Exhausted"]
State: TypeAlias = Literal["loading", "live", "updating", "paused", "stale", "error"]


class Tagged(TypedDict):
    """A value that JSON has no form for, or whose text was cut."""

    k: Literal["missing", "int64", "float", "id", "time", "bytes", "json", "text"]
    v: NotRequired[str | float]  # the text shown; milliseconds for a time
    n: NotRequired[int]  # of a text that was cut: its characters; of bytes: how many
    of: NotRequired[str]  # of an id: its table


Cell: TypeAlias = bool | int | float | str | Tagged | None
Row: TypeAlias = tuple[str, list[Cell]]
"""The row's key, which is its `_id` where it has one, and a cell for each column."""


class Column(TypedDict):
    name: str
    type: str  # as the schema or, without one, the rows say: "string", "number", "id<users>", "string | null"
    align: Literal["left", "right"]
    system: bool  # `_id` and `_creationTime`: drawn last, muted


class SortKey(TypedDict):
    column: str
    descending: bool


class Problem(TypedDict):
    message: str  # one line
    traceback: str  # the user's frames only; may be empty


class TableHead(TypedDict):
    """What is said about the rows; of a figure or a tree they are one."""

    kind: Kind
    rows: int  # that pass the filter, not only those of the page
    total: int  # in the result
    filter: str  # what the reader wrote
    columns: list[Column]  # those that are shown, in the reader's order
    fields: list[str]  # all of them
    widths: dict[str, int]  # in pixels, of columns that were made wider or narrower by hand
    sort: list[SortKey]
    start: int  # the page's first row in the result, from 0
    size: int  # rows of a page
    above: int  # rows that came in above the page since the reader left the top


class Head(TableHead):
    """Everything but the rows. Small: an update repeats only the entries that changed."""

    path: str
    arguments: list[tuple[str, str]]
    state: State
    note: str  # a sentence for a state that needs one: why it is empty, stale or paused
    problem: Problem | None
    timestamp: str  # of the commit that the result belongs to: nanoseconds, as text, since they exceed a JS number
    duration: float  # of the last run, in milliseconds
    edit: dict[str, Any] | None  # the columns that may be edited, each with the `Field` of its entries
    more: More | None  # whether more can be loaded, of a paginated query
    jumps: bool  # whether ids lead to their documents
    opened: Opened | None


class Opened(TypedDict):
    """What the reader has opened below the view: a document, or one value of a row in full."""

    place: str  # another one for another document or value
    title: str  # a table, or a column
    id: str  # of the document or the row; may be empty
    back: bool  # whether there is something to go back to
    note: NotRequired[str]  # why there is nothing, or how much
    tree: NotRequired[Node]
    text: NotRequired[str]  # in place of a tree
    edit: NotRequired[dict[str, Any]]  # the `Field` of a text that may be edited, with its `key` and `column`


class Delta(TypedDict):
    """How one page becomes the next. Apply in this order."""

    remove: list[str]
    insert: list[tuple[int, str, list[Cell]]]  # ascending places in the new page
    change: list[tuple[str, dict[int, Cell]]]  # key, then column number and cell
    order: NotRequired[list[str]]  # every key, only when rows that stayed changed places


class Update(TypedDict):
    """What one view shows from now on."""

    sequence: int
    base: int | None  # the sequence that `head` and `delta` build upon; None: whole, upon nothing
    head: dict[str, Any]
    page: NotRequired[list[Row]]
    delta: NotRequired[Delta]
    body: NotRequired[Any]  # the cell of a figure, the `Node` of a tree


class Updates(TypedDict):
    """Kernel to browser: what is new in some views, each by its mark."""

    type: Literal["updates"]
    of: list[tuple[str, Update]]


class Node(TypedDict):
    """A part of a tree. A leaf is a cell; a branch has items, and `more` counts those that were left out."""

    label: str
    cell: NotRequired[Cell]
    preview: NotRequired[str]  # shown while the branch is closed
    size: NotRequired[str]  # "3 fields", "300 items"
    items: NotRequired[list[Node]]
    more: NotRequired[int]


class Hello(TypedDict):
    """Browser to kernel: a model was made, or a page became visible; it has drawn up to `sequence`."""

    type: Literal["hello"]
    sequence: int


class Drawn(TypedDict):
    """Views have been drawn, each up to a sequence."""

    type: Literal["drawn"]
    of: list[tuple[str, int]]


class Hidden(TypedDict):
    """Nobody looks: send nothing until the next `Hello`."""

    type: Literal["hidden"]


class Turn(TypedDict):
    """Show the page that starts at this row of the result; 0 follows the top."""

    type: Literal["page"]
    start: int


class Anchor(TypedDict):
    """The reader scrolled: keep this row where it is in the page, whatever is inserted above it."""

    type: Literal["anchor"]
    key: str


class Sort(TypedDict):
    """Cycle a column through ascending, descending, none; `add` keeps the other keys."""

    type: Literal["sort"]
    column: str
    add: bool


class Arrange(TypedDict):
    """Arrange the columns: their order by name, which are hidden, and the widths that are not to be the table's own."""

    type: Literal["arrange"]
    order: list[str]
    hidden: list[str]
    widths: dict[str, float]


class Hold(TypedDict):
    type: Literal["pause", "resume"]


class Filter(TypedDict):
    """Show only rows that pass: see `RowFilter`."""

    type: Literal["filter"]
    text: str


class Export(TypedDict):
    """Make a file of all rows, as they are filtered and sorted; the answer is its first `Part`."""

    type: Literal["export"]
    format: Literal["csv", "parquet"]


class NextPart(TypedDict):
    """The next part of the file, please."""

    type: Literal["part"]


class Part(TypedDict):
    """Kernel to browser, to one page: a part of the file, as a buffer; after the last, none and `done`."""

    type: Literal["part"]
    tab: str
    done: bool


class Select(TypedDict):
    """The reader has put the cursor in this row."""

    type: Literal["select"]
    key: str


class Edit(TypedDict):
    """Run the mutation that edits rows for one cell."""

    type: Literal["edit"]
    key: str
    column: str
    entry: Any


class Edited(TypedDict):
    """Kernel to browser, to one page: the mutation has run, or why it has not."""

    type: Literal["edited"]
    tab: str
    key: str
    column: str
    problem: str


class Open(TypedDict):
    """Show the document of an id, or what a cell holds; `onward` leaves a way back to what is open now."""

    type: Literal["open"]
    id: NotRequired[str]
    onward: NotRequired[bool]
    key: NotRequired[str]
    column: NotRequired[str]


class Leave(TypedDict):
    """Show what was open before, or nothing."""

    type: Literal["back", "shut"]


class LoadMore(TypedDict):
    """Load one more page of a paginated query than this sequence shows."""

    type: Literal["more"]
    sequence: int


Request: TypeAlias = (
    Hello
    | Drawn
    | Hidden
    | Turn
    | Anchor
    | Sort
    | Arrange
    | Hold
    | LoadMore
    | Filter
    | Export
    | NextPart
    | Select
    | Edit
    | Open
    | Leave
)


class Submit(TypedDict):
    """Run the function of a form with these entries: see `form_fields.Field`."""

    type: Literal["submit"]
    entries: dict[str, Any]


class AskChoices(TypedDict):
    """Which ids of this table are there to choose from?"""

    type: Literal["choices"]
    table: str


class SendFile(TypedDict):
    """A part of a file, as a buffer, for the entries that will name its number; a file begins with the part at 0."""

    type: Literal["file"]
    number: int
    media: str
    start: int


FormRequest: TypeAlias = Submit | AskChoices | SendFile


class TurnTo(TypedDict):
    """Show another page of the dashboard."""

    type: Literal["turn"]
    page: str


class Do(TypedDict):
    """Do something on the page that is open: see `dashboard/blocks.py`."""

    type: Literal["do"]
    act: str
    key: NotRequired[str]
    entries: NotRequired[dict[str, str]]


DashboardRequest: TypeAlias = TurnTo | Do
