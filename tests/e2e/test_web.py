"""The Task Center as the chart installs it: a Pod without a token, and visitors with theirs."""

import json

import pytest
from tests.e2e.release import Release
from tests.support.tasks import Tasks

# Signs in with a token that comes on standard input, as a browser on the other end of a port-forward would, and looks at a task.
VISIT = """
import http.client, json, os, sys
from urllib.parse import quote
token, path = sys.stdin.read().split()
def ask(method, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", 8090, timeout=30)
    body = "secret=" + quote(token) if method == "POST" else None
    sent = {"Host": "localhost:8090", "Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded", **headers}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    return answer, answer.read().decode()
signed, _ = ask("POST", "/login")
page, text = ask("GET", path, Cookie=(signed.getheader("Set-Cookie") or "").partition(";")[0])
script, _ = ask("GET", "/static/vendor/htmx.min.js")
print(json.dumps({
    "signed": signed.status, "page": page.status, "shown": "shown to who may" in text, "script": script.status,
    "token": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"),
}))
"""


@pytest.mark.timeout(300)
def test_visitors_see_what_their_own_tokens_may_see(release: Release, tasks: Tasks) -> None:
    """Who has the role view, edit or admin sees a task of the namespace, who has none is refused; the Pod has no token of its own."""
    release.shape({"web": {"enabled": True}})
    step = {"name": "later", "wait": {"seconds": 3600}}
    tasks.create("seen", displayName="shown to who may", steps=[step])
    found = {}
    for name, role in (("li", "view"), ("wang", "edit"), ("zhao", "admin"), ("nobody", None)):
        tasks.kubectl("create", "serviceaccount", name)
        if role:
            tasks.kubectl("create", "rolebinding", name, f"--clusterrole={role}", f"--serviceaccount={tasks.namespace}:{name}")
        token = tasks.kubectl("create", "token", name).strip()
        words = ["-n", release.name, "exec", "-i", f"deployment/{release.deployment}-web", "--", "python3", "-c", VISIT]
        found[name] = json.loads(release.cluster.kubectl.run(words, f"{token} /t/{tasks.namespace}/seen", timeout=60))

    sees = {"signed": 303, "page": 200, "shown": True, "script": 200, "token": False}
    assert found == {"li": sees, "wang": sees, "zhao": sees, "nobody": sees | {"page": 403, "shown": False}}
