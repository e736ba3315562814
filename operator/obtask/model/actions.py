"""Owns what a subtask can do: the actions of API.md section 2.1."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from obtask.model.base import Value

Expression = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Statement = Annotated[str, StringConstraints(min_length=1, max_length=16384)]
Scalar = str | int | float | bool | None
Text = Annotated[str, StringConstraints(min_length=1, max_length=16384)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=2048)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[-!#$%&'*+.^_`|~0-9A-Za-z]+$", max_length=256)]
FreeForm = dict[str, Any]
ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253)]


class ConnectionRef(Value):
    """Names the Secret of type task.oceanbase.com/connection that tells where and as whom to connect."""

    secret_name: ObjectName = Field(description="Name of a Secret of type task.oceanbase.com/connection in the task's namespace.")


class WaitAction(Value):
    """Lets time pass."""

    seconds: int = Field(strict=True, ge=0, le=604800, description="How long to wait, in seconds: 0 to 604800 (one week).")


class SqlUnless(Value):
    """Tells when a subtask is already done."""

    query: Statement = Field(description="A query that is run first.")
    expect: Expression = Field(description="CEL over rows and affected. If it holds, nothing is run and the subtask succeeds.")


class SqlUntil(Value):
    """Tells when the effect of the statements has arrived."""

    query: Statement = Field(description="A query that is repeated until expect holds.")
    expect: Expression = Field(description="CEL over rows and affected of the query.")
    interval_seconds: int = Field(
        strict=True, default=5, ge=1, le=3600, description="Pause between two queries, in seconds: 1 to 3600. Default 5."
    )


class SqlAction(Value):
    """Runs SQL statements in order over one connection."""

    connection: ConnectionRef | None = Field(default=None, description="Where to connect. Default: spec.connection.")
    database: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        default=None, description="Database to use. Default: the one in the connection Secret, if any."
    )
    statements: list[Statement] = Field(
        min_length=1, max_length=64, description="1 to 64 statements, run in order; the first failure ends the attempt."
    )
    args: dict[str, Scalar] = Field(
        default_factory=dict,
        max_length=64,
        description="Up to 64 values for %(name)s in statements, unless and until: strings, numbers, booleans or null. "
        "The driver binds them; they are never pasted.",
    )
    unless: SqlUnless | None = Field(default=None, description="When this holds beforehand, nothing is run.")
    expect: Expression | None = Field(default=None, description="CEL over rows and affected of the last statement; must hold.")
    until: SqlUntil | None = Field(default=None, description="Must come true before the step's timeout.")


class EnvVar(Value):
    """An environment variable of a container, as in a pod."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=253)] = Field(description="Name of the variable.")
    value: Annotated[str, StringConstraints(max_length=16384)] | None = Field(default=None, description="Its value. Default: empty.")
    value_from: FreeForm | None = Field(default=None, description="Where its value comes from, as in a pod: secretKeyRef, fieldRef, ...")


class JobAction(Value):
    """Runs a container to its end, as a Kubernetes Job with one pod."""

    image: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = Field(
        default=None, description="Image of the container. Required unless the first container of podTemplate has one."
    )
    command: list[Text] = Field(default_factory=list, max_length=64, description="Entry point. Default: the image's.")
    args: list[Text] = Field(default_factory=list, max_length=256, description="Arguments of the entry point.")
    env: list[EnvVar] = Field(default_factory=list, max_length=128, description="Environment variables, besides OBTASK_*.")
    env_from: list[FreeForm] = Field(
        default_factory=list, max_length=32, description="Sources of environment variables, as in a pod: configMapRef, secretRef."
    )
    resources: FreeForm | None = Field(default=None, description="Requests and limits of the container, as in a pod.")
    pod_template: FreeForm | None = Field(
        default=None,
        description="Any fields of a PodTemplateSpec. The fields above are merged over its first container, what the operator sets "
        "over all of it; its securityContexts are merged over the operator's, which satisfy Pod Security's level restricted.",
    )
    queue_name: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = Field(
        default=None, description="Kueue queue: label kueue.x-k8s.io/queue-name of the Job."
    )

    @model_validator(mode="after")
    def _has_image(self) -> Self:
        if self.image is None and self.pod_template is None:
            raise ValueError("image is required unless podTemplate names one")
        return self

    @model_validator(mode="after")
    def _template_is_a_pod(self) -> Self:
        """Refuse what cannot be merged; the API server judges the rest when the Job is made."""
        template = self.pod_template or {}
        for name in template:
            if name not in {"metadata", "spec"}:
                raise ValueError(f"podTemplate.{name}: only metadata and spec are allowed")
            if not isinstance(template[name], dict):
                raise ValueError(f"podTemplate.{name} must be an object")  # noqa: TRY004 - pydantic reports ValueError
        spec = template.get("spec", {})
        for name in ("containers", "initContainers"):
            listed = spec.get(name, [])
            if not isinstance(listed, list) or not all(isinstance(container, dict) for container in listed):
                raise ValueError(f"podTemplate.spec.{name} must be a list of objects")
        if self.image is None and not (spec.get("containers") or [{}])[0].get("image"):
            raise ValueError("image is required unless the first container of podTemplate has one")
        return self


