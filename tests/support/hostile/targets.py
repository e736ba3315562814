"""Owns running all hostile targets in a process of their own, and what a task must say to meet each of them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Body = dict[str, Any]


@contextmanager
def running() -> Iterator[dict[str, int]]:
    """Run every target on 127.0.0.1 until the block ends; yield the ports by name."""
    command = [sys.executable, "-m", "tests.support.hostile"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            ports: dict[str, int] = json.loads(process.stdout.readline())
            yield ports
        finally:
            process.stdin.close()
            process.wait(10)


def secret(name: str, port: int) -> Body | None:
    """Return the connection Secret for the target of this name; a web server needs none."""
    if name.startswith("http-"):
        return None
    data = {"host": "127.0.0.1", "port": str(port)} if name.startswith("sql-") else {"url": f"http://127.0.0.1:{port}"}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "task.oceanbase.com/connection"}
    return {**manifest, "stringData": {**data, "password": "S3cret-of-a-tenant"}}


def action(name: str, port: int) -> Body:
    """Return the action of a step that meets the target of this name."""
    if name.startswith("sql-"):
        return {"sql": {"connection": {"secretName": name}, "statements": ["select v from t"], "expect": "size(rows) >= 0"}}
    if name.startswith("http-"):
        url = f"http://127.0.0.1:{port}/"
        until = {"url": url, "expect": "body == 'never' || headers['never'] == ''", "intervalSeconds": 1}
        return {"http": {"method": "GET", "url": url, "expect": "status == 200", "until": until}}
    return {"obshell": {"connection": {"secretName": name}, "method": "POST", "path": "/api/v1/ob/start", "body": {}}}


def task(name: str, port: int, *, seconds: int = 60, retries: int = 0) -> Body:
    """Return a task whose only step meets the target of this name; its name in Kubernetes is made up by the API server."""
    retry: Body = {"autoRetry": {"limit": retries, "backoffSeconds": 1, "maxBackoffSeconds": 1}} if retries else {}
    step = {"name": "meet", "timeoutSeconds": seconds, **retry, **action(name, port)}
    spec = {"type": "Cluster", "cluster": name, "maintenance": "None", "steps": [step]}
    return {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": {"generateName": f"{name}-"}, "spec": spec}
