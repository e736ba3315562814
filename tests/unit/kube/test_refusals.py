"""What a refusal of the API server is about, by the sentences of its admission plugins and authorizers."""

import pytest

from obtask.executors.job.ending import creation_refused
from obtask.executors.job.words import no_pod_hold
from obtask.executors.resource.words import failed
from obtask.kube.api import ApiError
from obtask.kube.errors import ErrorCause, explained, finding
from obtask.model.attempt import Failed
from obtask.model.reasons import FailureReason

RIGHTS, QUOTA, POLICY, ENDING, OTHER = ErrorCause
JOB = 'jobs.batch "obt-load-1" is forbidden: '
RIGHT = JOB + 'User "system:serviceaccount:obtask:operator" cannot create resource "jobs" in API group "batch" in the namespace "prod"'
SENTENCES = {
    "right": (403, RIGHT, RIGHTS, False, 'grant create on jobs.batch in namespace "prod" to service account "operator" of'),
    "right of a person": (
        403,
        'User "alice" cannot get resource "nodes" in API group ""',
        RIGHTS,
        False,
        'whole cluster to user "alice"',
    ),
    "quota is full": (
        403,
        JOB + "exceeded quota: few, requested: count/jobs.batch=1, used: count/jobs.batch=5, limited: count/jobs.batch=5",
        QUOTA,
        True,
        'free some of ResourceQuota "few", or raise it',
    ),
    "quota is new": (
        403,
        JOB + "status unknown for quota: few, resources: count/jobs.batch",
        QUOTA,
        True,
        '"few" is not counted yet',
    ),
    "quota wants requests": (403, "failed quota: compute: must specify limits.cpu for: main", QUOTA, False, '"compute"'),
    "quota of a class": (403, "insufficient quota to match these scopes: [{PriorityClass}]", QUOTA, False, "a ResourceQuota"),
    "namespace": (
        403,
        JOB + "unable to create new content in namespace prod because it is being terminated",
        ENDING,
        False,
        "the namespace is being deleted",
    ),
    "policy": (
        422,
        "leases \"x\" is forbidden: ValidatingAdmissionPolicy 'freeze' with binding 'freeze-all' denied request: frozen",
        POLICY,
        False,
        'the ValidatingAdmissionPolicy "freeze"',
    ),
    "webhook": (
        400,
        'admission webhook "no.example.com" denied the request: exceeded quota: mine',
        POLICY,
        False,
        '"no.example.com"',
    ),
    "webhook is down": (
        500,
        'Internal error occurred: failed calling webhook "no.example.com": EOF',
        POLICY,
        True,
        "does not answer",
    ),
    "Pod Security": (
        403,
        'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot',
        POLICY,
        False,
        "restricted",
    ),
    "LimitRange": (403, 'pods "x" is forbidden: maximum cpu usage per Container is 1, but limit is 2', POLICY, False, "LimitRange"),
    "another admission": (403, 'pods "x" is forbidden: error looking up service account prod/x', POLICY, False, ""),
    "what is sent": (422, "spec.template: Invalid value", OTHER, False, ""),
    "words of the object": (422, 'Invalid value: "exceeded quota: x"', OTHER, False, ""),
}
every_sentence = pytest.mark.parametrize(
    ("status", "words", "cause", "passes", "advice"), SENTENCES.values(), ids=[name.replace(" ", "-") for name in SENTENCES]
)


@every_sentence
def test_a_refusal_says_what_is_in_the_way_and_what_to_do(status: int, words: str, cause: ErrorCause, passes: bool, advice: str) -> None:
    """Right, quota, policy or namespace; the server's words stay, however long what to do is."""
    refusal = ApiError(status, "Any", words)

    found, text = finding(refusal), explained(refusal)

    assert (found.cause, found.passes) == (cause, passes)
    assert advice in found.advice
    assert text.startswith(words[:100])
    assert text.endswith(found.advice)


@every_sentence
def test_only_what_cannot_pass_ends_a_job_or_keeps_automatic_retries_away(
    status: int, words: str, cause: ErrorCause, passes: bool, advice: str
) -> None:
    """A Job that a full quota refuses is made later; so are its pods. A changed object is tried again, if the step says so."""
    job = creation_refused(ApiError(status, "Any", words))
    pod = no_pod_hold([{"reason": "FailedCreate", "message": f"Error creating: {words}"}])
    thing = failed(ApiError(status, "Any", words))

    waits = passes or cause is ENDING
    assert (job is None) is waits
    assert job is None or (job.untouched and advice in job.message)
    assert job is None or job.reason is (FailureReason.POD_FAILED if cause is OTHER else FailureReason.FORBIDDEN)
    assert pod is not None
    assert (pod.becomes is None) is waits or cause is OTHER
    assert thing.passing is passes
    assert advice in thing.message
    assert cause is not POLICY or passes or thing.reason is FailureReason.FORBIDDEN


def test_what_a_webhook_says_is_bounded() -> None:
    """The words are cut, what to do is not."""
    text = explained(ApiError(403, "Forbidden", 'admission webhook "no.example.com" denied the request: ' + "x" * 1_000_000))

    assert len(text) <= 512
    assert text.endswith('what webhook "no.example.com" allows')


def test_the_words_about_a_secret_stay_hidden() -> None:
    """What a policy says of a Secret may quote it; who refused it may be told."""
    words = "secrets \"s\" is forbidden: ValidatingAdmissionPolicy 'keys' with binding 'b' denied request: hunter2 is weak"

    end = failed(ApiError(422, "Invalid", words), about_secret=True)

    assert isinstance(end, Failed)
    assert "hunter2" not in end.message
    assert '"keys"' in end.message
