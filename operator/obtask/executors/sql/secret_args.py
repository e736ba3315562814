"""Owns the values for placeholders that are in Secrets. API.md section 2.1."""

from collections.abc import Mapping

from obtask.executors.connections import SqlSource
from obtask.model.actions import SqlAction
from obtask.model.attempt import Failed


async def secret_args(action: SqlAction, namespace: str, source: SqlSource) -> Mapping[str, str] | Failed:
    """Return the values of ``argsFrom`` by name, or why one of them cannot be used: nothing was sent then."""
    values = {}
    for name, arg in action.args_from.items():
        ref = arg.secret_key_ref
        value = await source.value(namespace, ref.name, ref.key)
        if isinstance(value, Failed):
            return value
        values[name] = value
    return values
