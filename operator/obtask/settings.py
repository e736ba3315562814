"""Owns the configuration of the operator: every setting once, with its bounds and what it means; read once, from environment variables.

`docs/reference/settings.md` is made from what stands here.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from obtask import names
from obtask.environment import (
    Address,
    Declared,
    Flag,
    Names,
    OptionalFlag,
    Seconds,
    Whole,
    entries,
    from_text,
    is_namespace,
    valid_namespaces,
)
from obtask.environment import setting as _setting
from obtask.hosts import InvalidEntry, read_entry
from obtask.model.contract import ACTION_NAMES

_HOSTS = "host names, *.suffix, IP addresses and CIDRs, each with a port or without, such as *.example.com,10.0.0.0/8,[::1]:80"


def _namespace(text: str) -> str | None:
    found = valid_namespaces(entries(text))
    if len(found) > 1:
        raise ValueError(f"={text!r}: use one namespace")
    return found[0] if found else None


def _hosts(given: tuple[str, ...]) -> tuple[str, ...]:
    for entry in given:
        try:
            read_entry(entry)
        except InvalidEntry as error:
            raise ValueError(f": {entry!r}: use {_HOSTS}") from error
    return given


def _actions(given: tuple[str, ...]) -> tuple[str, ...]:
    for entry in given:
        if entry not in ACTION_NAMES:
            raise ValueError(f": {entry!r} is no kind of action; use some of {','.join(ACTION_NAMES)}, and nothing for all of them")
    return given


def _account(text: str) -> tuple[str, str] | None:
    namespace, _, account = text.strip().partition("/")
    if text.strip() and not (is_namespace(namespace) and account):
        raise ValueError(f"={text.strip()!r}: use NAMESPACE/NAME")
    return (namespace, account) if account else None


class Settings(Declared):
    """How the operator runs."""

    kubeconfig: str | None = _setting(
        None,
        "how to reach the API server; requests and watches respect `proxy-url`, `tls-server-name` and exec plugins. "
        "Credentials are read again before they expire and when they are refused; a change of the server in the file is ignored",
        option="--kubeconfig",
        unset="the pod's service account",
        validation_alias="KUBECONFIG",
    )
    namespaces: Annotated[Names, AfterValidator(valid_namespaces)] = _setting((), "namespaces to watch", option="--namespace", unset="all")
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
    service_account: Annotated[tuple[str, str] | None, from_text(_account)] = _setting(
        None,
        "the operator's own account, as `NAMESPACE/NAME`: tasks in this namespace or under this account are `Rejected`",
        unset="none; the chart sets it",
    )
    opt_in: Flag = _setting(
        False,
        f"take tasks only in namespaces with the label `{names.ENABLED_LABEL}=true`; others stay `Pending` and say so",
        unset="false",
    )
    marked_at_creation: OptionalFlag = _setting(
        None,
        "whether the API server has the chart's policy that marks new tasks when they are created: with `true` the operator saves a write "
        "for each task, with `false` the mark shows a copy from elsewhere",
        unset="not known: the operator writes a mark of its own",
    )
    history_limit: Whole | None = _setting(
        None, "keep this many finished tasks in each namespace, the newest", unit="tasks", unset="none: all", ge=0, le=1000000
    )
    log_format: Literal["text", "json"] = _setting("text", "`text` or `json`", option="--log-format")
    leader_namespace: Annotated[str | None, from_text(_namespace)] = _setting(
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


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings in the environment variables OBTASK_*; raises SettingsError naming the bad one."""
    return Settings.read(environment)
