"""What a resource action changes, as whom, and what it says: against a real API server."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from tests.component.executors.workplace import RUNNER, TASK, Workplace, apply, config_map, patch
from tests.support.attempts import alone, bench, evaluated, wall_clock
from tests.support.rights import grant

from obtask.executors.resource.work import ResourceWork
from obtask.kube.api import ApiBusy, ApiError, ApiUnavailable, Json
from obtask.kube.discovery import Discovery, Served
from obtask.kube.impersonation import ApiAnswer, Impersonation, ServiceAccount
from obtask.kube.objects import Objects
from obtask.logs.text import AttemptLog
from obtask.model.attempt import Failed, Succeeded
from obtask.model.kubernetes_actions import ResourceAction
from obtask.model.reasons import FailureReason


async def test_apply_creates_then_changes_nothing_then_changes(workplace: Workplace) -> None:
    """The message says what the change did; the fields belong to the subtask; no namespace means the task's."""
    on, place = workplace.bench(), workplace.namespace

    made = await on.run(workplace.attempt(apply(config_map(size="1"))))
    same = await workplace.bench().run(workplace.attempt(apply(config_map(size="1"))))
    more = await workplace.bench().run(workplace.attempt(apply(config_map(size="2"))))

    assert made == Succeeded(f'ConfigMap "settings" in namespace "{place}" created')
    assert same == Succeeded(f'ConfigMap "settings" in namespace "{place}" unchanged', untouched=True)
    assert more == Succeeded(f'ConfigMap "settings" in namespace "{place}" changed')
    live = workplace.get("configmap", "settings")
    assert live is not None
    assert live["data"] == {"size": "2"}
    assert [entry["manager"] for entry in live["metadata"]["managedFields"]] == [f"obtask/{place}/{TASK}/resize/zone1"]
    assert on.log.lines[0].endswith(f"(v1) as system:serviceaccount:{place}:{RUNNER}")
    assert f"created, resourceVersion {live['metadata']['resourceVersion']}" not in on.log.text
    assert "created, resourceVersion " in on.log.text


async def test_apply_takes_fields_that_others_manage(workplace: Workplace) -> None:
    """What the task asks for wins over what was applied before; what it does not mention stays."""
    workplace.kubectl("apply", "--server-side", "-n", workplace.namespace, "-f", "-", manifest=config_map(size="1", color="red"))

    end = await workplace.bench().run(workplace.attempt(apply(config_map(size="2"))))

    assert isinstance(end, Succeeded)
    live = workplace.get("configmap", "settings")
    assert live is not None
    assert live["data"] == {"size": "2", "color": "red"}


async def test_what_is_there_already_is_not_made_again(workplace: Workplace) -> None:
    """CreateOnly leaves an object of somebody else as it is, and fails; its own it applies again: an answer may have been lost."""
    action = apply(config_map(size="1")).model_copy(update={"create_only": True})

    made = await workplace.bench().run(workplace.attempt(action))
    again = await workplace.bench().run(workplace.attempt(action))
    workplace.kubectl("delete", "configmap", "settings", "-n", workplace.namespace)
    workplace.put(config_map(size="2"))
    refused = await workplace.bench().run(workplace.attempt(action))

    words = f'ConfigMap "settings" in namespace "{workplace.namespace}"'
    assert (made, again) == (Succeeded(f"{words} created"), Succeeded(f"{words} unchanged", untouched=True))
    assert refused == Failed(FailureReason.EXPECTATION_NOT_MET, f"{words} exists already; nothing was changed", untouched=True)
    live = workplace.get("configmap", "settings")
    assert live is not None
    assert live["data"] == {"size": "2"}


async def test_what_an_earlier_task_of_this_name_has_made_is_not_made_again(workplace: Workplace) -> None:
    """A GitOps tool makes a task again that was deleted after its time: it is another task, and the object is there already."""
    action = apply(config_map(size="1")).model_copy(update={"create_only": True})
    now = wall_clock()

    made = await workplace.bench().run(replace(workplace.attempt(action), created_at=now))
    again = await workplace.bench().run(replace(workplace.attempt(action), created_at=now))
    other = await workplace.bench().run(replace(workplace.attempt(action), created_at=now + timedelta(minutes=1)))

    words = f'ConfigMap "settings" in namespace "{workplace.namespace}"'
    assert (made, again) == (Succeeded(f"{words} created"), Succeeded(f"{words} unchanged", untouched=True))
    assert other == Failed(FailureReason.EXPECTATION_NOT_MET, f"{words} exists already; nothing was changed", untouched=True)


