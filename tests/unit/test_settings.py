"""Reading the operator's settings from the environment."""

import pytest

from obtask.environment import SettingsError
from obtask.names import ATTEMPT_VARIABLES
from obtask.settings import Settings, read_settings


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    """Nothing set means: all namespaces, no leader election, no metrics endpoint, text logs."""
    settings = read_settings({})

    assert settings.kubeconfig is None
    assert settings.namespaces == ()
    assert (settings.workers, settings.in_process_attempts) == (32, 256)
    assert (settings.workers_per_namespace, settings.in_process_attempts_per_namespace) == (8, 64)
    assert (settings.lookups_per_namespace, settings.followed_logs_per_namespace) == (8, 8)
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
        "OBTASK_ACTIONS": "sql, job",
        "OBTASK_SERVICE_ACCOUNT": "obtask-system/obtask-operator",
        "OBTASK_OPT_IN": "true",
        "OBTASK_ALLOWED_HOSTS": "db.prod, *.example.com,10.0.0.0/8,[fd00::5],",
    }

    settings = read_settings(environment)

    assert settings.namespaces == ("a", "b")
    assert (settings.workers, settings.workers_per_namespace) == (4, 1)
    assert settings.actions == ("sql", "job")
    assert settings.service_account == ("obtask-system", "obtask-operator")
    assert settings.opt_in
    assert settings.metrics_address == ("::1", 9090)
    assert settings.health_address == ("0.0.0.0", 8081)  # noqa: S104 - what is written is what is used
    assert settings.leader_namespace == "ops"
    assert settings.allowed_hosts == ("db.prod", "*.example.com", "10.0.0.0/8", "[fd00::5]")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OBTASK_ACTIONS", "sql,shell", "use some of wait,sql,job"),
        ("OBTASK_SERVICE_ACCOUNT", "obtask-operator", "NAMESPACE/NAME"),
        ("OBTASK_OPT_IN", "yes", "one of true, false"),
        ("OBTASK_WORKERS", "0", "a whole number from 1 to 256"),
        ("OBTASK_WORKERS", "many", "a whole number from 1 to 256"),
        ("OBTASK_LOG_FORMAT", "xml", "one of text, json"),
        ("OBTASK_METRICS_ADDRESS", "9090x", "HOST:PORT"),
        ("OBTASK_METRICS_ADDRESS", "host:70000", "HOST:PORT"),
        ("OBTASK_HEALTH_ADDRESS", "8081x", "HOST:PORT"),
        ("OBTASK_ALLOWED_HOSTS", "good.example.com,http://bad", "*.suffix"),
        ("OBTASK_ALLOWED_HOSTS", "10.0.0.0/33", "CIDRs"),
        ("OBTASK_ALLOWED_HOSTS", "*", "*.suffix"),
        ("OBTASK_NAMESPACES", "prod,Prod_2", "'Prod_2' is no name of a namespace"),
        ("OBTASK_LEADER_NAMESPACE", "a,b", "use one namespace"),
        ("OBTASK_HISTORY_LIMIT", "-1", "a whole number from 0"),
        ("OBTASK_TTL_SECONDS_AFTER_FINISHED", "7d", "a whole number from 0"),
    ],
)
def test_a_bad_setting_is_named_with_what_is_allowed(name: str, value: str, said: str) -> None:
    """The error names the variable and says what may stand there."""
    with pytest.raises(SettingsError, match=name) as error:
        read_settings({name: value})

    assert said in str(error.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("OBTASK_NAMESPACE", "do you mean OBTASK_NAMESPACES?"),
        ("OBTASK_HISTORYLIMIT", "do you mean OBTASK_HISTORY_LIMIT?"),
        ("OBTASK_COLOUR_OF_THE_SKY", "OBTASK_COLOUR_OF_THE_SKY: there is no such setting"),
    ],
)
def test_a_setting_that_nobody_knows_is_refused(name: str, said: str) -> None:
    """A slip of the pen must not mean "all namespaces": the nearest setting is named, if one is near."""
    with pytest.raises(SettingsError) as error:
        read_settings({name: "1"})

    assert said in str(error.value)


def test_what_kubernetes_says_of_services_is_no_setting() -> None:
    """A Service named obtask-operator beside the Pod puts variables into its environment that look like settings."""
    link = "OBTASK_OPERATOR_"
    told = {"SERVICE_HOST": "10.0.0.1", "SERVICE_PORT_METRICS": "9090", "PORT": "tcp://10.0.0.1:9090", "PORT_9090_TCP_ADDR": "10.0.0.1"}

    settings = read_settings({link + name: value for name, value in told.items()})

    assert settings == read_settings({})
    with pytest.raises(SettingsError, match="OBTASK_OPERATOR_X"):
        read_settings({link + "SERVICE_HOST": "10.0.0.1", link + "X": "1"})


def test_every_setting_says_what_it_means_and_what_may_stand_there() -> None:
    """The reference is made from this; whoever gives a number must be told of what, and of which ones."""
    described = Settings.described()

    assert list(described) == [name for name in Settings.model_fields if name != "runner"]
    assert [name for name, setting in described.items() if not setting.description or not setting.default] == []
    numbers = {name for name, field in Settings.model_fields.items() if type(field.get_default()) in {int, float}}
    numbers |= {"workers_per_namespace", "ttl_seconds_after_finished", "history_limit"}
    assert {name for name, setting in described.items() if setting.unit} == numbers
    assert [name for name in numbers if described[name].lowest is None or described[name].highest is None] == []
    assert (described["workers"].variable, described["kubeconfig"].variable) == ("OBTASK_WORKERS", "KUBECONFIG")
    assert described["opt_in"].allowed == ("true", "false")


def test_numbers_are_written_in_digits_only() -> None:
    """What Python would take for a number, too, is refused: it is more likely to be a mistake."""
    for text in ("1_6", " 16", "+16", "16.0", "1e1", "\u0661\u0666"):
        with pytest.raises(SettingsError, match="use a whole number from 1 to 256"):
            read_settings({"OBTASK_WORKERS": text})


def test_nothing_and_zero_are_not_the_same() -> None:
    """Without a limit everything is kept; with zero, nothing is."""
    kept, none = read_settings({"OBTASK_HISTORY_LIMIT": ""}), read_settings({"OBTASK_HISTORY_LIMIT": "0"})

    assert (kept.history_limit, kept.ttl_seconds_after_finished) == (None, None)
    assert none.history_limit == 0
    assert read_settings({"OBTASK_TTL_SECONDS_AFTER_FINISHED": "86400"}).ttl_seconds_after_finished == 86400


def test_the_job_of_a_step_may_run_our_own_program() -> None:
    """What a Job is told of its attempt is no setting, and no mistake."""
    told = {f"OBTASK_{name}": "x" for name in ATTEMPT_VARIABLES}

    assert read_settings(told) == read_settings({})