class HttpMethod(StrEnum):
    """Methods of HTTP that a step may use."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class SecretKeyRef(Value):
    """A key of a Secret in the task's namespace."""

    name: ObjectName = Field(description="Name of the Secret, of type task.oceanbase.com/connection.")
    key: ObjectName = Field(description="Key in the Secret.")


class HeaderFrom(Value):
    """A header whose value is a secret."""

    name: HeaderName = Field(description="Name of the header.")
    secret_key_ref: SecretKeyRef = Field(description="Where its value is.")


class HttpUntil(Value):
    """Tells when the effect of a request has arrived."""

    url: Url = Field(description="What is asked with GET, and the same headers, until expect holds.")
    expect: Expression = Field(description="CEL over status, headers and body of the answer.")
    interval_seconds: int = Field(
        strict=True, default=5, ge=1, le=3600, description="Pause between two requests, in seconds: 1 to 3600. Default 5."
    )


class HttpAction(Value):
    """Sends an HTTP request."""

    method: HttpMethod = Field(default=HttpMethod.GET, description="Method of the request. Default GET.")
    url: Url = Field(description="Where to send it: http or https.")
    headers: dict[HeaderName, Annotated[str, StringConstraints(max_length=8192)]] = Field(
        default_factory=dict, max_length=64, description="Headers of the request."
    )
    headers_from: list[HeaderFrom] = Field(
        default_factory=list, max_length=16, description="Headers whose values are in Secrets of type task.oceanbase.com/connection."
    )
    body: Any = Field(default=None, description="Body of the request: a string is sent as it is, anything else as JSON.")
    expect: Expression | None = Field(
        default=None, description="CEL over status, headers and body of the answer; must hold. Default: the status is 2xx."
    )
    until: HttpUntil | None = Field(default=None, description="Must come true before the step's timeout.")


class ResourcePatch(Value):
    """A change of an object that exists."""

    api_version: Annotated[str, StringConstraints(min_length=1, max_length=253)] = Field(description="API version, such as apps/v1.")
    kind: Annotated[str, StringConstraints(min_length=1, max_length=63)] = Field(description="Kind, such as Deployment.")
    name: ObjectName = Field(description="Name of the object, in the task's namespace if its kind has namespaces.")
    patch: FreeForm = Field(description="A JSON merge patch.")


class ResourceUntil(Value):
    """Tells when the effect of a change has arrived."""

    expect: Expression = Field(description="CEL over object, the live object.")


class ResourceAction(Value):
    """Applies or patches a Kubernetes object as the task's service account."""

    apply: FreeForm | None = Field(default=None, description="An object, applied server-side.")
    patch: ResourcePatch | None = Field(default=None, description="A change of an object that exists.")
    until: ResourceUntil | None = Field(default=None, description="Must come true before the step's timeout.")

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if (self.apply is None) == (self.patch is None):
            raise ValueError("exactly one of apply, patch is required")
        return self


class ObshellAction(Value):
    """Starts an operation of obshell and follows the task (DAG) that it starts there."""

    connection: ConnectionRef | None = Field(
        default=None, description="Secret with url and password of an obshell agent. Default: spec.connection."
    )
    method: HttpMethod = Field(default=HttpMethod.POST, description="Method of the request. Default POST.")
    path: Annotated[str, StringConstraints(pattern=r"^/api/v1/[^\s?#]*$", max_length=1024)] = Field(
        description="Path of the operation, such as /api/v1/ob/stop."
    )
    body: FreeForm | None = Field(default=None, description="Body of the request, as obshell's API describes it.")


Action = WaitAction | SqlAction | JobAction | HttpAction | ResourceAction | ObshellAction


def expressions(action: Action) -> list[tuple[str, str]]:
    """Return the CEL expressions of an action as (field path below the action, expression)."""
    match action:
        case SqlAction():
            found = {
                "expect": action.expect,
                "unless.expect": action.unless.expect if action.unless else None,
                "until.expect": action.until.expect if action.until else None,
            }
        case HttpAction():
            found = {"expect": action.expect, "until.expect": action.until.expect if action.until else None}
        case ResourceAction():
            found = {"until.expect": action.until.expect if action.until else None}
        case WaitAction() | JobAction() | ObshellAction():
            found = {}
    return [(path, text) for path, text in found.items() if text]


def kind(action: Action) -> str:
    """Return the field name of an action's kind, such as ``sql``."""
    return type(action).__name__.removesuffix("Action").lower()
