"""Owns the values for placeholders that are in Secrets. API.md section 2.1."""

from collections.abc import Mapping

from obtask.executors.connections.connection import SqlSource
from obtask.executors.connections.overrides import sql_target
from obtask.model.actions import ConnectionRef, SqlAction
from obtask.model.attempt import Failed


async def secret_args(action: SqlAction, ref: ConnectionRef, namespace: str, source: SqlSource) -> Mapping[str, str] | Failed:
    """Return the values of ``argsFrom`` by name, or why one of them cannot be used: nothing was sent then."""
    if not action.args_from:
        return {}
    secret = await source.connection(namespace, ref.secret_name)
    target = secret if isinstance(secret, Failed) else sql_target(ref, secret)
    if isinstance(target, Failed):
        return target
    values = {}
    for name, arg in action.args_from.items():
        of = arg.secret_key_ref
        value = await source.value(namespace, of.name, of.key, target.host.split(","))
        if isinstance(value, Failed):
            return value
        values[name] = value
    return values
