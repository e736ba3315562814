"""Owns the configuration of the operator: every setting once, with its bounds and what it means; read once, from environment variables.

`docs/reference/settings.md` is made from what stands here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, Strict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from obtask import names
from obtask.hosts import InvalidEntry, read_entry
from obtask.model.contract import ACTION_NAMES

PREFIX = "OBTASK_"
HIGHEST_PORT = 65535
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOSTS = "host names, *.suffix, IP addresses and CIDRs, each with a port or without, such as *.example.com,10.0.0.0/8,[::1]:80"


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the text names the variable and what is allowed."""


def _from_text(read: Callable[[str], Any]) -> BeforeValidator:
    """Return what reads a value if it comes as text; values that the code gives are left alone."""
    return BeforeValidator(lambda value: read(value) if isinstance(value, str) else value)


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() else text


def _flag(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text, text)


def _entries(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.strip() for entry in text.split(",") if entry.strip()))


def _namespaces(entries: Sequence[str]) -> tuple[str, ...]:
    for entry in entries:
        if not _NAMESPACE.fullmatch(entry):
            raise ValueError(f": {entry!r} is no name of a namespace; use a,b for several, and nothing for all of them")
    return tuple(entries)


def _namespace(text: str) -> str | None:
    entries = _namespaces(_entries(text))
    if len(entries) > 1:
        raise ValueError(f"={text!r}: use one namespace")
    return entries[0] if entries else None


