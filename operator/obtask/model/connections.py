"""Owns how a task says where and as whom to connect: a Secret, and what overrides it. API.md section 2.1."""

from pydantic import Field

from obtask.model.constraints import Database, Host, ObjectName, Port, User
from obtask.model.values import WithValues


class AgentRef(WithValues):
    """Names the Secret of type task.oceanbase.com/connection that tells where to connect; host and port may say otherwise."""

    secret_name: ObjectName = Field(description="Name of a Secret of type task.oceanbase.com/connection in the task's namespace.")
    host: Host | None = Field(
        default=None,
        description="Host to connect to instead of the Secret's: a name or an IP address, without a port. "
        "It must be one of the Secret's own hosts, or listed in its key hosts; otherwise the attempt fails with reason Forbidden. "
        "Default: the Secret's.",
    )
    port: Port | None = Field(
        default=None,
        description="Port to connect to instead of the Secret's: 1 to 65535, or one ${{ }} that gives it. "
        "A port other than the Secret's must be allowed by its key hosts, even for the Secret's own host. Default: the Secret's.",
    )


class ConnectionRef(AgentRef):
    """Names the Secret of type task.oceanbase.com/connection that tells where and as whom to connect; the other fields override it."""

    user: User | None = Field(
        default=None,
        description="User to log in as, with the Secret's password, instead of the Secret's user. obshell steps ignore it. "
        "Default: the Secret's.",
    )
    database: Database | None = Field(
        default=None,
        description="Database to use instead of the Secret's; sql.database takes precedence. obshell steps ignore it. "
        "Default: the Secret's, if any.",
    )