async def test_patch_merges_and_null_removes(workplace: Workplace) -> None:
    """A merge patch changes what it names; null takes a field away."""
    workplace.put(config_map(size="1", color="red"))

    end = await workplace.bench().run(workplace.attempt(patch({"data": {"size": "2", "color": None}})))

    assert end == Succeeded(f'ConfigMap "settings" in namespace "{workplace.namespace}" changed')
    live = workplace.get("configmap", "settings")
    assert live is not None
    assert live["data"] == {"size": "2"}


async def test_an_object_that_is_as_wanted_is_not_changed(workplace: Workplace) -> None:
    """Somebody else has made it just so: the step becomes an owner of its fields, too, and has nothing to undo."""
    workplace.put(config_map(size="1"))

    end = await workplace.bench().run(workplace.attempt(apply(config_map(size="1"))))
    patched = await workplace.bench().run(workplace.attempt(patch({"data": {"size": "1"}})))

    words = f'ConfigMap "settings" in namespace "{workplace.namespace}" unchanged'
    assert (end, patched) == (Succeeded(words, untouched=True), Succeeded(words, untouched=True))


def resource_work(workplace: Workplace, impersonation: Impersonation) -> ResourceWork:
    """Return work that reaches the API server through this."""
    parts = impersonation, Discovery(workplace.api), Objects(workplace.api)
    return ResourceWork(*parts, record=workplace.record, confirmed=alone, expressions=evaluated)


class Lossy(Impersonation):
    """Loses the answer to the first change, and passes on that the next one is refused."""

    changes = 0

    async def send(
        self,
        account: ServiceAccount,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = {},
        body: Json | None = None,
        content_type: str | None = None,
    ) -> ApiAnswer | ApiError:
        """Send it."""
        self.changes += method == "PATCH"
        if method == "PATCH" and self.changes > 1:
            return ApiError(403, "Forbidden", "not any more")
        answer = await super().send(account, method, path, query=query, body=body, content_type=content_type)
        if method == "PATCH":
            raise ApiUnavailable("cut")
        return answer


async def test_a_change_without_an_answer_may_be_there(workplace: Workplace) -> None:
    """That the same change is refused when it is sent again says nothing of the first one."""
    end = await bench(resource_work(workplace, Lossy(workplace.acting))).run(workplace.attempt(apply(config_map(size="1"))))

    assert isinstance(end, Failed)
    assert (end.reason, end.untouched) == (FailureReason.FORBIDDEN, False)
    assert workplace.get("configmap", "settings") is not None


class Crowded(Impersonation):
    """Wants the first change to come later: API Priority and Fairness, or etcd that has too much to do."""

    asked = 0

    async def send(
        self,
        account: ServiceAccount,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = {},
        body: Json | None = None,
        content_type: str | None = None,
    ) -> ApiAnswer | ApiError:
        """Send it the second time."""
        self.asked += method == "PATCH"
        if self.asked == 1:
            self.asked += 1
            raise ApiBusy("PATCH /a: HTTP 429: Too many requests, please try again later.")
        return await super().send(account, method, path, query=query, body=body, content_type=content_type)


async def test_a_busy_api_server_is_asked_again(workplace: Workplace) -> None:
    """Too many requests are no failure: the same attempt goes on, and its log says what it waited for."""
    on = bench(resource_work(workplace, Crowded(workplace.acting)))

    end = await on.run(workplace.attempt(apply(config_map(size="1"))))

    assert end == Succeeded(f'ConfigMap "settings" in namespace "{workplace.namespace}" created')
    assert "the API server wants to be asked later, trying again: PATCH /a: HTTP 429: Too many requests" in on.log.text


async def test_what_is_waited_for_in_vain_after_no_change_leaves_nothing_to_undo(workplace: Workplace) -> None:
    """The object was as wanted before; that it never becomes ready is no change."""
    await workplace.bench().run(workplace.attempt(apply(config_map(size="1"))))

    end = await workplace.bench().run(workplace.attempt(apply(config_map(size="1"), "object.data.size == '2'"), seconds=2))

    assert isinstance(end, Failed)
    assert (end.reason, end.untouched) == (FailureReason.TIMEOUT, True)


