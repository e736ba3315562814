"""Owns the objects of ob-operator, on the real API server: rows of the played cluster have them, and its rules do ob-operator's part.

The view KUBERNETES_OBJECTS is what they are like. What the operator under test writes goes to the real API server, and from there into the
view; what the played ob-operator does to the rows goes from there to the API server.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import unquote

from tests.component.catalogue.book import Rule, book, literal
from tests.component.catalogue.relay import HangUp, PassOn, Refuse, Verdict
from tests.component.catalogue.stage import How, Stage

from obtask.kube.api import ApiError, ApiUnavailable, Json, Response
from obtask.kube.client import MERGE_PATCH, Api

GROUP: Final = "oceanbase.oceanbase.com"
VERSION: Final = "v1alpha1"
VIEW: Final = "oceanbase.KUBERNETES_OBJECTS"
FINALIZER: Final = "finalizers.oceanbase.com/played"
RUNNER: Final = "runner"
BEAT_SECONDS: Final = 0.01

Row = tuple[str, str]


def definitions() -> list[Json]:
    """Return definitions of the kinds: the fields that ob-operator's have, each with anything in it."""
    open_field = {"x-kubernetes-preserve-unknown-fields": True}
    found = []
    for kind, fields in book().kinds.items():
        spec = {"type": "object", "properties": dict.fromkeys(fields, open_field)}
        schema = {"type": "object", "properties": {"spec": spec, "status": {"type": "object", **open_field}}}
        version = {"name": VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}
        names = {"kind": kind, "plural": _plural(kind), "singular": kind.lower()}
        body = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
        meta = {"name": f"{_plural(kind)}.{GROUP}"}
        found.append({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": body})
    return found


def rights(namespace: str) -> list[Json]:
    """Return what the task's service account needs."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": RUNNER, "namespace": namespace}}
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": RUNNER, "namespace": namespace}}
    verbs = ["get", "patch", "create", "update", "delete", "watch"]
    return [
        role | {"rules": [{"apiGroups": [GROUP], "resources": ["*"], "verbs": verbs}]},
        binding
        | {
            "subjects": [{"kind": "ServiceAccount", "name": RUNNER, "namespace": namespace}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": RUNNER},
        },
    ]


class PlayedObjects:
    """The objects in one namespace, and the client through which the operator under test reaches them: a part of ``kube.client.Api``."""

    def __init__(self, stage: Stage, api: Api, namespace: str) -> None:
        self._stage = stage
        self._api = api
        self._root = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}"
        self._shown: dict[Row, tuple[str, str]] = {}

    async def send(self, method: str, path: str) -> Json | ApiError:
        """Ask the real API server."""
        return await self._api.send(method, path)

    def apart(self) -> "PlayedObjects":
        """Return itself: requests of resource steps."""
        return self

    async def close(self) -> None:
        """Keep the connections for the next operator."""

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None, headers: Mapping[str, str] = {}
    ) -> Response:
        """Have the real API server carry a request out, and the played ob-operator take note; the fault that is planned strikes."""
        changing = method == "DELETE" or (method != "GET" and body != {})
        fault = self._stage.striking(self._stage.locate(), changing=changing)
        if fault is not None and fault.how is How.REFUSED:
            return _refusal(500, "Internal error occurred: played")
        answer = await (self._write if changing else self._pass)(method, path, query, body, headers)
        if fault is not None and fault.how is How.LOST:
            raise ApiUnavailable(f"{method} {path}: played")
        if fault is not None:
            self._stage.killed.set()
            await asyncio.Event().wait()
        return answer

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Mapping[str, str], headers: Mapping[str, str], seconds: float
    ) -> AsyncIterator[Response | AsyncIterator[bytes]]:
        """Watch on the real API server; meanwhile ob-operator works."""
        over = asyncio.Event()
        working = asyncio.create_task(self._work(over))
        try:
            async with self._api.stream(path, query=query, headers=headers, seconds=seconds) as answer:
                yield answer
        finally:
            over.set()  # a cancelled statement would cost the session
            await asyncio.shield(working)

    async def show(self) -> None:
        """Have the API server's objects as the rows are."""
        rows = {(kind, name): (spec, status) for kind, name, spec, status in await self._stage.ask(f"SELECT * FROM {VIEW}")}
        for row in self._shown.keys() - rows.keys():
            await self._take_away(row)
        for row, (spec, status) in rows.items():
            before = self._shown.get(row)
            if before != (spec, status):
                await self._place(row, spec, status, before)
        self._shown = rows

    async def _place(self, row: Row, spec: str, status: str, before: tuple[str, str] | None) -> None:
        kind, name = row
        if before is None:
            meta = {"name": name, "finalizers": [FINALIZER]}
            await self._sure(
                "POST",
                _path(self._root, kind),
                {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": meta, "spec": json.loads(spec)},
            )
        elif before[0] != spec:
            await self._sure("PATCH", _path(self._root, kind, name), {"spec": json.loads(spec)})
        if status and (before is None or before[1] != status):
            await self._sure("PATCH", f"{_path(self._root, kind, name)}/status", {"status": {"status": status}})

    async def _take_away(self, row: Row) -> None:
        path = _path(self._root, *row)
        await self._sure("PATCH", path, {"metadata": {"finalizers": None}})
        await self._api.send("DELETE", path)

    async def _work(self, over: asyncio.Event) -> None:
        await self.show()  # somebody else may have waited since
        while not over.is_set():
            if self._stage.busy or self._stage.meanwhile is not None:
                await self._stage.pause()
                await self.show()
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    await over.wait()

    async def _pass(self, method: str, path: str, query: Mapping[str, str], body: Json | None, headers: Mapping[str, str]) -> Response:
        return await self._api.exchange(method, path, query=query, body=body, headers=headers)

    async def _write(self, method: str, path: str, query: Mapping[str, str], body: Json | None, headers: Mapping[str, str]) -> Response:
        kind, name = _named(path, body)
        spec = (body or {}).get("spec", {})
        text = f"{'DELETE' if method == 'DELETE' else 'WRITE'} {kind} {name}" + (f" {_packed(spec)}" if method != "DELETE" else "")
        rule, words = self._rule(text)
        if rule is None:
            self._stage.troubles.append(f"no rule for objects fits: {text}")
            return _refusal(403, "no rule")
        refused = await self._stage.refusal(rule, words)
        if refused is not None:
            return _refusal(refused.code, f'admission webhook "played.{GROUP}" denied the request: {refused.message}')
        answer = await self._pass(method, path, query, body, headers)
        if answer.status < 400 and await self._take_note(kind, name, gone=method == "DELETE"):
            await self._obey(rule, text, words)
        return answer

    async def _take_note(self, kind: str, name: str, *, gone: bool) -> bool:
        """Have the row of an object that was written; return whether something has changed."""
        if gone:
            return True
        live = await self._sure("GET", _path(self._root, kind, name))
        spec, before = _packed(live["spec"]), self._shown.get((kind, name))
        if before is not None and before[0] == spec:
            return False
        if before is None:
            await self._sure("PATCH", _path(self._root, kind, name), {"metadata": {"finalizers": [FINALIZER]}})
        status = before[1] if before is not None else ""
        self._shown[kind, name] = spec, status
        where = f"KIND = {literal(kind)} AND NAME = {literal(name)}"
        values = ", ".join(map(literal, (kind, name, spec, status)))
        await self._stage.run([f"DELETE FROM {VIEW} WHERE {where}", f"INSERT INTO {VIEW} VALUES ({values})"])
        return True

    async def _obey(self, rule: Rule, text: str, words: Mapping[str, str]) -> Verdict:
        verdict = await self._stage.carry_out(rule, text, words)
        assert not isinstance(verdict, Refuse | HangUp | PassOn), verdict
        await self.show()
        return verdict

    @staticmethod
    def _rule(text: str) -> tuple[Rule | None, Mapping[str, str]]:
        for rule in book().objects:
            found = rule.pattern.fullmatch(text)
            if found is not None:
                return rule, found.groupdict(default="")
        return None, {}

    async def _sure(self, method: str, path: str, body: Json | None = None) -> Json:
        content = {"Content-Type": MERGE_PATCH} if method == "PATCH" else {}
        answer = await self._api.exchange(method, path, body=body, headers=content)
        assert answer.status < 400, (method, path, answer.data[:600])
        found: Json = json.loads(answer.data)
        return found


def _plural(kind: str) -> str:
    return kind.lower() + "s" if not kind.endswith("y") else kind.lower()[:-1] + "ies"


def _path(root: str, kind: str, name: str | None = None) -> str:
    return f"{root}/{_plural(kind)}" + (f"/{name}" if name is not None else "")


def _named(path: str, body: Json | None) -> Row:
    """Return the kind and name of the object of a request."""
    plural, *name = path.partition("/namespaces/")[2].split("/")[1:]
    kind = next(kind for kind in book().kinds if _plural(kind) == plural)
    return kind, unquote(name[0]) if name else (body or {})["metadata"]["name"]


def _packed(spec: Any) -> str:
    return json.dumps(spec, sort_keys=True, ensure_ascii=False)


def _refusal(status: int, message: str) -> Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": "Forbidden", "code": status}
    return Response(status, json.dumps(body).encode())
