"""`kubectl obtask run`, `templates`, `download`, `web`, `watch` and completion, on the real control plane. API.md section 10."""

import io
import json
import re
import signal
import subprocess
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.support.kubectl import Kubectl
from tests.support.plugin import BESIDE, ELSEWHERE, Plugin
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step

from obtask.rules import evidence

CONNECTION: Final = {"connection": {"secretName": "seekdb"}}
PARAMETERS: Final = [
    {"name": "seconds", "type": "integer", "required": True, "title": {"en": "How long", "zh": "多久"}, "maximum": 5},
    {"name": "why", "type": "string", "required": True},
    {"name": "again", "type": "string", "format": "confirm", "confirm": "why"},
    {"name": "note", "type": "string", "default": "none"},
]
TEMPLATE: Final = {
    "apiVersion": "task.oceanbase.com/v1alpha1",
    "kind": "OBTaskTemplate",
    "metadata": {"name": "pause"},
    "spec": {
        "title": {"en": "Pause", "zh": "暂停"},
        "description": {"en": "Waits, and does nothing else."},
        "type": "Cluster",
        "maintenance": "Tenant",
        "parameters": PARAMETERS,
        "steps": [{"name": "pause", "sql": {"statements": ["select sleep(${{ params.seconds }})"]}}],
    },
}
FIRST_FRAME_SECONDS: Final = 1.2
BUSY: Final = 8  # how much slower a machine with other work may be


@pytest.fixture(scope="module", autouse=True)
def ground(module_operator: None, module_tasks: TaskClient, kubectl: Kubectl) -> None:  # noqa: ARG001 - it has to run
    """Have a template, and a task that failed."""
    kubectl("apply", "-n", module_tasks.namespace, "-f", "-", manifest=TEMPLATE)
    module_tasks.create("broken", maintenance="Global", **CONNECTION, steps=[wait_step("first"), sql_step("second", FAILING)])
    module_tasks.wait_phase("broken", "Failed")
    module_tasks.create("behind", maintenance="Tenant", tenant="orders", steps=[wait_step("first")])
    module_tasks.wait_phase("behind", "Waiting")


@pytest.fixture
def file(tmp_path: Path, module_tasks: TaskClient) -> Any:
    """Return what writes a task into a file."""

    def write(name: str, **spec: Any) -> str:
        (tmp_path / "task.json").write_text(json.dumps(module_tasks.manifest(name, **spec)))
        return str(tmp_path / "task.json")

    return write


def test_a_task_from_a_file_is_followed_to_its_end(obtask: Plugin, file: Any) -> None:
    """Its name is the answer; what it does is told meanwhile, line by line in a pipe; it ends with 0."""
    done = obtask.run("run", "-f", file("good", steps=[wait_step("one", 1), wait_step("two")]))

    assert (done.code, done.out) == (0, "obtasks.task.oceanbase.com/good created\n")
    assert done.err.splitlines()[-1].startswith("good: Succeeded 2/2")
    assert "good: Running 0/2, step one" in done.err


def test_the_log_of_what_failed_is_printed(obtask: Plugin, file: Any) -> None:
    """A task that waits for a person ends with 3, and says what to type; that works."""
    failed = obtask.run("run", "-f", file("bad", **CONNECTION, steps=[sql_step("only", FAILING)]))

    assert failed.code == 3
    assert "error 1146" in failed.out
    assert "log of only #1:" in failed.err
    [line] = failed.lines_to_type
    why = obtask.run(*line)
    assert (why.code, "kubectl obtask retry bad" in why.out) == (0, True)


def test_a_task_on_a_terminal_is_drawn(obtask: Plugin, file: Any) -> None:
    """The steps stand there, and are drawn again as they change."""
    drawn = obtask.on_terminal("run", "-f", file("drawn", steps=[wait_step("one", 1), wait_step("two")]))

    assert drawn.code == 0
    assert re.search(r"✓.*one.*waited 1 s", drawn.out)
    assert "\x1b[" in drawn.out


def test_the_standard_input_and_other_namespaces(obtask: Plugin, module_tasks: TaskClient) -> None:
    """`-f -` reads it; a task goes where its manifest says, and is followed there."""
    manifest = module_tasks.manifest("piped", steps=[wait_step("one")])
    manifest["metadata"]["namespace"] = module_tasks.namespace

    assert obtask.run("run", "-f", "-", stdin=json.dumps(manifest)).code == 0
    assert obtask.run("run", "-f", "-", "-n", "default", stdin=json.dumps(manifest)).code == 1


