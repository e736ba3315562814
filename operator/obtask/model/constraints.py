"""Owns the texts and values that fields of an action may hold."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, StrictInt, StrictStr, StringConstraints, ValidationInfo, WithJsonSchema
from pydantic_core import SchemaValidator, core_schema

from obtask.model.limits import OUTPUTS
from obtask.model.values import OPENING, parts

# The context in which an action is validated whose values are in place: no expression may hide behind them.
IN_PLACE: Final = {"values": "in place"}


def _or_value(pattern: str) -> str:
    """Return the pattern of a field that has this form, or gets it when the values in it are known."""
    return rf"{pattern}|\$\{{\{{"


def _in_form(pattern: str) -> AfterValidator:
    """Return the check that a text with its values in place has the form."""
    form = SchemaValidator(core_schema.str_schema(pattern=pattern))  # the engine that reads the field itself

    def check(text: str, info: ValidationInfo) -> str:
        if info.context == IN_PLACE and not form.isinstance_python(text):
            raise ValueError(f"does not have the form {pattern}")
        return text

    return AfterValidator(check)


Expression = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
OutputName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=63)]
Outputs = Annotated[dict[OutputName, Expression], Field(max_length=OUTPUTS)]
KEPT = f"Up to {OUTPUTS} values for later steps and for the rollback, which read them as steps.NAME.outputs.KEY. Each is CEL over"
Statement = Annotated[str, StringConstraints(min_length=1, max_length=16384)]
Scalar = str | int | float | bool | None
Word = Annotated[str, StringConstraints(max_length=131072)]  # of a command line: Linux' MAX_ARG_STRLEN; it may be empty
_URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s]+$"
Url = Annotated[str, StringConstraints(pattern=_or_value(_URL), max_length=8192), _in_form(_URL)]
# A host name (a final dot is allowed), or an IP address, in brackets or not. ASCII only and without a zone: what is to be found in a list
# of hosts must be one thing for whoever reads it.
_NAME = r"[A-Za-z0-9_]([-A-Za-z0-9_.]*[A-Za-z0-9_])?\.?"
_IPV6 = r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*"
_HOST = rf"^({_NAME}|{_IPV6}|\[{_IPV6}\])$"
Host = Annotated[str, StringConstraints(strict=True, pattern=_or_value(_HOST), min_length=1, max_length=253), _in_form(_HOST)]
PORTS: Final = range(1, 65536)


def _is_port(port: int | str, info: ValidationInfo) -> int | str:
    one_value = isinstance(port, str) and info.context != IN_PLACE and len(parts(port)) == 1 and port.startswith(OPENING)
    if not one_value and port not in PORTS:
        raise ValueError(f"must be a number from {PORTS[0]} to {PORTS[-1]}, or one ${{{{ }}}}")
    return port


Port = Annotated[StrictInt | StrictStr, AfterValidator(_is_port), WithJsonSchema({"x-kubernetes-int-or-string": True})]
_NO_CONTROL = r"^[^\x00-\x1f\x7f-\x9f]+$"
User = Annotated[str, StringConstraints(strict=True, pattern=_NO_CONTROL, min_length=1, max_length=256), _in_form(_NO_CONTROL)]
Database = Annotated[str, StringConstraints(strict=True, pattern=_NO_CONTROL, min_length=1, max_length=128), _in_form(_NO_CONTROL)]
JsonPointer = Annotated[str, StringConstraints(strict=True, pattern=r"^(/([^/~]|~[01])*)+$", min_length=1, max_length=512)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[-!#$%&'*+.^_`|~0-9A-Za-z]+$", max_length=256)]
_HEADER_VALUE = r"^[^\x00-\x08\x0a-\x1f\x7f]*$"
HeaderValue = Annotated[str, StringConstraints(pattern=_HEADER_VALUE, max_length=65536), _in_form(_HEADER_VALUE)]
# What is written needs no encoding; what a value brings is encoded.
_WRITTEN_AGENT_PATH = r"^/api/v1/([^\s?#$]|\$[^\s?#{]|\$\{\{.*\}\})*$"
_AGENT_PATH = r"^/api/v1/[^\x00-\x1f\x7f]*$"
AgentPath = Annotated[str, StringConstraints(pattern=_WRITTEN_AGENT_PATH, max_length=1024), _in_form(_AGENT_PATH)]
FreeForm = dict[str, Any]
# Kubernetes' IsValidPathSegmentName, in a dialect that knows no look-ahead.
_SEGMENT = r"^([^./%][^/%]*|\.[^./%][^/%]*|\.\.[^/%]+)$"
SEGMENT_RULE: Final = 'not empty, not "." or "..", without "/" and "%"'
ObjectName = Annotated[str, StringConstraints(strict=True, pattern=_or_value(_SEGMENT), min_length=1, max_length=253), _in_form(_SEGMENT)]
_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
NamespaceName = Annotated[str, StringConstraints(strict=True, pattern=_or_value(_LABEL), min_length=1, max_length=63), _in_form(_LABEL)]
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
