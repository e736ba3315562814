"""What kubectl says when a call fails, and what that means: refused, away for a while, not there, or an error."""

import pytest

from kubectl_obtask.kubectl import fault_of

POLICY = "ValidatingAdmissionPolicy 'obtask' with binding 'obtask' denied request: skipping a task needs the right to skip obtasks"


@pytest.mark.parametrize(
    ("said", "code", "passing", "missing"),
    [
        ('Error from server (Forbidden): obtasks "x" is forbidden: User "u" cannot patch resource "obtasks"', 5, False, False),
        (f'The obtasks "x" is invalid: : {POLICY}', 5, False, False),
        (f'error: obtasks "x" could not be patched: obtasks "x" is forbidden: {POLICY}', 5, False, False),
        ('Error from server: admission webhook "policies.example.com" denied the request: not on Fridays', 5, False, False),
        ("error: You must be logged in to the server (Unauthorized)", 5, False, False),
        ('Error from server (NotFound): obtasks.task.oceanbase.com "x" not found', 1, False, True),
        ("The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?", 1, True, False),
        ("Unable to connect to the server: dial tcp: lookup nowhere: no such host", 1, True, False),
        ("Error from server (TooManyRequests): the server has received too many requests", 1, True, False),
        ('error: context "x" does not exist', 1, False, False),
        ("", 1, False, False),
    ],
)
def test_what_a_failure_means(said: str, code: int, passing: bool, missing: bool) -> None:
    """Scripts go by the exit code; whoever waits goes on while it is passing."""
    fault = fault_of(said, 1)

    assert (fault.code, fault.passing, fault.missing) == (code, passing, missing)
    assert fault.said == (said or "kubectl ended with exit code 1")