async def test_a_missing_object_cannot_be_patched(workplace: Workplace) -> None:
    """The server's words name what is not there."""
    end = await workplace.bench().run(workplace.attempt(patch({"data": {}}, name="nothing")))

    assert end == Failed(FailureReason.NOT_FOUND, 'configmaps "nothing" not found', "404", untouched=True)


async def test_an_unknown_kind_is_not_found(workplace: Workplace) -> None:
    """A kind or a group that the API server does not have fails the attempt before anything is sent."""
    kind = await workplace.bench().run(workplace.attempt(apply(config_map() | {"kind": "Tenant"})))
    group = await workplace.bench().run(workplace.attempt(apply(config_map() | {"apiVersion": "no.such.group/v1"})))

    assert kind == Failed(FailureReason.NOT_FOUND, 'the API server has no kind "Tenant" in v1', "404", untouched=True)
    assert group == Failed(FailureReason.NOT_FOUND, 'the API server has no kind "ConfigMap" in no.such.group/v1', "404", untouched=True)


async def test_a_kind_that_comes_later_is_found(workplace: Workplace) -> None:
    """What discovery did not have is asked for again: a kind may be installed after the operator began to work."""
    discovery = Discovery(workplace.api)
    kind = f"Late{workplace.namespace.removeprefix('test-')}"
    plural, group = kind.lower(), "late.example.com"
    before = await discovery.find(f"{group}/v1", kind)
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {
        "group": group, "scope": "Cluster", "names": {"kind": kind, "plural": plural, "singular": plural},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }  # fmt: skip
    name = f"{plural}.{group}"
    manifest = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name}, "spec": spec}
    workplace.kubectl("create", "-f", "-", manifest=manifest)
    try:
        async with asyncio.timeout(20):
            while isinstance(found := await discovery.find(f"{group}/v1", kind), ApiError):  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(0.05)
    finally:
        workplace.kubectl("delete", "crd", name, "--wait=false")

    assert isinstance(before, ApiError)
    assert before.missing
    assert found == Served(f"{group}/v1", kind, plural, namespaced=False)
    assert found.collection(None) == f"/apis/{group}/v1/{plural}"


async def test_without_rights_the_server_says_what_to_grant(workplace: Workplace) -> None:
    """The task's account has no rights of its own just because the operator has some."""
    end = await workplace.bench().run(workplace.attempt(apply(config_map(size="1")), account=None))

    place = workplace.namespace
    assert isinstance(end, Failed)
    assert (end.reason, end.code) == (FailureReason.FORBIDDEN, "403")
    assert f'User "system:serviceaccount:{place}:default" cannot patch resource "configmaps"' in end.message
    assert end.message.endswith(f'; grant patch on configmaps in namespace "{place}" to service account "default" of namespace "{place}"')
    assert workplace.get("configmap", "settings") is None


async def test_objects_elsewhere_are_the_rights_of_the_account(workplace: Workplace) -> None:
    """Another namespace and the whole cluster are refused by the API server itself, not by the operator."""
    elsewhere = config_map() | {"metadata": {"name": "settings", "namespace": "kube-system"}}
    above_all = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "mine"}, "rules": []}

    there = await workplace.bench().run(workplace.attempt(apply(elsewhere)))
    above = await workplace.bench().run(workplace.attempt(apply(above_all)))

    assert isinstance(there, Failed)
    assert 'in the namespace "kube-system"; grant patch on configmaps in namespace "kube-system"' in there.message
    assert isinstance(above, Failed)
    assert "grant patch on clusterroles.rbac.authorization.k8s.io in the whole cluster" in above.message


async def test_an_account_without_get_can_still_change(workplace: Workplace) -> None:
    """Reading first only tells what changed; a change needs no more rights than the change."""
    grant(workplace.kubectl, workplace.namespace, "writer", ["patch", "create"])

    end = await workplace.bench().run(workplace.attempt(apply(config_map(size="1")), account="writer"))

    assert end == Succeeded(f'ConfigMap "settings" in namespace "{workplace.namespace}" created')


