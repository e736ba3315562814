"""Owns the texts and values that fields of an action may hold."""

from typing import Annotated, Any

from pydantic import StringConstraints

Expression = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Statement = Annotated[str, StringConstraints(min_length=1, max_length=16384)]
Scalar = str | int | float | bool | None
Text = Annotated[str, StringConstraints(min_length=1, max_length=16384)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=2048)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[-!#$%&'*+.^_`|~0-9A-Za-z]+$", max_length=256)]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0a-\x1f\x7f]*$", max_length=8192)]
FreeForm = dict[str, Any]
ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253)]
ApiVersion = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=253)]
KindName = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=63)]
