"""Owns the closed lists of templates: their kinds, and the types and formats of their parameters. API.md section 8."""

from typing import Final

from obtask.model.listed import Listed


class TemplateKind(Listed):
    """The kinds of templates, and how the API server and kubectl name them."""

    plural: str
    singular: str
    short_name: str
    namespaced: bool
    about: str

    CLUSTER = (
        "ClusterOBTaskTemplate",
        "clusterobtasktemplates",
        "clusterobtasktemplate",
        "cobtt",
        False,
        "A template of maintenance tasks that every namespace may use.",
    )
    NAMESPACED = (
        "OBTaskTemplate",
        "obtasktemplates",
        "obtasktemplate",
        "obtt",
        True,
        "A template of maintenance tasks of its own namespace.",
    )


DEFAULT_KIND: Final = TemplateKind.CLUSTER


class TemplateCondition(Listed):
    """The conditions of a template."""

    about: str

    VALID = "Valid", "whether tasks can be made of the template; if not, the message names the first error"
    STALLED = "Stalled", "only there, and True, if none can: tools that know nothing of templates judge by it"


class ParameterType(Listed):
    """What kind of value a parameter takes."""

    about: str

    STRING = "string", "a text"
    INTEGER = "integer", "a whole number"
    NUMBER = "number", "a number"
    BOOLEAN = "boolean", "true or false"
    LIST = "list", "a list of texts"
    MAP = "map", "a map from names to texts"
    SECRET = "secret", "the name of a Secret in the task's namespace"


class ParameterFormat(Listed):
    """What form a text has.

    ``types``: of which parameters it may be the format; of a list, each entry has it. ``measured``: a minimum is of the amount, not of
    the length of the text.
    """

    types: tuple[ParameterType, ...]
    measured: bool
    about: str

    IDENTIFIER = (
        "identifier",
        (ParameterType.STRING, ParameterType.LIST),
        False,
        "a name of the database: a letter or _, then letters, digits, _ and $; at most 128 characters",
    )
    QUANTITY = "quantity", (ParameterType.STRING,), True, "an amount such as 8G, 512M, 8Gi or 500m"
    SERVER = "server", (ParameterType.STRING, ParameterType.LIST), False, "a host and a port, such as 10.0.0.5:2882 or [fd00::5]:2882"
    DURATION = "duration", (ParameterType.STRING,), True, "a time span such as 90s, 1h30m or 7d"
    TIME = "time", (ParameterType.STRING,), False, "a time such as 2026-11-29 08:00:00 or 2026-11-29T08:00:00Z"
    ZONE_LIST = (
        "zone-list",
        (ParameterType.STRING, ParameterType.LIST),
        False,
        "different names of zones; in a text, separated by commas or semicolons",
    )
    CONFIRM = "confirm", (ParameterType.STRING,), False, "the value of the parameter that `confirm` names, typed again"