def test_what_the_api_server_refuses(obtask: Plugin, file: Any) -> None:
    """Its own sentence is shown, and the exit code is 5; a name that is taken is another error."""
    refused = obtask.run("run", "-f", file("refused", maintenance="Nonsense", steps=[wait_step("one")]))
    forbidden = obtask.run("run", "-f", file("refused", steps=[wait_step("one")]), "--as=nobody")

    assert (refused.code, "spec.maintenance" in refused.err) == (5, True)
    assert (forbidden.code, "cannot create resource" in forbidden.err) == (5, True)
    assert obtask.run("run", "-f", file("broken", steps=[wait_step("one")])).code == 1
    assert obtask.run("run", "-f", "/missing.yaml").code == 1
    assert obtask.run("run", "-f", file("elsewhere", steps=[wait_step("one")]), f"--context={ELSEWHERE}").code == 1
    assert obtask.run("run").code == 2
    assert obtask.run("run", "-f", file("both", steps=[wait_step("one")]), "-p", "a=b").code == 2


def test_what_was_created_before_a_refusal_is_told(obtask: Plugin, module_tasks: TaskClient) -> None:
    """It is there, and runs: whoever types the line again must know."""
    configmap = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "beside"}}
    good = module_tasks.manifest("before-the-bad", steps=[wait_step("one", 0)])
    bad = module_tasks.manifest("the-bad", maintenance="Nonsense", steps=[wait_step("one")])
    text = "\n---\n".join(json.dumps(each) for each in (configmap, good, bad))

    done = obtask.run("run", "-f", "-", stdin=text)

    assert done.out.splitlines() == ["configmap/beside created", "obtasks.task.oceanbase.com/before-the-bad created"]
    assert (done.code, "spec.maintenance" in done.err) == (5, True)
    module_tasks.wait_phase("before-the-bad", "Succeeded")


def test_ctrl_c_detaches(obtask: Plugin, module_tasks: TaskClient, file: Any) -> None:
    """The task goes on; what to type to come back is said, and works."""
    with obtask.started("run", "-f", file("long", steps=[wait_step("one", 600)])) as process:
        assert process.stdout is not None
        while "Running" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
        assert process.wait(30) == 130

    assert "detached; the task goes on" in said
    assert module_tasks.status("long")["phase"] == "Running"
    words = re.search(r"kubectl obtask (wait .*)", said)
    assert words is not None
    assert obtask.run(*words[1].split(), "--timeout=1s").code == 124


def test_a_task_of_a_template(obtask: Plugin, module_tasks: TaskClient) -> None:
    """Values have the parameters' types; the connection is that of the cluster unless it is given; detached, nobody waits."""
    given = [f"-p{each}" for each in ("seconds=0", "why=a", "again=a", "cluster=other", "tenant=orders")]
    done = obtask.run("run", "--template", "pause", *given, "--connection", "seekdb", "--name", "paused")
    detached = obtask.run("run", "--template", "pause", *given, "--detach", "--name", "waits")

    assert done.code == 0, done
    spec = module_tasks.get("paused")["spec"]
    assert (spec["parameters"], spec["maintenance"], spec["tenant"]) == (
        {"seconds": 0, "why": "a", "again": "a"},
        "Tenant",
        "orders",
    )
    assert (detached.code, "to follow it: kubectl obtask wait waits" in detached.err) == (0, True)
    assert module_tasks.get("waits")["spec"]["connection"] == {"secretName": "other-sys"}


def test_what_a_template_needs_is_asked_for(obtask: Plugin) -> None:
    """On a terminal one after the other, with its title; in a pipe it is an error that names all of it."""
    words = ["run", "--template", "pause", "--connection", "seekdb", "-p", "why=a"]
    asked = obtask.on_terminal(*words, answer="asked\norders\n0\na")
    unasked = obtask.run(*words)

    assert asked.code == 0, asked
    assert "seconds (How long):" in asked.out
    assert "type the value of why again" in asked.out
    assert (unasked.code, "also needs cluster, tenant, seconds, again" in unasked.err) == (2, True)
    assert obtask.run("run", "--template", "pause", "-p", "nonsense=1").code == 2


def test_a_task_that_ends_otherwise(obtask: Plugin) -> None:
    """A value that the operator does not take is told in its words; the exit code is 4."""
    words = ["--template", "pause", *(f"-p{each}" for each in ("seconds=900", "why=a", "again=a", "cluster=c", "tenant=t"))]
    rejected = obtask.run("run", *words)

    assert (rejected.code, "seconds" in rejected.err.splitlines()[-1]) == (4, True), rejected


