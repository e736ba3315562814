"""Owns a scripted SQL server: it speaks the MySQL protocol (mysql-mimic) and answers as told. For what seekdb has no SQL for."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mysql_mimic import IdentityProvider, MysqlServer, NativePasswordAuthPlugin, User
from mysql_mimic.connection import Connection
from mysql_mimic.errors import MysqlError
from mysql_mimic.session import BaseSession
from mysql_mimic.variables import GlobalVariables, SessionVariables

from devcluster.ports import LOOPBACK

Answer = tuple[Sequence[Sequence[Any]], Sequence[str]]
NOTHING: Answer = ((), ())


@dataclass(slots=True)
class Script:
    """What the server answers, and what it was asked: everything that is no SET."""

    answer: Callable[[str], Answer | MysqlError] = lambda _: NOTHING
    users: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)


class _Session(BaseSession):  # type: ignore[misc] # the library has no types
    def __init__(self, script: Script) -> None:
        self._script = script
        self.variables = SessionVariables(GlobalVariables())
        self.username, self.database = None, None

    async def init(self, connection: Connection) -> None:  # noqa: ARG002 - the library's signature
        """Take note of who has come."""
        self._script.users.append(self.username or "")

    async def handle_query(self, sql: str, attrs: dict[str, str]) -> Answer:  # noqa: ARG002 - the library's signature
        """Answer by the script."""
        if sql.upper().startswith("SET "):
            return NOTHING
        self._script.statements.append(sql)
        answer = self._script.answer(sql)
        if isinstance(answer, MysqlError):
            raise answer
        return answer


class _Anybody(IdentityProvider):  # type: ignore[misc] # the library has no types
    async def get_user(self, username: str) -> User | None:
        """Know everybody, by the password that every test uses."""
        return User(username, NativePasswordAuthPlugin.create_auth_string("s3cret-word"), NativePasswordAuthPlugin.name)


@asynccontextmanager
async def scripted_server(script: Script) -> AsyncIterator[int]:
    """Run the server on 127.0.0.1 until the block ends; yield its port."""
    server = MysqlServer(lambda: _Session(script), identity_provider=_Anybody())
    await server.start_server(host=LOOPBACK, port=0)
    try:
        yield server._server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
