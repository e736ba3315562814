"""JSON that others wrote, as expressions see it: whatever is beside a value, the value can be read. API.md section 2.2."""

import json
from typing import Any

import pytest

from obtask.executors.evaluation.language import holds
from obtask.executors.foreign_values import parsed
from obtask.executors.http.answers import HttpAnswer, variables
from obtask.executors.job.ending import result_of
from obtask.executors.obshell.answers import AgentAnswer, read_answer
from obtask.rules.expressions import Vocabulary

ODD = [
    '{"ok": true, "n": 1000000000000000000000}',
    '{"ok": true, "n": -9223372036854775809}',
    '{"ok": true, "n": 18446744073709551616, "m": [18446744073709551615]}',
    '{"ok": true, "s": "\\ud800"}',
    '{"ok": true, "\\udfff": 1}',
    '{"ok": true, "s": "a\\u0000b"}',
    '{"ok": true, "s": "a\u0000b"}',
    '{"ok": true, "n": 1e400}',
    '{"ok": true, "deep": ' + "[" * 90 + "]" * 90 + "}",
]


def of_http(text: str) -> Any:
    """Return what an answer with this body is to expressions."""
    return variables(HttpAnswer(200, (("Content-Type", "application/json"),), text, len(text), cut=False))["body"]


def of_job(text: str) -> Any:
    """Return what a pod with this termination message is to expressions."""
    ended = {"name": "main", "state": {"terminated": {"exitCode": 0, "message": text}}}
    spec = {"containers": [{"name": "main"}]}
    return result_of({"metadata": {"name": "p"}, "spec": spec, "status": {"containerStatuses": [ended]}})


def of_obshell(text: str) -> Any:
    """Return what an agent's answer with this data is to expressions."""
    answer = read_answer(200, f'{{"successful": true, "data": {text}}}'.encode())
    assert isinstance(answer, AgentAnswer), answer
    return answer.data


READERS = [(Vocabulary.HTTP, "body", of_http), (Vocabulary.JOB, "result", of_job), (Vocabulary.OBSHELL, "data", of_obshell)]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize(("vocabulary", "name", "read"), READERS)
def test_an_odd_value_does_not_hide_the_others(vocabulary: Vocabulary, name: str, read: Any, text: str) -> None:
    """Numbers beyond 64 bits and texts that are no text stand beside a value that an expression asks for."""
    around = {"status": 200, "headers": {}} if vocabulary is Vocabulary.HTTP else {}

    assert holds(vocabulary, f"{name}.ok", {name: read(text), **around}) is True


@pytest.mark.parametrize("text", ["NaN", "Infinity", '{"n": NaN}', "", "{", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    """Nothing but JSON is taken for it, whatever Python's reader takes."""
    with pytest.raises(ValueError, match=r".+"):
        parsed(text)


def test_usual_json_is_what_it_is() -> None:
    """Nothing is changed that need not be."""
    value = {"a": [1, -2, 2.5, None, True, "租户 \N{GRINNING FACE}"], "b": {"c": 2**63 - 1, "d": -(2**63)}}

    assert parsed(json.dumps(value)) == value
