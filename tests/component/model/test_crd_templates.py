"""The API server and the model accept the same templates, and refuse the same ones; and what kubectl shows of them. API.md section 8."""

import json
from typing import Any

import pytest
from pydantic import ValidationError
from tests.component.model.cases import Bad
from tests.component.model.template_cases import BAD, GOOD, parameters, template, text
from tests.support.kubectl import Kubectl, KubectlError

from obtask.model.task import first_fault
from obtask.model.template import TemplateSpec
from obtask.model.template_contract import TemplateKind


@pytest.mark.parametrize("name", GOOD)
def test_the_server_accepts_a_good_template(name: str, kubectl: Kubectl, module_namespace: str) -> None:
    """It is stored as it was written, and reads as the same TemplateSpec."""
    kubectl("create", "-n", module_namespace, "-f", "-", manifest=template(name, GOOD[name]))

    stored = kubectl("get", "obtasktemplate", name, "-n", module_namespace, "-o", "jsonpath={.spec}")

    assert TemplateSpec.model_validate_json(stored) == TemplateSpec.model_validate(GOOD[name])


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
@pytest.mark.parametrize("kind", TemplateKind)
def test_the_server_refuses_a_bad_template(case: Bad, kind: TemplateKind, kubectl: Kubectl) -> None:
    """With a message that names the field and says what is allowed."""
    with pytest.raises(KubectlError) as refusal:
        kubectl("create", "--dry-run=server", "-f", "-", manifest=template("bad", case.spec, kind))

    assert case.field in str(refusal.value)
    assert case.says in str(refusal.value)
    assert case.rule in str(refusal.value)


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_the_model_refuses_a_bad_template(case: Bad) -> None:
    """It names the same place, and has the same words for the rules."""
    with pytest.raises(ValidationError) as refusal:
        TemplateSpec.model_validate(case.spec)

    fault = first_fault(refusal.value)
    place = fault.partition(":")[0]
    assert case.field.startswith(place) or place.startswith(case.field)
    assert case.rule in fault


@pytest.fixture
def pause(kubectl: Kubectl, namespace: str) -> str:
    """Create a template that the operator has judged, and return its namespace."""
    kubectl("create", "-n", namespace, "-f", "-", manifest=template("pause", parameters(text("tenant"))))
    condition = {"type": "Valid", "status": "True", "reason": "Valid", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status: dict[str, Any] = {"status": {"observedGeneration": 1, "parameters": "tenant [memory]", "conditions": [condition]}}
    kubectl("patch", "obtt", "pause", "-n", namespace, "--subresource=status", "--type=merge", "-p", json.dumps(status))
    return namespace


def test_columns(kubectl: Kubectl, pause: str) -> None:
    """`kubectl get obtt` shows what a template is for, and whether it can be used; it is one of the category, too."""
    header, line = kubectl("get", "obtt", "-n", pause).splitlines()

    assert header.split() == ["NAME", "TITLE", "KIND", "PARAMETERS", "VALID", "AGE"]
    assert line.split()[:-1] == ["pause", "Pause", "None", "tenant", "[memory]", "True"]
    assert "obtasktemplate.task.oceanbase.com/pause" in kubectl("get", "oceanbase", "-n", pause, "-o", "name")


def test_the_spec_is_no_business_of_whoever_writes_the_status(kubectl: Kubectl, pause: str) -> None:
    """And a new spec leaves the status, whose generation then is an old one."""
    kubectl("patch", "obtt", "pause", "-n", pause, "--type=merge", "-p", '{"spec": {"title": {"en": "Rest"}}}')

    found = json.loads(kubectl("get", "obtt", "pause", "-n", pause, "-o", "json"))
    assert (found["metadata"]["generation"], found["status"]["observedGeneration"]) == (2, 1)


def test_the_kinds_have_short_names(kubectl: Kubectl) -> None:
    """`cobtt` are of the cluster, `obtt` of a namespace."""
    lines = [line.split() for line in kubectl("api-resources", "--api-group=task.oceanbase.com", "--no-headers").splitlines()]
    assert [line[:2] + line[-2:] for line in lines] == [
        ["clusterobtasktemplates", "cobtt", "false", "ClusterOBTaskTemplate"],
        ["obtasks", "obt", "true", "OBTask"],
        ["obtasktemplates", "obtt", "true", "OBTaskTemplate"],
    ]
