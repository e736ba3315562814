"""Owns the table of good and bad specs: the API server and the model must judge each of them alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from obtask import names

Json = dict[str, Any]

LONGEST_STATEMENT = "select 1 -- ".ljust(16384, "租")
LONGEST_LABEL = "a" * 63


def task(name: str, spec: Mapping[str, Any]) -> Json:
    """Return an OBTask as a person would write it."""
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": name}, "spec": dict(spec)}


def wait(name: str = "pause", seconds: Any = 1, **more: Any) -> Json:
    """Return a step or subtask that waits."""
    return {"name": name, "wait": {"seconds": seconds}} | more


def sql(name: str = "query", **more: Any) -> Json:
    """Return a step or subtask that runs SQL; `more` are fields of the action."""
    return {"name": name, "sql": {"statements": ["select 1"]} | more}


def http(name: str = "call", **more: Any) -> Json:
    """Return a step or subtask that sends a request; `more` are fields of the action."""
    return {"name": name, "http": {"url": "http://svc.prod:8080/run"} | more}


def obshell(name: str = "stop", **more: Any) -> Json:
    """Return a step or subtask that starts an operation of obshell; `more` are fields of the action."""
    return {"name": name, "obshell": {"path": "/api/v1/ob/stop"} | more}


MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "labels": {"a": "b"}}, "data": {"x": "1"}}
PATCH = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "patch": {"spec": {"replicas": 3, "paused": None}}}


def resource(name: str = "change", rollback: Json | None = None, **action: Any) -> Json:
    """Return a step or subtask that changes an object."""
    return {"name": name, "resource": action} | ({"rollback": rollback} if rollback else {})


RESTORE = {"resource": {"restore": True}}


def job(name: str = "run", **more: Any) -> Json:
    """Return a step or subtask that runs a Job; `more` are fields of the action."""
    return {"name": name, "job": {"image": "busybox"} | more}


def waits(count: int, prefix: str = "w") -> list[Json]:
    """Return that many waiting steps or subtasks."""
    return [wait(f"{prefix}{number}") for number in range(count)]


def parallel(name: str, count: int) -> Json:
    """Return a step of that many subtasks."""
    return {"name": name, "parallel": waits(count)}


def cluster(*steps: Json, **more: Any) -> Json:
    """Return the spec of a Cluster task that excludes nobody."""
    return {"type": "Cluster", "cluster": "demo", "maintenance": "None", "steps": list(steps) or [wait()]} | more


def local(*steps: Json, **more: Any) -> Json:
    """Return the spec of a Local task that excludes nobody."""
    return {"type": "Local", "agent": "10.0.0.5:2886", "maintenance": "None", "steps": list(steps) or [wait()]} | more


def templated(**more: Any) -> Json:
    """Return the spec of a Cluster task that takes its steps from a template."""
    return without(cluster(), "steps") | {"templateRef": {"name": "resize-tenant"}} | more


def without(spec: Json, *fields: str) -> Json:
    """Return the spec without these fields."""
    return {name: value for name, value in spec.items() if name not in fields}


GOOD: dict[str, Json] = {
    "cluster-none": cluster(),
    "cluster-global": cluster(maintenance="Global"),
    "cluster-tenant": cluster(maintenance="Tenant", tenant="orders"),
    "local-none": local(),
    "local-global": local(maintenance="Global"),
    "local-obproxy": local(maintenance="OBProxy"),
    "local-with-cluster": local(cluster="demo"),
    "unicode-tenant-of-253": cluster(maintenance="Tenant", tenant="租户" * 126 + "é"),
    "unicode-cluster-of-253": cluster(cluster="集" * 253),
    "agent-ipv6": local(agent="[fe80::1%eth0]:2886"),
    "templated": templated(),
    "templated-with-parameters": templated(
        templateRef={"kind": "OBTaskTemplate", "name": "resize.v2"},
        parameters={"memory": "16G", "cpu": 4, "ratio": 0.5, "online": True, "zones": ["zone1", "zone2"], "labels": {"a": "b"}},
    ),
    "queue": cluster(onConflict="Queue"),
    "reject": cluster(onConflict="Reject"),
    "all-options": cluster(
        displayName="Resize",
        connection={"secretName": "demo-sys"},
        serviceAccountName="runner",
        ttlSecondsAfterFinished=0,
    ),
    "64-steps": cluster(*waits(64)),
    "64-subtasks": cluster(parallel("all", 64)),
    "512-subtasks-in-8-steps": cluster(*[parallel(f"s{number}", 64) for number in range(8)]),
    "512-subtasks-in-64-steps": cluster(*[parallel(f"s{number}", 8) for number in range(64)]),
    "64-statements-of-16384": cluster(sql(statements=["select 1 -- ".ljust(16384, "x")] * 64)),
    "unicode-statement-of-16384": cluster(sql(statements=[LONGEST_STATEMENT])),
    "wait-0": cluster(wait(seconds=0)),
    "wait-604800": cluster(wait(seconds=604800)),
    "timeout-1": cluster(wait(timeoutSeconds=1)),
    "timeout-604800": cluster(wait(timeoutSeconds=604800)),
    "longest-name": cluster(wait(LONGEST_LABEL)),
    "same-subtask-name-in-two-steps": cluster({"name": "a", "parallel": [wait("x")]}, {"name": "b", "parallel": [wait("x")]}),
    "rollback": cluster(wait(rollback={"wait": {"seconds": 1}})),
    "rollback-of-subtask": cluster({"name": "all", "parallel": [wait(rollback={"wait": {"seconds": 1}})]}),
    "forbid-all": cluster(wait(forbid=["Retry", "Rollback", "Skip", "SkipStep", "Cancel"])),
    "interrupted": cluster(wait(interrupted="Rerun", undoBeforeRetry=True)),
    "auto-retry": cluster(wait(autoRetry={"limit": 1})),
    "auto-retry-backoff-over-max": cluster(wait(autoRetry={"limit": 100, "backoffSeconds": 600, "maxBackoffSeconds": 5})),
    "resource-apply": cluster(resource(apply=MAP)),
    "resource-create-only": cluster(resource(apply=MAP, createOnly=True)),
    "resource-apply-elsewhere": cluster(resource(apply=MAP | {"metadata": {"name": "m", "namespace": "other"}})),
    "resource-patch-until": cluster(resource(patch=PATCH, until={"expect": "object.status.readyReplicas == 3"})),
    "resource-restore": cluster(resource(patch=PATCH, rollback=RESTORE)),
    "resource-restore-until": cluster(resource(apply=MAP, rollback={"resource": {"restore": True, "until": {"expect": "true"}}})),
    "resource-restore-in-parallel": cluster({"name": "all", "parallel": [resource(apply=MAP, rollback=RESTORE)]}),
    "resource-explicit-rollback": cluster(resource(apply=MAP, rollback={"resource": {"apply": MAP}})),
    "resource-secret": cluster(resource(apply=MAP | {"kind": "Secret"}, rollback={"wait": {"seconds": 0}})),
    "service-account-with-dots": cluster(serviceAccountName="runner.v2"),
    "job": cluster(job()),
    "job-all-options": cluster(
        job(
            command=["sh", "-c"],
            args=["true"],
            env=[{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            envFrom=[{"secretRef": {"name": "s"}}],
            resources={"limits": {"memory": "64Mi"}},
            podTemplate={"metadata": {"labels": {"a": "b"}}, "spec": {"nodeSelector": {"disk": "ssd"}}},
            queueName="maintenance",
        )
    ),
    "job-image-in-template": cluster({"name": "run", "job": {"podTemplate": {"spec": {"containers": [{"image": "busybox"}]}}}}),
    "job-empty-words": cluster(job(command=["sh", "-c", "", ""], args=[""], env=[{"name": "A", "value": ""}], queueName="")),
    "job-long-words": cluster(job(args=["x" * 131072, *(["--server=10.0.0.1"] * 1000)], env=[{"name": "A", "value": "y" * 65536}])),
    "job-many-variables": cluster(job(env=[{"name": f"a.b-{number} c", "value": "1"} for number in range(500)])),
    "job-template-with-nulls": cluster(job(podTemplate={"metadata": None, "spec": {"containers": None, "initContainers": None}})),
    "job-empty-template": cluster(job(podTemplate={"spec": None}, resources={})),
    "http-scheme-in-capitals": cluster(http(url="HTTP://svc/", until={"url": "Https://svc/", "expect": "true"})),
    "http-long": cluster(http(url="http://svc/?q=" + "x" * 8000, headers={"Authorization": "Bearer " + "x" * 20000, "X-Empty": ""})),
    "sql-args": cluster(sql(args={"text": "x", "integer": 9007199254740993, "number": 1.5, "flag": True, "nothing": None})),
    "sql-args-from": cluster(sql(argsFrom={"pw": {"secretKeyRef": {"name": "new-root", "key": "password"}}})),
    "sql-ignore-errors": cluster(sql(ignoreErrors=[1094, 1, 1999, 3000, 65535])),
    "sql-until-all": cluster(
        sql(
            until={
                "query": "select 1",
                "expect": "true",
                "failWhen": "false",
                "message": "'half'",
                "intervalSeconds": 5,
                "maxIntervalSeconds": 5,
            }
        )
    ),
    "http-until-all": cluster(
        http(until={"url": "http://svc/", "expect": "true", "failWhen": "false", "message": "'half'", "maxIntervalSeconds": 3600})
    ),
    "resource-until-all": cluster(
        resource(patch=PATCH, until={"expect": "true", "failWhen": "false", "message": "'half'", "maxIntervalSeconds": 60})
    ),
    "secret-until": cluster(resource(apply=MAP | {"kind": "Secret"}, until={"expect": "true", "failWhen": "false"})),
    "sql-args-64": cluster(sql(args={f"a{number}": number for number in range(64)})),
    "obshell": cluster(obshell(body={"force": True, "nested": [{"any": None}]})),
    "obshell-all-options": cluster(obshell(connection={"secretName": "agent"}, method="DELETE", path="/api/v1/tenant/租户")),
    "connection-overrides": cluster(
        sql(connection={"secretName": "a", "host": "[fd00::5]", "port": 65535, "user": "root@租户", "database": "d" * 128}),
        obshell(connection={"secretName": "b", "host": "::1", "port": 1}),
        connection={"secretName": "c", "host": "Db_1.prod.svc.", "port": 2883, "user": "u" * 256},
    ),
    "obshell-waits-checks-and-takes-secrets": cluster(
        obshell(
            whenBusy="Fail",
            expect="data.state == 'SUCCEED'",
            bodyFrom=[{"pointer": pointer, "secretKeyRef": {"name": "s", "key": "p"}} for pointer in ("/a", "/a~1b/0/m~0n", "/")],
        )
    ),
    "obshell-rollback-by-obshell": cluster(obshell() | {"rollback": {"obshell": {"operator": "Rollback"}}}),
    "obshell-subtask-rollback-by-obshell": cluster(
        {"name": "all", "parallel": [obshell() | {"rollback": {"obshell": {"operator": "Rollback"}}}]}
    ),
    "sql-all-options": cluster(
        sql(
            connection={"secretName": "demo-sys"},
            database="test",
            unless={"query": "select 1", "expect": "size(rows) == 1"},
            expect="affected == 0",
            until={"query": "select 1", "expect": "size(rows) == 1", "intervalSeconds": 3600},
        )
    ),
    "http": cluster(http()),
    "http-body-text": cluster(http(method="POST", body="a text")),
    "http-body-list": cluster(http(method="PUT", body=[1, {"a": None}])),
    "http-all-options": cluster(
        http(
            method="PATCH",
            headers={"X-Any": "a value; with=parts"},
            headersFrom=[{"name": "Authorization", "secretKeyRef": {"name": "demo-api", "key": "token"}}],
            body={"zone": "z1"},
            expect="status == 202",
            until={"url": "https://[::1]:8443/state?id=1", "expect": "body.state == 'done'", "intervalSeconds": 1},
        )
    ),
}


@dataclass(frozen=True, slots=True)
class Bad:
    """A spec that is refused: the field that the refusal names, and what it says (`rule`: word for word from both judges)."""

    spec: Json
    field: str
    says: str = ""
    rule: str = ""


ONE_OF_SEVEN = "exactly one of wait, sql, job, http, resource, obshell, approve, parallel, forEach is required"
ONE_OF_SIX = "exactly one of wait, sql, job, http, resource, obshell is required"
STEP = "spec.steps[0]"

TARGETS: dict[str, Bad] = {
    "cluster-without-cluster": Bad(without(cluster(), "cluster"), "spec.cluster", rule="a Cluster task requires spec.cluster"),
    "cluster-with-agent": Bad(cluster(agent="10.0.0.5:2886"), "spec.agent", rule="a Cluster task must not have spec.agent"),
    "cluster-obproxy": Bad(cluster(maintenance="OBProxy"), "spec.maintenance", rule="maintenance OBProxy is for Local tasks only"),
    "tenant-without-tenant": Bad(cluster(maintenance="Tenant"), "spec.tenant", rule="maintenance Tenant requires spec.tenant"),
    "none-with-tenant": Bad(cluster(tenant="orders"), "spec.tenant", rule="spec.tenant is allowed with maintenance Tenant only"),
    "global-with-tenant": Bad(
        cluster(maintenance="Global", tenant="orders"), "spec.tenant", rule="spec.tenant is allowed with maintenance Tenant only"
    ),
    "local-without-agent": Bad(without(local(), "agent"), "spec.agent", rule="a Local task requires spec.agent"),
    "local-with-cluster-but-no-agent": Bad(without(local(cluster="demo"), "agent"), "spec.agent", rule="a Local task requires spec.agent"),
    "local-tenant": Bad(
        local(maintenance="Tenant", tenant="orders"), "spec.maintenance", rule="maintenance Tenant is for Cluster tasks only"
    ),
    "local-obproxy-with-tenant": Bad(
        local(maintenance="OBProxy", tenant="orders"), "spec.tenant", rule="spec.tenant is allowed with maintenance Tenant only"
    ),
    "no-type": Bad(without(cluster(), "type"), "spec.type", "Required"),
    "no-maintenance": Bad(without(cluster(), "maintenance"), "spec.maintenance", "Required"),
    "unknown-type": Bad(cluster(type="Global"), "spec.type", '"Cluster", "Local"'),
    "unknown-maintenance": Bad(cluster(maintenance="none"), "spec.maintenance", '"None", "Global", "Tenant", "OBProxy"'),
    "unknown-on-conflict": Bad(cluster(onConflict="Wait"), "spec.onConflict", '"Queue", "Reject"'),
    "empty-cluster": Bad(cluster(cluster=""), "spec.cluster", "at least 1 chars"),
    "empty-agent": Bad(local(agent=""), "spec.agent", "at least 1 chars"),
    "empty-tenant": Bad(cluster(maintenance="Tenant", tenant=""), "spec.tenant", "at least 1 chars"),
    "tenant-of-254": Bad(cluster(maintenance="Tenant", tenant="租" * 254), "spec.tenant", "may not be more than 253"),
    "empty-display-name": Bad(cluster(displayName=""), "spec.displayName", "at least 1 chars"),
    "empty-secret-name": Bad(cluster(connection={"secretName": ""}), "spec.connection.secretName", "at least 1 chars"),
    "empty-connection": Bad(cluster(connection={}), "spec.connection.secretName", "Required"),
    "negative-ttl": Bad(cluster(ttlSecondsAfterFinished=-1), "spec.ttlSecondsAfterFinished", "greater than or equal to 0"),
    "unknown-field": Bad(cluster(cluser="demo"), "spec.cluser", "unknown field"),
}

STEPS: dict[str, Bad] = {
    "no-steps": Bad(without(cluster(), "steps"), "spec.steps", rule="exactly one of steps, templateRef is required"),
    "empty-steps-of-a-template": Bad(templated(steps=[]), "spec.steps", "should have at least 1 items"),
    "parameters-without-a-template": Bad(cluster(parameters={"a": 1}), "spec.parameters", rule="parameters are for the template"),
    "unknown-kind-of-template": Bad(templated(templateRef={"kind": "Other", "name": "a"}), "spec.templateRef.kind", "Unsupported value"),
    "template-without-a-name": Bad(templated(templateRef={}), "spec.templateRef.name", "Required"),
    "template-in-another-namespace": Bad(templated(templateRef={"name": "../a"}), "spec.templateRef.name", "should match"),
    "too-many-parameters": Bad(templated(parameters={f"p{n}": n for n in range(65)}), "spec.parameters", "at most 64"),
    "empty-steps": Bad(cluster(steps=[]), "spec.steps", "at least 1 items"),
    "65-steps": Bad(cluster(*waits(65)), "spec.steps", "at most 64 items"),
    "65-subtasks": Bad(cluster(parallel("all", 65)), f"{STEP}.parallel", "at most 64 items"),
    "empty-parallel": Bad(cluster({"name": "all", "parallel": []}), f"{STEP}.parallel", "at least 1 items"),
    "513-subtasks": Bad(
        cluster(*[parallel(f"s{number}", 8) for number in range(63)], parallel("last", 9)),
        "spec.steps",
        rule="a task has at most 512 subtasks in all",
    ),
    "4096-subtasks": Bad(
        cluster(*[parallel(f"s{number}", 64) for number in range(64)]), "spec.steps", rule="a task has at most 512 subtasks in all"
    ),
    "same-step-name": Bad(cluster(wait("a"), wait("b"), wait("a")), "spec.steps", rule='Duplicate value "a": step names must be unique'),
    "same-subtask-name": Bad(
        cluster({"name": "all", "parallel": [wait("a"), wait("a")]}),
        f"{STEP}.parallel",
        rule='Duplicate value "a": subtask names must be unique in their step',
    ),
    "no-name": Bad(cluster({"wait": {"seconds": 1}}), f"{STEP}.name", "Required"),
    "empty-name": Bad(cluster(wait("")), f"{STEP}.name", "at least 1 chars"),
    "name-in-capitals": Bad(cluster(wait("Check")), f"{STEP}.name", "should match"),
    "name-with-newline": Bad(cluster(wait("check\n")), f"{STEP}.name", "should match"),
    "name-of-64": Bad(cluster(wait(LONGEST_LABEL + "a")), f"{STEP}.name", "may not be more than 63"),
    "no-action": Bad(cluster({"name": "a"}), STEP, rule=ONE_OF_SEVEN),
    "two-actions": Bad(cluster(wait() | sql()), STEP, rule=ONE_OF_SEVEN),
    "action-and-parallel": Bad(cluster(wait() | parallel("all", 1)), STEP, rule=ONE_OF_SEVEN),
    "subtask-without-action": Bad(cluster({"name": "all", "parallel": [{"name": "a"}]}), f"{STEP}.parallel[0]", rule=ONE_OF_SIX),
    "subtask-with-two": Bad(cluster({"name": "all", "parallel": [wait() | sql()]}), f"{STEP}.parallel[0]", rule=ONE_OF_SIX),
    "rollback-without-action": Bad(cluster(wait(rollback={})), f"{STEP}.rollback", rule=ONE_OF_SIX),
    "rollback-with-two": Bad(cluster(wait(rollback=without(wait() | sql(), "name"))), f"{STEP}.rollback", rule=ONE_OF_SIX),
    "rollback-of-subtask-without-action": Bad(
        cluster({"name": "all", "parallel": [wait(rollback={})]}), f"{STEP}.parallel[0].rollback", rule=ONE_OF_SIX
    ),
    "rollback-of-parallel-step": Bad(
        cluster(parallel("all", 1) | {"rollback": {"wait": {"seconds": 1}}}),
        f"{STEP}.rollback",
        rule="a step with parallel or forEach has no rollback of its own: give its subtasks one",
    ),
    "rollback-in-parallel": Bad(cluster(wait(rollback={"parallel": waits(1)})), f"{STEP}.rollback.parallel", "unknown field"),
    "unknown-action": Bad(cluster({"name": "a", "shell": {"command": "ls"}}), f"{STEP}.shell", "unknown field"),
    "forbid-twice": Bad(cluster(wait(forbid=["Skip", "Skip"])), f"{STEP}.forbid", "Duplicate value"),
    "forbid-unknown": Bad(cluster(wait(forbid=["skip"])), f"{STEP}.forbid[0]", '"Retry", "Rollback", "Skip", "SkipStep", "Cancel"'),
    "interrupted-unknown": Bad(cluster(wait(interrupted="Retry")), f"{STEP}.interrupted", '"Fail", "Rerun"'),
    "timeout-0": Bad(cluster(wait(timeoutSeconds=0)), f"{STEP}.timeoutSeconds", "greater than or equal to 1"),
    "timeout-604801": Bad(cluster(wait(timeoutSeconds=604801)), f"{STEP}.timeoutSeconds", "less than or equal to 604800"),
    "timeout-text": Bad(cluster(wait(timeoutSeconds="60")), f"{STEP}.timeoutSeconds", "must be of type integer"),
    "timeout-fraction": Bad(cluster(wait(timeoutSeconds=1.5)), f"{STEP}.timeoutSeconds", "must be of type integer"),
    "undo-before-retry-text": Bad(cluster(wait(undoBeforeRetry="true")), f"{STEP}.undoBeforeRetry", "must be of type boolean"),
    "auto-retry-without-limit": Bad(cluster(wait(autoRetry={})), f"{STEP}.autoRetry.limit", "Required"),
    "auto-retry-0": Bad(cluster(wait(autoRetry={"limit": 0})), f"{STEP}.autoRetry.limit", "greater than or equal to 1"),
    "auto-retry-negative-backoff": Bad(
        cluster(wait(autoRetry={"limit": 1, "backoffSeconds": -1})), f"{STEP}.autoRetry.backoffSeconds", "greater than or equal to 0"
    ),
}

ACTIONS: dict[str, Bad] = {
    "wait-without-seconds": Bad(cluster({"name": "a", "wait": {}}), f"{STEP}.wait.seconds", "Required"),
    "wait-negative": Bad(cluster(wait(seconds=-1)), f"{STEP}.wait.seconds", "greater than or equal to 0"),
    "wait-604801": Bad(cluster(wait(seconds=604801)), f"{STEP}.wait.seconds", "less than or equal to 604800"),
    "wait-text": Bad(cluster(wait(seconds="1")), f"{STEP}.wait.seconds", "must be of type integer"),
    "job-without-image": Bad(
        cluster({"name": "a", "job": {"command": ["true"]}}), f"{STEP}.job", rule="image is required unless podTemplate names one"
    ),
    "job-command-text": Bad(cluster(job(command="true")), f"{STEP}.job.command", "must be of type array"),
    "job-queue-of-64": Bad(cluster(job(queueName="q" * 64)), f"{STEP}.job.queueName", "may not be more than 63"),
    "job-env-without-name": Bad(cluster(job(env=[{"value": "1"}])), f"{STEP}.job.env[0].name", "Required"),
    "sql-without-statements": Bad(cluster({"name": "a", "sql": {}}), f"{STEP}.sql.statements", "Required"),
    "sql-no-statement": Bad(cluster(sql(statements=[])), f"{STEP}.sql.statements", "at least 1 items"),
    "sql-65-statements": Bad(cluster(sql(statements=["select 1"] * 65)), f"{STEP}.sql.statements", "at most 64 items"),
    "sql-empty-statement": Bad(cluster(sql(statements=[""])), f"{STEP}.sql.statements[0]", "at least 1 chars"),
    "sql-long-statement": Bad(
        cluster(sql(statements=[LONGEST_STATEMENT + "x"])), f"{STEP}.sql.statements[0]", "may not be more than 16384"
    ),
    "sql-statement-number": Bad(cluster(sql(statements=[1])), f"{STEP}.sql.statements[0]", "must be of type string"),
    "sql-arg-object": Bad(cluster(sql(args={"a": {"b": 1}})), f"{STEP}.sql.args.a"),
    "sql-arg-empty-object": Bad(cluster(sql(args={"a": {}})), f"{STEP}.sql.args.a"),
    "sql-arg-list": Bad(cluster(sql(args={"a": [1]})), f"{STEP}.sql.args.a"),
    "sql-arg-empty-list": Bad(cluster(sql(args={"a": []})), f"{STEP}.sql.args.a"),
    "sql-65-args": Bad(cluster(sql(args={f"a{number}": number for number in range(65)})), f"{STEP}.sql.args", "at most 64"),
    "sql-empty-expect": Bad(cluster(sql(expect="")), f"{STEP}.sql.expect", "at least 1 chars"),
    "sql-empty-database": Bad(cluster(sql(database="")), f"{STEP}.sql.database", "at least 1 chars"),
    "sql-unless-without-expect": Bad(cluster(sql(unless={"query": "select 1"})), f"{STEP}.sql.unless.expect", "Required"),
    "sql-args-from-without-key": Bad(
        cluster(sql(argsFrom={"pw": {"secretKeyRef": {"name": "n"}}})), f"{STEP}.sql.argsFrom.pw.secretKeyRef.key", "Required"
    ),
    "sql-args-from-a-value": Bad(cluster(sql(argsFrom={"pw": "x"})), f"{STEP}.sql.argsFrom.pw"),
    "sql-ignore-error-of-the-client": Bad(cluster(sql(ignoreErrors=[1094, 2013])), f"{STEP}.sql.ignoreErrors", "the client's own"),
    "sql-ignore-error-0": Bad(cluster(sql(ignoreErrors=[0])), f"{STEP}.sql.ignoreErrors[0]"),
    "sql-ignore-error-text": Bad(cluster(sql(ignoreErrors=["1094"])), f"{STEP}.sql.ignoreErrors[0]"),
    "sql-until-short-limit": Bad(
        cluster(sql(until={"query": "select 1", "expect": "true", "maxIntervalSeconds": 4})),
        f"{STEP}.sql.until",
        "must not be less than intervalSeconds",
    ),
    "http-until-short-limit": Bad(
        cluster(http(until={"url": "http://svc/", "expect": "true", "intervalSeconds": 60, "maxIntervalSeconds": 59})),
        f"{STEP}.http.until",
        "must not be less than intervalSeconds",
    ),
    "resource-until-limit-0": Bad(
        cluster(resource(patch=PATCH, until={"expect": "true", "maxIntervalSeconds": 0})), f"{STEP}.resource.until.maxIntervalSeconds"
    ),
    "secret-until-message": Bad(
        cluster(resource(apply=MAP | {"kind": "Secret"}, until={"expect": "true", "message": "object.data.password"})),
        f"{STEP}.resource",
        "what is in a Secret",
    ),
    "sql-until-without-query": Bad(cluster(sql(until={"expect": "true"})), f"{STEP}.sql.until.query", "Required"),
    "sql-until-interval-0": Bad(
        cluster(sql(until={"query": "select 1", "expect": "true", "intervalSeconds": 0})),
        f"{STEP}.sql.until.intervalSeconds",
        "greater than or equal to 1",
    ),
    "http-without-url": Bad(cluster({"name": "call", "http": {}}), f"{STEP}.http.url", "Required"),
    "http-ftp": Bad(cluster(http(url="ftp://svc/")), f"{STEP}.http.url", "should match"),
    "http-method": Bad(cluster(http(method="TRACE")), f"{STEP}.http.method", "Unsupported value"),
    "http-header-of-two-lines": Bad(cluster(http(headers={"X-Any": "a\nX-Other: b"})), f"{STEP}.http.headers.X-Any", "should match"),
    "http-header-from-nowhere": Bad(cluster(http(headersFrom=[{"name": "A"}])), f"{STEP}.http.headersFrom[0].secretKeyRef", "Required"),
    "http-until-without-expect": Bad(cluster(http(until={"url": "http://svc/"})), f"{STEP}.http.until.expect", "Required"),
}

OBSHELL: dict[str, Bad] = {
    **{
        f"connection-host-{name}": Bad(cluster(connection={"secretName": "s", "host": host}), "spec.connection.host", says)
        for name, host, says in [
            ("empty", "", "at least 1"),
            ("port", "db:2881", "should match"),
            ("several", "a,b", "should match"),
            ("control", "db\u0000", "should match"),
            ("line", "db\n", "should match"),
            ("zone", "fe80::1%eth0", "should match"),
            ("full-width", "\uff11\uff12\uff17.0.0.1", "should match"),
            ("suffix", "*.corp", "should match"),
            ("long", "a" * 254, "may not be"),
        ]
    },
    **{
        f"connection-port-{port}": Bad(
            cluster(sql(connection={"secretName": "s", "port": port})),
            f"{STEP}.sql.connection.port",
            "must be a number from 1 to 65535, or one",
        )
        for port in (0, 65536)
    },
    "connection-user": Bad(cluster(connection={"secretName": "s", "user": "a\tb"}), "spec.connection.user", "should match"),
    "connection-database": Bad(
        cluster(sql(connection={"secretName": "s", "database": "\u0085"})), f"{STEP}.sql.connection.database", "should match"
    ),
    "connection-of-obshell": Bad(
        cluster(obshell(connection={"secretName": "s", "host": "a b"})), f"{STEP}.obshell.connection.host", "should match"
    ),
    "obshell-without-path": Bad(cluster({"name": "a", "obshell": {}}), f"{STEP}.obshell", rule="exactly one of path, operator is required"),
    "obshell-path-and-operator": Bad(
        cluster(wait() | {"rollback": {"obshell": {"path": "/api/v1/ob/stop", "operator": "Rollback"}}}),
        f"{STEP}.rollback.obshell",
        rule="exactly one of path, operator is required",
    ),
    "obshell-when-busy": Bad(cluster(obshell(whenBusy="Retry")), f"{STEP}.obshell.whenBusy", '"Wait", "Fail"'),
    **{
        f"obshell-pointer-{pointer}": Bad(
            cluster(obshell(bodyFrom=[{"pointer": pointer, "secretKeyRef": {"name": "s", "key": "p"}}])),
            f"{STEP}.obshell.bodyFrom[0].pointer",
            "should match",
        )
        for pointer in ("rootPwd", "/a~2", "/a~")
    },
    "obshell-other-path": Bad(cluster(obshell(path="/rpc/v1/agent")), f"{STEP}.obshell.path", "should match"),
    "obshell-query": Bad(cluster(obshell(path="/api/v1/ob/stop?force=true")), f"{STEP}.obshell.path", "should match"),
    "obshell-unknown-method": Bad(cluster(obshell(method="post")), f"{STEP}.obshell.method", '"GET", "HEAD", "POST"'),
    "obshell-body-text": Bad(cluster(obshell(body="{}")), f"{STEP}.obshell.body", "must be of type object"),
    "obshell-unknown-operator": Bad(
        cluster(obshell() | {"rollback": {"obshell": {"operator": "Pass"}}}), f"{STEP}.rollback.obshell.operator", '"Rollback"'
    ),
    "obshell-operator-forward": Bad(
        cluster({"name": "a", "obshell": {"operator": "Rollback"}}), STEP, rule="obshell.operator is for the rollback of an obshell step"
    ),
    "obshell-operator-undoes-wait": Bad(
        cluster(wait(rollback={"obshell": {"operator": "Rollback"}})), STEP, rule="obshell.operator is for the rollback of an obshell step"
    ),
}

ONE_CHANGE = "exactly one of apply, patch, restore is required"
HEADLESS = {"apiVersion": "v1", "metadata": {"name": "m"}}
NAMELESS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}
NOT_FORWARD = "resource.restore is for rollback only"
NOTHING_CHANGED = "rollback.resource.restore puts back what a resource action changed, and there is none"
NO_SECRET = "rollback.resource.restore is not possible for a Secret, because its values would have to be kept elsewhere"  # noqa: S105

RESOURCES: dict[str, Bad] = {
    "resource-without-change": Bad(cluster(resource()), f"{STEP}.resource", rule=ONE_CHANGE),
    "resource-with-two": Bad(cluster(resource(apply=MAP, patch=PATCH)), f"{STEP}.resource", rule=ONE_CHANGE),
    "resource-apply-without-kind": Bad(cluster(resource(apply=HEADLESS)), f"{STEP}.resource.apply.kind", "Required"),
    "resource-apply-without-name": Bad(cluster(resource(apply=NAMELESS)), f"{STEP}.resource.apply.metadata.name", "Required"),
    "resource-apply-kind-number": Bad(cluster(resource(apply=MAP | {"kind": 1})), f"{STEP}.resource.apply.kind", "type string"),
    "resource-patch-without-name": Bad(cluster(resource(patch=without(PATCH, "name"))), f"{STEP}.resource.patch.name", "Required"),
    "resource-until-without-expect": Bad(cluster(resource(apply=MAP, until={})), f"{STEP}.resource.until.expect", "Required"),
    "resource-restore-false": Bad(
        cluster(resource(apply=MAP, rollback={"resource": {"restore": False}})),
        f"{STEP}.rollback.resource",
        rule="restore is true or absent",
    ),
    "resource-patch-create-only": Bad(
        cluster(resource(patch=PATCH, createOnly=True)), f"{STEP}.resource", rule="createOnly is for apply alone"
    ),
    "resource-restore-forward": Bad(cluster(resource(restore=True)), STEP, rule=NOT_FORWARD),
    "resource-restore-forward-in-parallel": Bad(
        cluster({"name": "all", "parallel": [resource(restore=True)]}), f"{STEP}.parallel[0]", rule=NOT_FORWARD
    ),
    "resource-restore-alone": Bad(cluster(wait(rollback=RESTORE)), STEP, rule=NOTHING_CHANGED),
    "resource-restore-secret": Bad(cluster(resource(apply=MAP | {"kind": "Secret"}, rollback=RESTORE)), STEP, rule=NO_SECRET),
    "resource-restore-patched-secret": Bad(cluster(resource(patch=PATCH | {"kind": "Secret"}, rollback=RESTORE)), STEP, rule=NO_SECRET),
    "service-account-of-another": Bad(cluster(serviceAccountName="other:admin"), "spec.serviceAccountName", "should match"),
}

# What Kubernetes' IsValidPathSegmentName refuses; the API server goes by the decoded path, so that a slash would lead elsewhere.
NO_SEGMENTS = ("..", "team-b/configmaps/x", "a%2fb")


def _named(name: str) -> dict[str, Json]:
    """Return a spec for every place where an object or a key is named, by the path of the field."""
    reference: Json = {"headersFrom": [{"name": "X", "secretKeyRef": {"name": name, "key": "k"}}]}
    key: Json = {"headersFrom": [{"name": "X", "secretKeyRef": {"name": "n", "key": name}}]}
    return {
        "spec.connection.secretName": cluster(connection={"secretName": name}),
        f"{STEP}.sql.connection.secretName": cluster(sql(connection={"secretName": name})),
        f"{STEP}.obshell.connection.secretName": cluster(obshell(connection={"secretName": name})),
        f"{STEP}.http.headersFrom[0].secretKeyRef.name": cluster(http(**reference)),
        f"{STEP}.http.headersFrom[0].secretKeyRef.key": cluster(http(**key)),
        f"{STEP}.sql.argsFrom.a.secretKeyRef.name": cluster(sql(argsFrom={"a": {"secretKeyRef": {"name": name, "key": "k"}}})),
        f"{STEP}.sql.argsFrom.a.secretKeyRef.key": cluster(sql(argsFrom={"a": {"secretKeyRef": {"name": "n", "key": name}}})),
        f"{STEP}.resource.patch.name": cluster(resource(patch=PATCH | {"name": name})),
        f"{STEP}.resource.apply.metadata.name": cluster(resource(apply=MAP | {"metadata": {"name": name}})),
        f"{STEP}.resource.apply.metadata.namespace": cluster(resource(apply=MAP | {"metadata": {"name": "n", "namespace": name}})),
        f"{STEP}.resource.patch.kind": cluster(resource(patch=PATCH | {"kind": name})),
        f"{STEP}.resource.apply.kind": cluster(resource(apply=MAP | {"kind": name})),
        f"{STEP}.rollback.resource.patch.name": cluster(wait(rollback={"resource": {"patch": PATCH | {"name": name}}})),
        "spec.serviceAccountName": cluster(serviceAccountName=name),
    }


SEGMENTS: dict[str, Bad] = {
    f"segment-{number}-{path.removeprefix(STEP).strip('.')}": Bad(spec, path, "should match")
    for number, name in enumerate(NO_SEGMENTS)
    for path, spec in _named(name).items()
} | {
    f"api-version-{number}": Bad(
        cluster(resource(patch=PATCH | {"apiVersion": version})), f"{STEP}.resource.patch.apiVersion", "should match"
    )
    for number, version in enumerate(("apps/v1/x", "../v1", "apps/..", "/v1", "apps%2fv1"))
}

BAD: dict[str, Bad] = TARGETS | STEPS | ACTIONS | OBSHELL | RESOURCES | SEGMENTS