async def test_what_the_schema_forbids_is_refused_with_the_words_of_the_server(workplace: Workplace) -> None:
    """A field that does not exist and a value that is not allowed fail the attempt at once, and nothing is changed."""
    unknown = await workplace.bench().run(workplace.attempt(apply(config_map() | {"dta": {"a": "b"}})))
    workplace.put(config_map(size="1"))
    strict = await workplace.bench().run(workplace.attempt(patch({"dta": {"a": "b"}})))
    invalid = await workplace.bench().run(workplace.attempt(patch({"data": {"not a key": "x"}})))

    assert isinstance(unknown, Failed)
    assert unknown.reason is FailureReason.HTTP_STATUS
    assert ".dta: field not declared in schema" in unknown.message
    assert isinstance(strict, Failed)
    assert (strict.reason, strict.code) == (FailureReason.HTTP_STATUS, "422")
    assert strict.message == '"" is invalid: patch: Invalid value (long, not shown): strict decoding error: unknown field "dta"'
    assert isinstance(invalid, Failed)
    assert (invalid.reason, invalid.code) == (FailureReason.HTTP_STATUS, "422")
    assert "a valid config key must consist of" in invalid.message


async def test_a_version_that_is_not_there_any_more_is_not_met(workplace: Workplace) -> None:
    """Who asks for a resourceVersion wants to be told that somebody else wrote."""
    workplace.put(config_map(size="1"))

    end = await workplace.bench().run(workplace.attempt(patch({"metadata": {"resourceVersion": "1"}, "data": {"size": "2"}})))

    assert isinstance(end, Failed)
    assert (end.reason, end.code) == (FailureReason.EXPECTATION_NOT_MET, "409")
    assert "the object has been modified" in end.message


async def test_warnings_of_the_server_are_in_the_log(workplace: Workplace) -> None:
    """The API server warns of what will stop working; people read it in the log."""
    container = {"name": "c", "image": "c"}
    twice = container | {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    workplace.put(manifest | {"spec": {"selector": {"matchLabels": labels}, "template": template}})
    on = workplace.bench()
    spec = {"template": {"spec": {"containers": [twice]}}}
    change = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "patch": {"spec": spec}}

    end = await on.run(workplace.attempt(ResourceAction.model_validate({"patch": change})))

    assert isinstance(end, Succeeded), end
    assert 'the API server warns: spec.template.spec.containers[0].env[1]: hides previous definition of "A"' in on.log.text


async def test_values_of_a_secret_are_masked_everywhere(workplace: Workplace) -> None:
    """Neither the log nor a message of the server shows what a Secret holds, in whatever coding."""
    encoded = base64.b64encode(b"hunter2-again").decode()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "hunter2"}, "data": {"b": encoded}}
    on = workplace.bench()

    made = await on.run(workplace.attempt(apply(secret, expect="size(object.data) == 2")))
    wrong = await on.run(workplace.attempt(apply(secret | {"type": "hunter2"}), number=2))

    assert isinstance(made, Succeeded)
    assert set(on.log.secrets) == {"hunter2", "hunter2-again", encoded}
    log = AttemptLog(clock=lambda: workplace.attempt(apply(secret)).started_at)
    for value in on.log.secrets:
        log.hide(value)
    log.write(on.log.text)
    assert isinstance(wrong, Failed)
    assert "hunter2" not in f"{log.tail()} {log.mask(wrong.message)} {made.message}"
    assert encoded not in on.log.text


async def test_a_secret_that_the_server_quotes_is_not_shown(workplace: Workplace) -> None:
    """A refusal may hold the whole live object, with values that the action does not know."""
    workplace.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "hunter2"}})
    on = workplace.bench()

    end = await on.run(workplace.attempt(patch({"dta": {"a": "b"}}, "s", "Secret")))

    words = "Invalid: the words of the API server are not shown, because they may quote the Secret"
    assert end == Failed(FailureReason.HTTP_STATUS, words, "422", untouched=True)
    assert base64.b64encode(b"hunter2").decode().rstrip("=") not in on.log.text


async def test_nothing_is_sent_before_it_is_confirmed(workplace: Workplace) -> None:
    """An operator that may have lost its leadership changes nothing."""
    asked: list[str] = []

    async def confirmed() -> None:
        asked.append("asked" if workplace.get("configmap", "settings") is None else "too late")
        await alone()

    end = await workplace.bench(confirmed=confirmed).run(workplace.attempt(apply(config_map(size="1"))))

    assert isinstance(end, Succeeded)
    assert asked == ["asked"]
