"""A `${{` without an end is a fault of the task, never one of the operator."""

import pytest
from tests.support.builders import a_task

from obtask.rules.validation import spec_fault, unchecked


@pytest.mark.parametrize("action", [{"http": {"url": "http://x", "body": "${{ a"}}, {"sql": {"statements": ["select ${{ a"]}}])
def test_a_value_without_an_end_is_named_and_nothing_is_asked_about_it(action: dict[str, object]) -> None:
    """Where its expression ends is not known, so there is none to compile."""
    task = a_task().with_steps({"name": "s", **action}).build()

    assert unchecked(task, {}) == ()
    assert "has no }}" in (spec_fault(task, {}) or "")
