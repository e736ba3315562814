"""Owns the places where an action takes a value from a Secret. API.md section 2.1."""

from pydantic import Field

from obtask.model.base import Value
from obtask.model.constraints import HeaderName, JsonPointer, ObjectName


class SecretKeyRef(Value):
    """A key of a Secret in the task's namespace."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: ObjectName = Field(description="Key in the Secret.")


class ArgFrom(Value):
    """A value for a placeholder, from a Secret."""

    secret_key_ref: SecretKeyRef = Field(description="Where it is: in a Secret of type task.oceanbase.com/connection.")


class HeaderFrom(Value):
    """A header whose value is a secret."""

    name: HeaderName = Field(description="Name of the header.")
    secret_key_ref: SecretKeyRef = Field(description="Where its value is: in a Secret of type task.oceanbase.com/http.")


class BodyFrom(Value):
    """A value in a JSON body that is a secret."""

    pointer: JsonPointer = Field(description="Where it goes in the body: a JSON pointer such as /rootPwd; missing objects are created.")
    secret_key_ref: SecretKeyRef = Field(description="Where its value is.")
