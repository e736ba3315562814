"""Which names hold credentials, and which only look a little like it."""

import pytest
from yarl import URL

from obtask.masking.body import without_json_secrets
from obtask.masking.http import header_secrets, is_sensitive, shown_url, url_secrets


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Proxy-Authorization",
        "X-Auth",
        "x-api-key",
        "Set-Cookie",
        "access_token",
        "rootPassword",
        "AWSAccessKeyId",
        "X-Amz-Signature",
        "sig",
    ],
)
def test_names_of_credentials(name: str) -> None:
    """Their values are masked."""
    assert is_sensitive(name)


@pytest.mark.parametrize("name", ["Author", "X-OBTask-Lock-Token", "design", "key", "passage", "Accept"])
def test_other_names(name: str) -> None:
    """Their values are shown."""
    assert not is_sensitive(name)


def test_a_url_for_people() -> None:
    """User, password and sensitive values go, the rest stays."""
    url = URL("http://u:p@h:1/a?zone=z%201&token=abcdef&sig=1#f")

    assert shown_url(url) == "http://h:1/a?zone=z 1&token=******&sig=******"
    assert url_secrets(url) == ["abcdef"]


def test_the_parts_of_a_header() -> None:
    """A server may give back a part of it; short parts are no secrets, they would mask everything."""
    assert header_secrets({"Authorization": "Bearer abcdef", "Cookie": "a=1; id=ghijkl", "X": "y"}) == [
        "Bearer abcdef",
        "a=1; id=ghijkl",
        "abcdef",
        "ghijkl",
    ]


def test_json_fields() -> None:
    """Values of sensitive fields are masked, also in text that was cut; a text made to be slow is not."""
    assert (
        without_json_secrets('{"a": "b", "token" : "x\\"y", "n": {"dbPassword":"zzz')
        == '{"a": "b", "token" : "******", "n": {"dbPassword":"******'
    )
    slow = '"' + "token" * 3000
    assert without_json_secrets(slow) == slow
