"""Owns the configuration of the Task Center: every setting once, with its bounds and what it means.

`docs/reference/settings.md` is made from what stands here.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator
from pydantic_settings import SettingsConfigDict

from obtask.environment import WEB_PREFIX, Declared, Listen, Names, Whole, setting, valid_namespaces

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
Identities = Literal["kubeconfig", "token", "proxy", "impersonate"]


class WebSettings(Declared):
    """How the Task Center runs."""

    model_config = SettingsConfigDict(env_prefix=WEB_PREFIX)

    kubeconfig: str | None = setting(
        None,
        "how to reach the API server; its credentials are used with the identity `kubeconfig` and by nobody else",
        option="--kubeconfig",
        unset="the cluster that the pod is in",
        validation_alias="KUBECONFIG",
    )
    context: str | None = setting(None, "context of the kubeconfig", option="--context", unset="the current one")
    identity: Identities | None = setting(
        None,
        "who a visitor is: `kubeconfig` (whoever opens the one-time link, with the kubeconfig's rights; on this machine only), `token` "
        "(whoever pastes a token of the API server), `proxy` (a proxy in front sends each visitor's token), `impersonate` (a proxy in "
        "front names each visitor; the Task Center impersonates them): docs/guides/task-center.md",
        option="--identity",
        unset="kubeconfig with a kubeconfig, token without",
    )
    listen: Listen = setting(("127.0.0.1", 8090), "`HOST:PORT` to listen on; 0 is a free port", option="--listen", unset="127.0.0.1:8090")
    hosts: Names = setting(
        (),
        "names by which browsers may call it, such as `tasks.example.com`; requests with any other `Host` are answered with 421",
        option="--host",
        unset=", ".join(LOOPBACK),
    )
    namespaces: Annotated[Names, AfterValidator(valid_namespaces)] = setting(
        (),
        "namespaces that are offered to visitors who may not list tasks of the whole cluster, nor namespaces",
        option="--namespace",
        unset="none",
    )
    lang: Literal["en", "zh"] = setting("en", "language for browsers that ask for neither English nor Chinese", option="--lang")
    idle_minutes: Whole = setting(30, "a session that nobody uses ends after so long", unit="minutes", ge=1, le=1440)
    session_minutes: Whole = setting(480, "every session ends after so long, and never after its token", unit="minutes", ge=1, le=1440)
    watch_seconds: Whole = setting(
        300,
        "rights that were taken from a visitor are noticed after so long at the latest: tasks are watched anew",
        unit="seconds",
        ge=1,
        le=300,
    )
    logins_per_minute: Whole = setting(10, "logins that one address may try in a minute", unit="logins", ge=1, le=10000)
    user_header: str = setting("X-Forwarded-User", "header in which a proxy names the visitor, with the identity `impersonate`")
    groups_header: str = setting("X-Forwarded-Groups", "header in which it names the visitor's groups, with commas between them")
    groups: Names = setting(
        (), "groups that are passed on of those that it names; with the identity `impersonate` there has to be one", unset="none"
    )
    proxy_secret_file: str | None = setting(
        None,
        "file with the secret that the proxy shows in the header `X-OBTask-Proxy-Secret`, of at least 16 characters; with the identity "
        "`impersonate` there has to be one",
        unset="none",
    )
    log_format: Literal["text", "json"] = setting("text", "`text` or `json`", option="--log-format")

    @property
    def chosen_identity(self) -> Identities:
        """Return the identity mode, whether it was set or not."""
        return self.identity or ("kubeconfig" if self.kubeconfig else "token")

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Return the names by which browsers may call it."""
        return self.hosts or LOOPBACK
