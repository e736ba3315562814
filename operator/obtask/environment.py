"""Owns how settings are declared, each once with its bounds and what it means, and how they are read from environment variables."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, Strict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from obtask import names

PREFIX = "OBTASK_"
WEB_PREFIX = "OBTASK_WEB_"
HIGHEST_PORT = 65535
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the text names the variable and what is allowed."""


def from_text(read: Callable[[str], Any]) -> BeforeValidator:
    """Return what reads a value if it comes as text; values that the code gives are left alone."""
    return BeforeValidator(lambda value: read(value) if isinstance(value, str) else value)


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() else text


def _flag(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text, text)


def entries(text: str) -> tuple[str, ...]:
    """Return the entries of a list with commas, each once."""
    return tuple(dict.fromkeys(entry.strip() for entry in text.split(",") if entry.strip()))


def is_namespace(text: str) -> bool:
    """Whether a namespace can have this name."""
    return _NAMESPACE.fullmatch(text) is not None


def valid_namespaces(given: Sequence[str]) -> tuple[str, ...]:
    """Return the namespaces; raises ValueError for a name that no namespace can have."""
    for entry in given:
        if not is_namespace(entry):
            raise ValueError(f": {entry!r} is no name of a namespace; use a,b for several, and nothing for all of them")
    return tuple(given)


def _address(text: str, *, lowest: int = 1) -> tuple[str, int] | None:
    host, _, port = text.strip().rpartition(":")
    if not text.strip():
        return None
    if not port.isdecimal() or not lowest <= int(port) <= HIGHEST_PORT:
        raise ValueError(f"={text.strip()!r}: use HOST:PORT, such as 127.0.0.1:9090")
    return (host.strip("[]") or "127.0.0.1", int(port))


Whole = Annotated[int, Strict(), from_text(_whole)]
Seconds = Annotated[float, Strict(), from_text(_whole)]
Flag = Annotated[Literal[True, False], from_text(_flag)]
OptionalFlag = Annotated[Literal[True, False] | None, from_text(_flag)]
Address = Annotated[tuple[str, int] | None, from_text(_address)]
Listen = Annotated[tuple[str, int], from_text(partial(_address, lowest=0))]  # port 0: a free one
Names = Annotated[tuple[str, ...], from_text(entries)]


def setting(default: Any, description: str, *, unit: str = "", option: str = "", unset: str = "", **more: Any) -> Any:
    """Declare a setting; ``unset`` says in words what it means when it is not set."""
    return Field(default, description=description, json_schema_extra={"unit": unit, "option": option, "unset": unset}, **more)


@dataclass(frozen=True, slots=True)
class Setting:
    """What there is to say of one setting: its variable, the option of the command line if it has one, and what may stand there."""

    variable: str
    option: str
    default: str
    unit: str
    lowest: int | None
    highest: int | None
    allowed: tuple[str, ...]
    description: str


class Declared(BaseSettings):
    """Settings of one program; the prefix of its variables is in ``model_config``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", enable_decoding=False, validate_by_name=True, validate_by_alias=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing behind the back of whoever makes settings: `read` is told of the environment."""
        return (init_settings,)

    @classmethod
    def described(cls) -> dict[str, Setting]:
        """Return all settings by the names of their fields, in the order in which people read of them."""
        return {name: _described(cls.prefix(), name, field) for name, field in cls.model_fields.items() if not field.exclude}

    @classmethod
    def prefix(cls) -> str:
        """Return what the names of its variables begin with."""
        return cls.model_config.get("env_prefix") or PREFIX

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Return the settings in environment variables; raises SettingsError naming the bad one."""
        fields = cls.described()
        variables = {setting.variable for setting in fields.values()}
        _refuse_unknown(cls.prefix(), environment, variables)
        try:
            return cls(**_Environment(cls, {name: environment[name] for name in variables if environment.get(name)})())
        except ValidationError as error:
            raise SettingsError(_said(fields, error.errors()[0])) from error


class _Environment(EnvSettingsSource):
    """The variables of an environment, which need not be that of this process."""

    def __init__(self, kind: type[BaseSettings], variables: Mapping[str, str]) -> None:
        super().__init__(kind)
        self.env_vars = {name.lower(): value for name, value in variables.items()}  # names are looked up in small letters


def _described(prefix: str, name: str, field: FieldInfo) -> Setting:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    variable = field.validation_alias if isinstance(field.validation_alias, str) else prefix + name.upper()
    return Setting(
        variable=variable,
        option=str(extra["option"]),
        default=str(extra["unset"] or field.default),
        unit=str(extra["unit"]),
        lowest=_bound(field, "ge"),
        highest=_bound(field, "le"),
        allowed=tuple(str(value).lower() for value in get_args(field.annotation)) if _is_choice(field) else (),
        description=field.description or "",
    )


def _bound(field: FieldInfo, which: str) -> int | None:
    return next((getattr(bound, which) for bound in field.metadata if hasattr(bound, which)), None)


def _is_choice(field: FieldInfo) -> bool:
    return getattr(field.annotation, "__origin__", None) is Literal


def _said(fields: Mapping[str, Setting], error: ErrorDetails) -> str:
    location, text = str(error["loc"][0]), error["input"]
    setting = next(one for name, one in fields.items() if location in {name, one.variable})
    if error["type"] == "value_error":
        return f"{setting.variable}{error['ctx']['error']}"
    allowed = f"one of {', '.join(setting.allowed)}" if setting.allowed else f"a whole number from {setting.lowest} to {setting.highest}"
    return f"{setting.variable}={text!r}: use {allowed}"


def _refuse_unknown(prefix: str, environment: Mapping[str, str], variables: set[str]) -> None:
    # Kubernetes tells a Pod of every Service in its namespace, ours among them: OBTASK_OPERATOR_SERVICE_HOST and the like.
    links = [name.removesuffix("SERVICE_HOST") for name in environment if name.endswith("_SERVICE_HOST")]
    told = tuple(link + part for link in links for part in ("SERVICE_", "PORT"))
    # The Job of a step may use our own image, and knows whose attempt it is.
    attempt = {PREFIX + name for name in names.ATTEMPT_VARIABLES}
    variables = variables | attempt if attempt <= set(environment) else variables
    # One environment may hold the settings of both programs; each looks after its own.
    others = () if prefix == WEB_PREFIX else (WEB_PREFIX,)
    for name in sorted(environment):
        if name.startswith(prefix) and name not in variables and not name.startswith(told + others):
            near = get_close_matches(name, variables, 1)
            raise SettingsError(f"{name}: there is no such setting" + (f"; do you mean {near[0]}?" if near else ""))
