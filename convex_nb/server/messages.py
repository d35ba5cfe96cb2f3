"""The messages of the sync protocol: what clients send, checked by its form, and what they are sent."""

from __future__ import annotations

import struct
from base64 import b64encode
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from convex_nb.language.encoding import to_wire_json
from convex_nb.language.qualified_names import qualified
from convex_nb.language.values import UNDEFINED

U32: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
Json: TypeAlias = dict[str, Any]

_u64: Final = struct.Struct("<Q")
LARGEST_PART: Final = 5_000_000
"""A transition is sent in parts of at most so many bytes to clients that can put them together."""


class Message(msgspec.Struct, tag_field="type", rename="camel"):
    """What all of them have: a type, and perhaps fields that nobody here knows, which are let be."""


class Connect(Message, tag="Connect"):
    """The first message: who it is, as of an earlier connection too."""

    session_id: str
    connection_count: U32 = 0
    last_close_reason: str | None = None
    client_ts: float = 0
    max_observed_timestamp: str | None = None


class Call(Message):
    """What messages that name a function have."""

    udf_path: str
    args: list[Any]
    component_path: str | None = None

    @property
    def path(self) -> str:
        """The path of the function, with that of its component."""
        return qualified(self.component_path or "", self.udf_path)


class Add(Call, tag="Add", kw_only=True):
    """Follow a query."""

    query_id: U32
    journal: str | None = None


class Remove(Message, tag="Remove"):
    """Follow it no longer."""

    query_id: U32


class ModifyQuerySet(Message, tag="ModifyQuerySet"):
    """Which queries are followed from now on."""

    base_version: U32
    new_version: U32
    modifications: list[Add | Remove]


class Mutation(Call, tag="Mutation", kw_only=True):
    """Run a mutation, after those that came before."""

    request_id: U32


class Action(Call, tag="Action", kw_only=True):
    """Run an action, now."""

    request_id: U32


class Authenticate(Message, tag="Authenticate"):
    """For whom everything is from now on."""

    base_version: U32
    token_type: Literal["User", "Admin", "None"]
    value: str | None = None
    impersonating: Json | None = None
    # By this name some clients call it, with its underscore.
    acting_as: Json | None = msgspec.field(default=None, name="acting_as")


class Event(Message, tag="Event"):
    """What a client tells about itself."""


ClientMessage: TypeAlias = Connect | ModifyQuerySet | Mutation | Action | Authenticate | Event

_decoder: Final = msgspec.json.Decoder(ClientMessage)
_encoder: Final = msgspec.json.Encoder()


class BadMessageError(Exception):
    """A frame that is no message of the protocol."""


def decode(text: str) -> ClientMessage:
    """The message in a frame. Raises `BadMessageError`."""
    try:
        message: ClientMessage = _decoder.decode(text)
        return message
    except RecursionError:
        raise BadMessageError("The message is nested too deep.") from None
    except (msgspec.MsgspecError, UnicodeError, ValueError) as error:
        raise BadMessageError(f"The message could not be understood: {error}") from None


def encode(message: Json) -> str:
    """The text of a message."""
    return _encoder.encode(message).decode()


def encode_value(value: Any) -> msgspec.Raw:
    """The text of a value, to be put into messages as it is."""
    return msgspec.Raw(_encoder.encode(to_wire_json(value)))


def timestamp_text(timestamp: int) -> str:
    """A commit's timestamp as the protocol writes it."""
    return b64encode(_u64.pack(timestamp)).decode()


def result_fields(value: Any, lines: list[str], data: Any = UNDEFINED) -> Json:
    """The fields that all answers end with."""
    fields = {"result": value, "logLines": lines}
    if data is not UNDEFINED:
        fields["errorData"] = encode_value(data)
    return fields


def parts(text: str, largest: int = LARGEST_PART) -> list[str]:
    """A transition's text as the frames to send: itself, or chunks if it is too long for one."""
    if len(text) * 4 <= largest or len(encoded := text.encode()) <= largest:
        return [text]
    chunks = _pieces(encoded, largest)
    return [
        encode(
            {
                "type": "TransitionChunk",
                "chunk": chunk,
                "partNumber": number,
                "totalParts": len(chunks),
                "transitionId": str(len(text)),
            }
        )
        for number, chunk in enumerate(chunks)
    ]


def _pieces(encoded: bytes, largest: int) -> list[str]:
    pieces = []
    start = 0
    while start < len(encoded):
        stop = start + largest
        # Not within a character, whose bytes after the first are 10xxxxxx.
        while stop < len(encoded) and encoded[stop] & 0xC0 == 0x80:
            stop -= 1
        pieces.append(encoded[start:stop].decode())
        start = stop
    return pieces
