"""Owns the texts and values that fields of an action may hold."""

from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

Expression = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Statement = Annotated[str, StringConstraints(min_length=1, max_length=16384)]
Scalar = str | int | float | bool | None
Word = Annotated[str, StringConstraints(max_length=131072)]  # of a command line: Linux' MAX_ARG_STRLEN; it may be empty
Url = Annotated[str, StringConstraints(pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s]+$", max_length=8192)]
# A host name (a final dot is allowed), or an IP address, in brackets or not. ASCII only and without a zone: what is to be found in a list
# of hosts must be one thing for whoever reads it.
_NAME = r"[A-Za-z0-9_]([-A-Za-z0-9_.]*[A-Za-z0-9_])?\.?"
_IPV6 = r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*"
Host = Annotated[str, StringConstraints(strict=True, pattern=rf"^({_NAME}|{_IPV6}|\[{_IPV6}\])$", min_length=1, max_length=253)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
_NO_CONTROL = r"^[^\x00-\x1f\x7f-\x9f]+$"
User = Annotated[str, StringConstraints(strict=True, pattern=_NO_CONTROL, min_length=1, max_length=256)]
Database = Annotated[str, StringConstraints(strict=True, pattern=_NO_CONTROL, min_length=1, max_length=128)]
JsonPointer = Annotated[str, StringConstraints(strict=True, pattern=r"^(/([^/~]|~[01])*)+$", min_length=1, max_length=512)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[-!#$%&'*+.^_`|~0-9A-Za-z]+$", max_length=256)]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0a-\x1f\x7f]*$", max_length=65536)]
FreeForm = dict[str, Any]
# Kubernetes' IsValidPathSegmentName, in a dialect that knows no look-ahead.
_SEGMENT = r"^([^./%][^/%]*|\.[^./%][^/%]*|\.\.[^/%]+)$"
SEGMENT_RULE: Final = 'not empty, not "." or "..", without "/" and "%"'
ObjectName = Annotated[str, StringConstraints(strict=True, pattern=_SEGMENT, min_length=1, max_length=253)]
NamespaceName = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)]
ApiVersion = Annotated[
    str,
    StringConstraints(
        strict=True, pattern=r"^([a-z0-9]([-.a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=253
    ),
]
KindName = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$", min_length=1, max_length=63)]


def is_path_segment(name: str) -> bool:
    """Return whether a name can be one segment of a path of the API server: Kubernetes' IsValidPathSegmentName."""
    return name not in ("", ".", "..") and "/" not in name and "%" not in name
