"""Owns the configuration of the operator, read once from the environment; options of the command line go first."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from obtask import names
from obtask.hosts import InvalidEntry, read_entry

PREFIX = "OBTASK_"
ACTIONS = ("wait", "sql", "job", "http", "resource", "obshell", "approve")


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the text names the variable and what is allowed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the operator runs."""

    kubeconfig: str | None = None
    namespaces: tuple[str, ...] = ()
    workers: int = 32
    workers_per_namespace: int = 8
    in_process_attempts: int = 256
    in_process_attempts_per_namespace: int = 64
    lookups_per_namespace: int = 8
    followed_logs_per_namespace: int = 8
    grace_seconds: float = 20.0
    sweep_seconds: float = 30.0
    pod_start_seconds: float = 120.0
    runner: str = ""
    log_format: str = "text"
    leader_namespace: str | None = None
    metrics_address: tuple[str, int] | None = None
    health_address: tuple[str, int] | None = None
    allowed_hosts: tuple[str, ...] = ()
    ttl_seconds_after_finished: int | None = None
    history_limit: int | None = None
    actions: tuple[str, ...] = ()
    service_account: tuple[str, str] | None = None
    opt_in: bool = False


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings in the environment variables OBTASK_*; raises SettingsError naming the bad one."""
    asked = _Asked(environment)
    settings = _read(asked)
    _refuse_unknown(environment, asked.names)
    return settings


class _Asked(Mapping[str, str]):
    """An environment that knows what it was asked for: that is what settings there are."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._environment[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)


def _refuse_unknown(environment: Mapping[str, str], known: set[str]) -> None:
    # Kubernetes tells a Pod of every Service in its namespace, ours among them: OBTASK_OPERATOR_SERVICE_HOST and the like.
    links = [name.removesuffix("SERVICE_HOST") for name in environment if name.endswith("_SERVICE_HOST")]
    told = tuple(link + part for link in links for part in ("SERVICE_", "PORT"))
    # The Job of a step may use our own image, and knows whose attempt it is.
    attempt = {PREFIX + name for name in names.ATTEMPT_VARIABLES}
    known = known | attempt if attempt <= set(environment) else known
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known and not name.startswith(told):
            near = get_close_matches(name, known, 1)
            raise SettingsError(f"{name}: there is no such setting" + (f"; do you mean {near[0]}?" if near else ""))


def _read(environment: Mapping[str, str]) -> Settings:
    workers = _whole(environment, "OBTASK_WORKERS", 32, lowest=1, highest=256)
    return Settings(
        kubeconfig=environment.get("KUBECONFIG") or None,
        namespaces=_namespaces(environment, "OBTASK_NAMESPACES"),
        workers=workers,
        workers_per_namespace=_whole(environment, "OBTASK_WORKERS_PER_NAMESPACE", max(1, workers // 4), lowest=1, highest=256),
        in_process_attempts=_whole(environment, "OBTASK_IN_PROCESS_ATTEMPTS", 256, lowest=1, highest=1024),
        in_process_attempts_per_namespace=_whole(environment, "OBTASK_IN_PROCESS_ATTEMPTS_PER_NAMESPACE", 64, lowest=1, highest=1024),
        lookups_per_namespace=_whole(environment, "OBTASK_LOOKUPS_PER_NAMESPACE", 8, lowest=1, highest=64),
        followed_logs_per_namespace=_whole(environment, "OBTASK_FOLLOWED_LOGS_PER_NAMESPACE", 8, lowest=1, highest=32),
        grace_seconds=_whole(environment, "OBTASK_GRACE_SECONDS", 20, lowest=0, highest=3600),
        sweep_seconds=_whole(environment, "OBTASK_SWEEP_SECONDS", 30, lowest=1, highest=3600),
        pod_start_seconds=_whole(environment, "OBTASK_POD_START_SECONDS", 120, lowest=1, highest=86400),
        leader_namespace=_namespace(environment, "OBTASK_LEADER_NAMESPACE"),
        metrics_address=_address(environment, "OBTASK_METRICS_ADDRESS"),
        health_address=_address(environment, "OBTASK_HEALTH_ADDRESS"),
        allowed_hosts=_hosts(environment, "OBTASK_ALLOWED_HOSTS"),
        log_format=_choice(environment, "OBTASK_LOG_FORMAT", "text", ("text", "json")),
        ttl_seconds_after_finished=_limit(environment, "OBTASK_TTL_SECONDS_AFTER_FINISHED", highest=315360000),
        actions=_actions(environment, "OBTASK_ACTIONS"),
        service_account=_account(environment, "OBTASK_SERVICE_ACCOUNT"),
        opt_in=_choice(environment, "OBTASK_OPT_IN", "false", ("true", "false")) == "true",
        history_limit=_limit(environment, "OBTASK_HISTORY_LIMIT", highest=1000000),
    )


_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def _namespaces(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    entries = tuple(dict.fromkeys(entry.strip() for entry in environment.get(name, "").split(",") if entry.strip()))
    for entry in entries:
        if not _NAMESPACE.fullmatch(entry):
            raise SettingsError(f"{name}: {entry!r} is no name of a namespace; use a,b for several, and nothing for all of them")
    return entries


def _namespace(environment: Mapping[str, str], name: str) -> str | None:
    found = _namespaces(environment, name)
    if len(found) > 1:
        raise SettingsError(f"{name}={environment[name]!r}: use one namespace")
    return found[0] if found else None


def _hosts(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    entries = tuple(entry.strip() for entry in environment.get(name, "").split(",") if entry.strip())
    for entry in entries:
        try:
            read_entry(entry)
        except InvalidEntry as error:
            allowed = "host names, *.suffix, IP addresses and CIDRs, each with a port or without, such as *.example.com,10.0.0.0/8,[::1]:80"
            raise SettingsError(f"{name}: {entry!r}: use {allowed}") from error
    return entries


def _actions(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    entries = tuple(dict.fromkeys(entry.strip() for entry in environment.get(name, "").split(",") if entry.strip()))
    for entry in entries:
        if entry not in ACTIONS:
            raise SettingsError(f"{name}: {entry!r} is no kind of action; use some of {','.join(ACTIONS)}, and nothing for all of them")
    return entries


def _account(environment: Mapping[str, str], name: str) -> tuple[str, str] | None:
    text = environment.get(name, "").strip()
    namespace, _, account = text.partition("/")
    if text and not (_NAMESPACE.fullmatch(namespace) and account):
        raise SettingsError(f"{name}={text!r}: use NAMESPACE/NAME")
    return (namespace, account) if text else None


def _limit(environment: Mapping[str, str], name: str, *, highest: int) -> int | None:
    return _whole(environment, name, 0, lowest=0, highest=highest) if environment.get(name) else None


def _whole(environment: Mapping[str, str], name: str, default: int, *, lowest: int, highest: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise SettingsError(f"{name}={text!r}: use a whole number from {lowest} to {highest}")
    return int(text)


def _address(environment: Mapping[str, str], name: str) -> tuple[str, int] | None:
    text = environment.get(name, "").strip()
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:  # noqa: PLR2004 - the ports of TCP
        raise SettingsError(f"{name}={text!r}: use HOST:PORT, such as 127.0.0.1:9090")
    return (host.strip("[]") or "127.0.0.1", int(port))


def _choice(environment: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    text = environment.get(name, default)
    if text not in allowed:
        raise SettingsError(f"{name}={text!r}: use one of {', '.join(allowed)}")
    return text