def test_templates(obtask: Plugin) -> None:
    """A table, one of them in full in both languages, and what machines read."""
    listed, shown = obtask.run("templates"), obtask.run("templates", "pause")
    chinese = obtask.run("templates", "pause", "--lang", "zh")

    assert [line.split()[:4] for line in listed.out.splitlines() if line.startswith("pause")] == [
        ["pause", "Cluster", "Tenant", "seconds,why,again,[note]"]
    ]
    assert "  seconds: How long (required)\n      integer; maximum 5" in shown.out
    assert "pause: 暂停" in chinese.out
    assert obtask.run("templates", "pause", "-o", "name").out == "obtasktemplate.task.oceanbase.com/pause\n"
    assert json.loads(obtask.run("templates", "pause", "-o", "json").out)["metadata"]["name"] == "pause"
    assert "kind: OBTaskTemplate" in obtask.run("templates", "-o", "yaml").out
    assert obtask.run("templates", "missing").code == 1
    assert obtask.run("templates", f"--context={ELSEWHERE}").code == 1


def test_the_evidence_bundle(obtask: Plugin, module_tasks: TaskClient, tmp_path: Path) -> None:
    """It has the bytes that the operator's own module makes of the same answers, but for the time."""
    file = tmp_path / "broken.zip"
    done = obtask.run("download", "broken", "-o", str(file))
    piped = subprocess.run(  # noqa: S603 - words of the test
        [obtask.kubectl, "obtask", "download", "broken", "-o", "-"], capture_output=True, check=True, env=obtask.environment
    ).stdout

    assert (done.code, done.out.strip()) == (0, str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    steps = evidence.gathering(module_tasks.namespace, "broken")
    path = next(steps)
    while True:
        try:
            path = steps.send(module_tasks.api.get(path))
        except StopIteration as end:
            found = end.value
            break
    own = contents(b"".join(evidence.packed(found, datetime.now(UTC))))
    assert contents(file.read_bytes()) == contents(piped) == own
    assert [*own] == [*contents(piped)]
    assert "behind" in own["waiting.txt"][0]
    assert "error 1146" in own["logs/02-second/second.attempt-1.forward.log"][0]


def contents(bundle: bytes) -> dict[str, tuple[str, int]]:
    """Return what is in a bundle, in its order, with how each file is kept, but for the time."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {each.filename: (without_time(archive.read(each).decode()), each.external_attr) for each in archive.infolist()}


def without_time(text: str) -> str:
    """Return a text without the second in which it was collected."""
    return re.sub(r"(收集时间|Collected): .*", "", text)


def test_a_bundle_of_what_may_be_read(obtask: Plugin, kubectl: Kubectl, module_tasks: TaskClient, tmp_path: Path) -> None:
    """Whoever may read the task alone gets a bundle that says what is missing; who may not, or of no task, gets none."""
    where = ["-n", module_tasks.namespace]
    kubectl("create", "role", "tasks-only", "--verb=get", "--resource=obtasks.task.oceanbase.com", *where)
    kubectl("create", "rolebinding", "tasks-only", "--role=tasks-only", "--user=reader", *where)

    poor = obtask.run("download", "broken", "-o", str(tmp_path / "poor.zip"), "--as=reader")

    assert poor.code == 0
    assert "not in the bundle: configmaps: configmaps is forbidden" in poor.err
    with zipfile.ZipFile(tmp_path / "poor.zip") as archive:
        assert "events: events is forbidden" in archive.read("README.txt").decode()
    assert obtask.run("download", "broken", "-o", str(tmp_path / "none.zip"), "--as=nobody").code == 5
    assert obtask.run("download", "missing").code == 1
    assert obtask.run("download", "broken", "-o", "/missing/folder/a.zip").code == 1
    assert obtask.run("download", "broken", f"--context={ELSEWHERE}").code == 1
    assert not (tmp_path / "none.zip").exists()


def test_the_page_with_this_kubeconfig(obtask: Plugin, module_tasks: TaskClient, tmp_path: Path) -> None:
    """`web` prints a link that signs in once; its bundle is that of `download`; Ctrl-C ends it in order."""
    with obtask.started("web") as process:
        assert process.stdout is not None
        line = next((line for line in process.stdout if "/login#" in line), "")
        link = line.split()[-1]
        url, _, code = link.partition("/login#")
        with httpx.Client(base_url=url, headers={"Sec-Fetch-Site": "same-origin"}, trust_env=False, timeout=30) as browser:
            assert browser.post("/login", data={"secret": code}).status_code == 303
            assert browser.get("/tasks").status_code == 200
            page = browser.get(f"/t/{module_tasks.namespace}/broken/bundle.zip").content
            assert obtask.run("download", "broken", "-o", str(tmp_path / "own.zip")).code == 0
            assert contents((tmp_path / "own.zip").read_bytes()) == contents(page)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0

    assert url.startswith("http://127.0.0.1:")


def test_a_page_cannot_take_every_flag(obtask: Plugin) -> None:
    """What a kubeconfig cannot say would be left out silently: it is refused. Without obtask, it says how to install it."""
    refused = obtask.run("web", "--as=somebody")

    assert (refused.code, "--as" in refused.err) == (2, True)
    assert obtask.run("web", f"--kubeconfig={obtask.folder}/missing").code == 1


def completed(obtask: Plugin, *words: str) -> list[str]:
    """Return what kubectl is told could follow."""
    program = BESIDE / "kubectl_complete-obtask"
    done = subprocess.run(  # noqa: S603 - words of the test
        [program, *words], capture_output=True, text=True, check=True, env=obtask.environment
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("|", "retry\tRun what failed again, then go on."),
        ("why|br", "broken\tFailed"),
        ("retry|", "broken\tFailed"),
        ("logs|broken|--step|", "second\tFailed"),
        ("logs|broken|--subtask|s", "second\tFailed"),
        ("wait|--for|st", "started"),
        ("list|--output=", "--output=wide"),
        ("run|--template|", "pause\tPause"),
        ("list|--context|else", "elsewhere"),
        ("list|-n|kube-s", "kube-system"),
        ("logs|--kubec", "--kubeconfig"),
        ("run|-f|", ":0"),
        ("list|--kubeconfig|", ":0"),
    ],
)
def test_completion(obtask: Plugin, line: str, found: str) -> None:
    """Commands, flags and names, with what they are known by; where a file is wanted, the shell completes files."""
    assert found in completed(obtask, *line.split("|"))


def test_completion_without_a_cluster(obtask: Plugin) -> None:
    """Without a context, or with one that does not answer, there is nothing to say; commands are known all the same."""
    nowhere = obtask.on(obtask.folder / "missing")

    assert completed(nowhere, "retry", "") == [":4"]
    assert completed(obtask, "retry", "--context", ELSEWHERE, "") == [":4"]
    assert "list\tList tasks, unfinished ones first." in completed(nowhere, "li")
    assert "watch" not in "".join(completed(obtask, "why", "broken", "nonsense"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_what_a_shell_reads(obtask: Plugin, shell: str) -> None:
    """Each shell loads kubectl's own completion unless it is there already."""
    said = obtask.run("completion", shell)

    assert (said.code, "kubectl completion " + shell in said.out) == (0, True)
    assert obtask.run("completion", "csh").code == 2


def test_tab_in_bash(obtask: Plugin) -> None:
    """Kubectl's own completion asks the plugin, and Tab gives the name."""
    script = (
        "source <(kubectl completion bash); source <(kubectl obtask completion bash); "
        'COMP_WORDS=(kubectl obtask why bro); COMP_CWORD=3; COMP_LINE="kubectl obtask why bro"; COMP_POINT=${#COMP_LINE}; '
        'compopt() { :; }; __start_kubectl; echo "${COMPREPLY[@]}"'
    )
    # A part of the package bash-completion, which need not be there.
    prelude = (
        "_get_comp_words_by_ref() { words=(${COMP_WORDS[@]}); cword=$COMP_CWORD; "
        "cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD-1]}; }; "
    )
    done = subprocess.run(  # noqa: S603 - words of the test
        ["/bin/bash", "-c", prelude + script],
        capture_output=True,
        text=True,
        check=True,
        env={**obtask.environment, "PATH": f"{obtask.kubectl.parent}:{obtask.environment['PATH']}"},
    )

    assert done.stdout.split()[:1] == ["broken"], done


def test_watch_on_a_terminal(obtask: Plugin, record_property: Any) -> None:
    """80 columns and 24 lines: the failed task is there soon, a key leaves again."""
    begun = time.monotonic()
    with obtask.watching() as screen:
        screen.until("broken", FIRST_FRAME_SECONDS * BUSY)
        record_property("first_frame_seconds", time.monotonic() - begun)
        screen.until("connected to")
        screen.press("q")
        assert screen.left() == 0


def test_watch_ends_with_its_terminal(obtask: Plugin) -> None:
    """Also where no signal says that the terminal is gone."""
    with obtask.watching() as screen:
        screen.until("broken")
        screen.close()
        screen.process.wait(30)


def test_watch_needs_a_terminal(obtask: Plugin) -> None:
    """In a pipe it says so."""
    said = obtask.run("watch")

    assert (said.code, "needs a terminal" in said.err) == (1, True)
    assert obtask.on_terminal("watch", "missing").code == 1
