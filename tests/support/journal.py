"""Owns the SQL server's own record of what was executed: a table into which statements of tasks write who they are."""

import uuid
from collections import Counter
from dataclasses import dataclass

import pymysql

from devcluster.sqlserver import SqlServer


@dataclass(frozen=True, slots=True)
class Entry:
    """One execution of a statement."""

    task: str
    step: str
    subtask: str
    direction: str
    attempt: int
    token: int | None


class Journal:
    """A table of one test."""

    def __init__(self, server: SqlServer) -> None:
        self.server = server
        self.table = f"journal_{uuid.uuid4().hex[:12]}"
        columns = "task varchar(253), step varchar(63), subtask varchar(63), direction varchar(10), attempt int, token int"
        self.run(f"create table {self.table} (number int auto_increment primary key, {columns})")

    @property
    def note(self) -> str:
        """The statement that writes down which attempt executes it."""
        values = ", ".join(f"@OBTASK_{name}" for name in ("NAME", "STEP", "SUBTASK", "DIRECTION", "ATTEMPT", "LOCK_TOKEN"))
        return f"insert into {self.table} (task, step, subtask, direction, attempt, token) values ({values})"

    def entries(self, task: str | None = None) -> list[Entry]:
        """Return what was executed, in order; of one task or of all."""
        rows = self.run(f"select task, step, subtask, direction, attempt, token from {self.table} order by number")
        entries = [Entry(str(row[0]), str(row[1]), str(row[2]), str(row[3]), int(str(row[4])), _number(row[5])) for row in rows]
        return [entry for entry in entries if task in (None, entry.task)]

    def twice(self) -> list[Entry]:
        """Return the attempts that were executed more than once."""
        return [entry for entry, count in Counter(self.entries()).items() if count > 1]

    def run(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement as the test itself."""
        server = self.server
        with (
            pymysql.connect(
                host=server.host, port=server.port, user=server.user, password=server.password, database=server.database, autocommit=True
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return list(cursor.fetchall())

    def drop(self) -> None:
        """Remove the table."""
        self.run(f"drop table {self.table}")


def _number(value: object) -> int | None:
    return None if value is None else int(str(value))
