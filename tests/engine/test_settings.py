"""Reading the operator's settings from the environment."""

import pytest

from obtask.settings import SettingsError, read_settings


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    """Nothing set means: all namespaces, no leader election, no metrics endpoint, text logs."""
    settings = read_settings({})

    assert settings.kubeconfig is None
    assert settings.namespaces == ()
    assert (settings.workers, settings.in_process_attempts) == (32, 256)
    assert settings.pod_start_seconds == 120
    assert (settings.leader_namespace, settings.metrics_address, settings.health_address) == (None, None, None)
    assert settings.log_format == "text"


def test_settings_are_read() -> None:
    """Lists are split at commas, addresses at the last colon."""
    environment = {
        "OBTASK_NAMESPACES": "a, b,",
        "OBTASK_WORKERS": "4",
        "OBTASK_METRICS_ADDRESS": "[::1]:9090",
        "OBTASK_HEALTH_ADDRESS": "0.0.0.0:8081",
        "OBTASK_LEADER_NAMESPACE": "ops",
        "OBTASK_ALLOWED_HOSTS": "db.prod, *.example.com,10.0.0.0/8,[fd00::5],",
    }

    settings = read_settings(environment)

    assert settings.namespaces == ("a", "b")
    assert settings.workers == 4
    assert settings.metrics_address == ("::1", 9090)
    assert settings.health_address == ("0.0.0.0", 8081)  # noqa: S104 - what is written is what is used
    assert settings.leader_namespace == "ops"
    assert settings.allowed_hosts == ("db.prod", "*.example.com", "10.0.0.0/8", "[fd00::5]")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OBTASK_WORKERS", "0", "a whole number from 1 to 256"),
        ("OBTASK_WORKERS", "many", "a whole number from 1 to 256"),
        ("OBTASK_LOG_FORMAT", "xml", "one of text, json"),
        ("OBTASK_METRICS_ADDRESS", "9090x", "HOST:PORT"),
        ("OBTASK_METRICS_ADDRESS", "host:70000", "HOST:PORT"),
        ("OBTASK_HEALTH_ADDRESS", "8081x", "HOST:PORT"),
        ("OBTASK_ALLOWED_HOSTS", "good.example.com,http://bad", "*.suffix"),
        ("OBTASK_ALLOWED_HOSTS", "10.0.0.0/33", "CIDRs"),
        ("OBTASK_ALLOWED_HOSTS", "*", "*.suffix"),
    ],
)
def test_a_bad_setting_is_named_with_what_is_allowed(name: str, value: str, said: str) -> None:
    """The error names the variable and says what may stand there."""
    with pytest.raises(SettingsError, match=name) as error:
        read_settings({name: value})

    assert said in str(error.value)
