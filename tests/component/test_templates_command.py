"""`obtask templates`: the catalogue without a cluster, and whether a template in a file is any good."""

import json
from pathlib import Path

import pytest
from tests.support import manifests
from typer.testing import CliRunner, Result

from obtask.cli import build

CATALOGUE = Path(__file__).parents[2] / "deploy/templates"
SOUND = """
apiVersion: task.oceanbase.com/v1alpha1
kind: ClusterOBTaskTemplate
metadata: {name: pause}
spec:
  title: {en: Pause}
  type: Cluster
  maintenance: None
  parameters: [{name: seconds, type: integer, default: 1}]
  steps: [{name: query, sql: {statements: [select 1], expect: rows.size() == params.seconds}}]
"""


def templates(*words: str, stdin: str = "", **environment: str) -> Result:
    """Run `obtask templates` with these words."""
    locale = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "C.UTF-8"}
    return CliRunner(env=locale | environment).invoke(build(), ["templates", *words], input=stdin)


def test_the_catalogue_is_listed() -> None:
    """Every file of deploy/templates is there, by name."""
    header, *rows = templates("list").stdout.splitlines()

    assert header.split() == ["NAME", "TYPE", "KIND", "PARAMETERS", "TITLE"]
    assert [row.split()[0] for row in rows] == sorted(file.stem for file in CATALOGUE.glob("*.yaml"))
    assert "Resize a tenant" in next(row for row in rows if row.startswith("resize-tenant "))


@pytest.mark.parametrize(("words", "environment"), [(["--lang", "zh"], {}), ([], {"LC_ALL": "zh_CN.UTF-8"})])
def test_titles_are_in_the_language_of_whoever_asks(words: list[str], environment: dict[str, str]) -> None:
    """By an option, or by the locale."""
    assert "调整租户资源规格" in templates("list", *words, **environment).stdout


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_the_catalogue_can_be_applied_as_it_is_printed(output: str) -> None:
    """A list of templates, or one of them."""
    whole = manifests.read(templates("list", "-o", output).stdout)
    one = manifests.read(templates("show", "resize-tenant", "-o", output).stdout)

    assert whole["kind"] == "List"
    assert one in whole["items"]
    assert one == manifests.read((CATALOGUE / "resize-tenant.yaml").read_text())


def test_a_template_is_shown_with_what_its_parameters_allow() -> None:
    """And with the command that makes a task of it."""
    shown = templates("show", "resize-tenant").stdout

    assert shown.startswith("resize-tenant: Resize a tenant\ntype Cluster, maintenance Tenant\n")
    assert "  maxCpu: Max CPU (cores)\n    a number, at least 1\n" in shown
    assert "obtask templates render resize-tenant --cluster … --tenant …" in shown


def test_a_task_is_rendered() -> None:
    """Values have the types of their parameters; what stands for the target is said."""
    made = templates("render", "resize-tenant", "-p", "memory=16G", "-p", "maxCpu=4", "--tenant", "orders", "-n", "prod", "--name", "grow")

    assert made.exit_code == 0
    assert made.stderr == "obtask: replace CLUSTER (--cluster)\n"
    task = manifests.read(made.stdout)
    assert task["kind"] == "OBTask"
    assert task["metadata"] == {"name": "grow", "namespace": "prod"}
    assert task["spec"] == {
        "type": "Cluster",
        "cluster": "CLUSTER",
        "maintenance": "Tenant",
        "tenant": "orders",
        "connection": {"secretName": "cluster-sys"},
        "templateRef": {"kind": "ClusterOBTaskTemplate", "name": "resize-tenant"},
        "parameters": {"memory": "16G", "maxCpu": 4},
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["render", "resize-tenant", "-p", "memory=16X"], "parameters.memory: allowed is an amount such as 8G"),
        (["render", "resize-tenant", "-p", "maxCpu=many"], 'parameters.maxCpu: allowed is a number, at least 1; given: "many"'),
        (["render", "resize-tenant", "-p", "memroy=16G"], "there is no parameter memroy; did you mean memory?"),
        (["render", "resize-tenant", "-p", "memory"], "write NAME=VALUE"),
        (["render", "resize-tenant", "--agent", "10.0.0.5:2886"], "--agent: the template resize-tenant is for Cluster tasks"),
        (["render", "resize-tennant"], "there is no template resize-tennant; did you mean resize-tenant"),
        (["show", "xyz"], "`obtask templates list` shows what there is"),
    ],
)
def test_what_does_not_fit_is_told(words: list[str], says: str) -> None:
    """With what would, and exit code 2."""
    refused = templates(*words)

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert says in refused.stderr


def test_a_sound_file_is_valid(tmp_path: Path) -> None:
    """Also from the standard input."""
    file = tmp_path / "pause.yaml"
    file.write_text(SOUND)

    assert templates("check", str(file)).stdout == f"{file}: ClusterOBTaskTemplate pause: valid\n"
    assert templates("check", "-", stdin=SOUND).exit_code == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SOUND.replace("rows.size()", "rows.size("), "spec.steps[0].sql.expect: expression"),
        (SOUND.replace("params.seconds", "params.second"), 'has no parameter "second": it has seconds'),
        (SOUND.replace("default: 1", "default: x"), "spec.parameters[0].default: allowed is a whole number"),
        (SOUND.replace("title: {en: Pause}", "titel: {en: Pause}"), "spec.title: Field required"),
        (SOUND.replace("ClusterOBTaskTemplate", "OBTask"), "document 1: no ClusterOBTaskTemplate or OBTaskTemplate"),
        (SOUND.replace("{name: pause}", "{}"), "metadata.name: Field required"),
        ("a: [", "no YAML"),
        ("", "there is no template in it"),
    ],
)
def test_a_faulty_file_is_told_with_the_field(tmp_path: Path, text: str, says: str) -> None:
    """The exit code is 1, and the other files are checked all the same."""
    faulty, sound = tmp_path / "faulty.yaml", tmp_path / "sound.yaml"
    faulty.write_text(text)
    sound.write_text(SOUND)

    checked = templates("check", str(faulty), str(sound))

    assert checked.exit_code == 1
    assert says in checked.stdout
    assert checked.stdout.endswith("ClusterOBTaskTemplate pause: valid\n")


def test_verdicts_can_be_read_by_machines(tmp_path: Path) -> None:
    """As JSON."""
    verdicts = json.loads(templates("check", str(tmp_path / "none.yaml"), "-o", "json").stdout)

    assert [verdict["valid"] for verdict in verdicts] == [False]
    assert "cannot be read" in verdicts[0]["message"]