def _hosts(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        try:
            read_entry(entry)
        except InvalidEntry as error:
            raise ValueError(f": {entry!r}: use {_HOSTS}") from error
    return entries


def _actions(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        if entry not in ACTION_NAMES:
            raise ValueError(f": {entry!r} is no kind of action; use some of {','.join(ACTION_NAMES)}, and nothing for all of them")
    return entries


def _account(text: str) -> tuple[str, str] | None:
    namespace, _, account = text.strip().partition("/")
    if text.strip() and not (_NAMESPACE.fullmatch(namespace) and account):
        raise ValueError(f"={text.strip()!r}: use NAMESPACE/NAME")
    return (namespace, account) if account else None


def _address(text: str) -> tuple[str, int] | None:
    host, _, port = text.strip().rpartition(":")
    if not text.strip():
        return None
    if not port.isdecimal() or not 0 < int(port) <= HIGHEST_PORT:
        raise ValueError(f"={text.strip()!r}: use HOST:PORT, such as 127.0.0.1:9090")
    return (host.strip("[]") or "127.0.0.1", int(port))


Whole = Annotated[int, Strict(), _from_text(_whole)]
Seconds = Annotated[float, Strict(), _from_text(_whole)]
Address = Annotated[tuple[str, int] | None, _from_text(_address)]
Names = Annotated[tuple[str, ...], _from_text(_entries)]


def _setting(default: Any, description: str, *, unit: str = "", option: str = "", unset: str = "", **more: Any) -> Any:
    """Declare a setting; ``unset`` says in words what it means when it is not set."""
    return Field(default, description=description, json_schema_extra={"unit": unit, "option": option, "unset": unset}, **more)


class Settings(BaseSettings):
    """How the operator runs."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", enable_decoding=False, validate_by_name=True, validate_by_alias=True
    )

    kubeconfig: str | None = _setting(
        None,
        "how to reach the API server; requests and watches respect `proxy-url`, `tls-server-name` and exec plugins. "
        "Credentials are read again before they expire and when they are refused; a change of the server in the file is ignored",
        option="--kubeconfig",
        unset="the pod's service account",
        validation_alias="KUBECONFIG",
    )
    namespaces: Annotated[Names, AfterValidator(_namespaces)] = _setting((), "namespaces to watch", option="--namespace", unset="all")
    workers: Whole = _setting(32, "tasks that are reconciled at once", unit="tasks", ge=1, le=256)
    workers_per_namespace: Whole = Field(
        default_factory=lambda others: max(1, others.get("workers", 1) // 4),
        description="the most that one namespace gets while others have work, too; one that was alone for 10 s gets three quarters",
        json_schema_extra={"unit": "tasks", "option": "", "unset": "a quarter of them"},
        ge=1,
        le=256,
    )
    in_process_attempts: Whole = _setting(
        256,
        "slots for SQL and HTTP attempts, as many for `resource` steps, and as many for requests to obshell. Others wait for a slot, "
        "and namespaces take turns. What sleeps between two polls holds none. A namespace starts and polls at most 50 times a second",
        unit="attempts",
        ge=1,
        le=1024,
    )
    in_process_attempts_per_namespace: Whole = _setting(
        64, "the most of them that one namespace gets; never more than half of what is free", unit="attempts", ge=1, le=1024
    )
    lookups_per_namespace: Whole = _setting(
        8, "the most host names that are looked up at once for one namespace, of 64 in all", unit="lookups", ge=1, le=64
    )
    followed_logs_per_namespace: Whole = _setting(
        8, "the most Job logs of one namespace that are followed at once, of 32 in all; others are read in turn", unit="logs", ge=1, le=32
    )
    allowed_hosts: Annotated[Names, AfterValidator(_hosts)] = _setting(
        (), "hosts that sql, http and obshell steps may reach: docs/guides/allowed-hosts.md", unset="all but special ones"
    )
    pod_start_seconds: Seconds = _setting(
        120, "how long a Job's pod may fail to start (image, configuration) before its attempt fails", unit="seconds", ge=1, le=86400
    )
    grace_seconds: Seconds = _setting(
        20, "how long running statements may go on after SIGTERM before they are interrupted", unit="seconds", ge=0, le=3600
    )
    sweep_seconds: Seconds = _setting(30, "pause between two searches for Leases whose holder is gone", unit="seconds", ge=1, le=3600)
    ttl_seconds_after_finished: Whole | None = _setting(
        None,
        "delete tasks this long after they finished; a task's own `ttlSecondsAfterFinished` takes precedence",
        unit="seconds",
        unset="none: they are kept",
        ge=0,
        le=315360000,
    )
    actions: Annotated[Names, AfterValidator(_actions)] = _setting(
        (), "the kinds of actions that are carried out, such as `wait,sql`; a task with another kind is `Rejected`", unset="all"
    )
    service_account: Annotated[tuple[str, str] | None, _from_text(_account)] = _setting(
        None,
        "the operator's own account, as `NAMESPACE/NAME`: tasks in this namespace or under this account are `Rejected`",
        unset="none; the chart sets it",
    )
    opt_in: Annotated[Literal[True, False], _from_text(_flag)] = _setting(
        False,
        f"take tasks only in namespaces with the label `{names.ENABLED_LABEL}=true`; others stay `Pending` and say so",
        unset="false",
    )
    marked_at_creation: Annotated[Literal[True, False] | None, _from_text(_flag)] = _setting(
        None,
        "whether the API server has the chart's policy that marks new tasks when they are created: with `true` the operator saves a write "
        "for each task, with `false` the mark shows a copy from elsewhere",
        unset="not known: the operator writes a mark of its own",
    )
    history_limit: Whole | None = _setting(
        None, "keep this many finished tasks in each namespace, the newest", unit="tasks", unset="none: all", ge=0, le=1000000
    )
    log_format: Literal["text", "json"] = _setting("text", "`text` or `json`", option="--log-format")
    leader_namespace: Annotated[str | None, _from_text(_namespace)] = _setting(
        None,
        "namespace of the Lease `obtask-operator`; with it, one of several operators works and the others stand by, warm",
        unset="none: no election",
    )
    metrics_address: Address = _setting(None, "`HOST:PORT` of the Prometheus endpoint, such as `127.0.0.1:9090`", unset="none: no endpoint")
    health_address: Address = _setting(
        None,
        "`HOST:PORT` of `/healthz` (the loop runs) and `/readyz` (leader or warm standby, and of everything that is watched there was a "
        "list and an answer within the last two minutes; otherwise it says what is missing); may be the same as that of metrics. Either "
        "takes 64 connections at once, 32 of one peer, for one request each: one too many ends the oldest of the busiest peer",
        unset="none: no endpoint",
    )
    runner: str = Field("", description="the name of this process; not a setting", exclude=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing behind the back of whoever makes settings: `read_settings` is told of the environment."""
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class Setting:
    """What there is to say of one setting: its variable, the option of the command line if it has one, and what may stand there."""

    variable: str
    option: str
    default: str
    unit: str
    lowest: int | None
    highest: int | None
    allowed: tuple[str, ...]
    description: str


def settings() -> dict[str, Setting]:
    """Return all settings by the names of their fields, in the order in which people read of them."""
    return {name: _described(name, field) for name, field in Settings.model_fields.items() if not field.exclude}


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings in the environment variables OBTASK_*; raises SettingsError naming the bad one."""
    fields = settings()
    variables = {setting.variable for setting in fields.values()}
    _refuse_unknown(environment, variables)
    try:
        return Settings(**_Environment({name: environment[name] for name in variables if environment.get(name)})())
    except ValidationError as error:
        raise SettingsError(_said(fields, error.errors()[0])) from error


class _Environment(EnvSettingsSource):
    """The variables of an environment, which need not be that of this process."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(Settings)
        self.env_vars = {name.lower(): value for name, value in variables.items()}  # names are looked up in small letters


def _described(name: str, field: FieldInfo) -> Setting:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    variable = field.validation_alias if isinstance(field.validation_alias, str) else PREFIX + name.upper()
    return Setting(
        variable=variable,
        option=str(extra["option"]),
        default=str(extra["unset"] or field.default),
        unit=str(extra["unit"]),
        lowest=_bound(field, "ge"),
        highest=_bound(field, "le"),
        allowed=tuple(str(value).lower() for value in get_args(field.annotation)) if _is_choice(field) else (),
        description=field.description or "",
    )


def _bound(field: FieldInfo, which: str) -> int | None:
    return next((getattr(bound, which) for bound in field.metadata if hasattr(bound, which)), None)


def _is_choice(field: FieldInfo) -> bool:
    return getattr(field.annotation, "__origin__", None) is Literal


def _said(fields: Mapping[str, Setting], error: ErrorDetails) -> str:
    location, text = str(error["loc"][0]), error["input"]
    setting = next(one for name, one in fields.items() if location in {name, one.variable})
    if error["type"] == "value_error":
        return f"{setting.variable}{error['ctx']['error']}"
    allowed = f"one of {', '.join(setting.allowed)}" if setting.allowed else f"a whole number from {setting.lowest} to {setting.highest}"
    return f"{setting.variable}={text!r}: use {allowed}"


def _refuse_unknown(environment: Mapping[str, str], variables: set[str]) -> None:
    # Kubernetes tells a Pod of every Service in its namespace, ours among them: OBTASK_OPERATOR_SERVICE_HOST and the like.
    links = [name.removesuffix("SERVICE_HOST") for name in environment if name.endswith("_SERVICE_HOST")]
    told = tuple(link + part for link in links for part in ("SERVICE_", "PORT"))
    # The Job of a step may use our own image, and knows whose attempt it is.
    attempt = {PREFIX + name for name in names.ATTEMPT_VARIABLES}
    variables = variables | attempt if attempt <= set(environment) else variables
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in variables and not name.startswith(told):
            near = get_close_matches(name, variables, 1)
            raise SettingsError(f"{name}: there is no such setting" + (f"; do you mean {near[0]}?" if near else ""))
