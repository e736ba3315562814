"""10,000 values in each position of a statement where a value may stand, read back from a real seekdb: none becomes SQL, none another one.

The positions are those of OceanBase's statements: only a name, a name or a text, only a text, only an integer, the value of a parameter or
variable. Where seekdb lacks the statement, another one with the same rule of the grammar stands for it.
"""

import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, product
from typing import Any

import pytest
from tests.component.executors.seekdb import ask

from obtask.executors.connections.connection import Connection
from obtask.executors.sql.answers import Result
from obtask.executors.sql.session import SqlSession
from obtask.executors.sql.statements import bind
from obtask.model.actions import SqlAction
from obtask.model.values import Identifier
from obtask.rules.sql_faults import sql_faults
from obtask.rules.sql_values import value_faults

VALUES = 10_000
MODES = ("", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES,ANSI_QUOTES")
ENCODINGS = ("gbk", "gb18030", "big5", "shift_jis", "euc_jp", "utf-16-le")
DANGEROUS = b"'\"`\\;"
ATTACKS = [
    "'; drop table victim; -- ",
    '"; drop table victim; -- ',
    "`; drop table victim; -- ",
    "\\'; drop table victim; -- ",
    "縗\\'; drop table victim; -- ",
    "'",
    "''",
    '"',
    '""',
    "`",
    "``",
    "\\",
    "\\\\",
    "\\'",
    '\\"',
    "\\`",
    "\\0",
    "\0",
    "\x1a",
    "\r\n",
    "\n",
    "\t",
    "\b",
    "%",
    "_",
    "\\%",
    "\\_",
    "%(a)s",
    "%%",
    "${{ a }}",
    "$${{",
    "}}",
    "/*",
    "*/",
    "/*!",
    "--",
    "-- ",
    "#",
    ";",
    "x'41'",
    "N'",
    "0x27",
    "@a",
    "$$",
    "null",
    "1",
    "-1",
    "密码",
    "縗",
    "😀",
    "é",
    "\u2019",
    "\uff07",
    "\u02bc",
    "\ufeff",
    "\ufffd",
    "\U0010ffff",
    "\x7f",
    "\x80",
    "\xbf",
    "a",
    " ",
]

COLUMNS = (
    "select hex(column_name), hex(column_comment) from information_schema.columns "
    "where table_schema = database() and table_name = 'named' order by ordinal_position"
)


def multi_byte_ends() -> list[str]:
    """Return characters that end, in some character set, with an octet that is a quote, a backslash or the like in ASCII."""
    characters = map(chr, (*range(0x80, 0xD800), *range(0xE000, 0x10000)))
    return [one for one in characters if any(_last(one, encoding) in DANGEROUS for encoding in ENCODINGS)]


def _last(character: str, encoding: str) -> bytes:
    """Return the last octet, or one that does no harm if the character set lacks the character."""
    return (character.encode(encoding, "ignore") or b"?")[-1:]


def texts(seed: int) -> Iterator[str]:
    """Yield texts without end, most of them made to break out."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    pieces = [*ATTACKS * 8, *multi_byte_ends()]
    while True:
        yield "".join(dice.choices(pieces, k=dice.randint(1, 5)))


def names(seed: int) -> Iterator[str]:
    """Yield different names: texts without a NUL that do not end with a space, which no column's name may."""
    for number, text in enumerate(texts(seed)):
        yield f"{number}{text.replace(chr(0), '')[:99].rstrip()}`"


@dataclass(slots=True)
class Server:
    """A session in one sql_mode and character set after another."""

    session: SqlSession
    settings: Iterator[tuple[str, str]]
    binary: bool = False

    async def change(self) -> None:
        """Take the next sql_mode and character set."""
        mode, charset = next(self.settings)
        self.binary = charset == "binary"
        for text in (f"set sql_mode = '{mode}'", f"set character_set_connection = '{charset}'", f"set character_set_results = '{charset}'"):
            assert isinstance(await self.session.run(text), Result), text

    def name(self, written: str) -> str:
        """Return the name that the server makes of one: in the character set binary it takes each octet for a character."""
        return written.encode().decode("latin-1") if self.binary else written

    async def run(self, statement: str, values: Mapping[str, Any]) -> Result:
        """Run a statement as an attempt does: checked, bound for the session, sent. A fault of any kind fails the test."""
        action = SqlAction.model_construct(statements=[statement], args={})
        assert [*sql_faults(action), *value_faults(action, values)] == []
        answer = await self.session.run(bind(statement, {}, self.session.escape, values))
        assert isinstance(answer, Result), (answer, statement[:200])
        return answer


@pytest.fixture
async def server(database: Connection, admin: SqlSession) -> AsyncIterator[Server]:
    """Return the server with a table that values try to drop, in all its character sets and modes."""
    assert isinstance(await admin.run(f"use {database.database}"), Result)
    assert isinstance(await admin.run("create table victim (a int)"), Result)
    charsets = [str(row[0]) for row in await ask(admin, "show charset")]
    assert "utf8mb4" in charsets
    yield Server(admin, cycle(product(MODES, charsets)))
    assert await ask(admin, "select count(*) from victim") == ((0,),)


def places(values: Sequence[Any], form: str = "{}") -> tuple[str, dict[str, Any]]:
    """Return a list of places for as many values, each within a form, and the values by expression."""
    keys = [f"v{number}" for number in range(len(values))]
    return ", ".join(form.format(f"${{{{ {key} }}}}", number) for number, key in enumerate(keys)), dict(zip(keys, values, strict=True))


def read(row: Sequence[Any]) -> list[Any]:
    """Return the values of a row; texts of the character set binary come as octets."""
    return [value.decode() if isinstance(value, bytes) else value for value in row]


def batches(values: Iterator[Any], size: int, number: int = VALUES) -> Iterator[list[Any]]:
    """Yield that many of the values in batches."""
    rest = islice(values, number)
    return iter(lambda: list(islice(rest, size)), [])


def test_the_values_are_the_ones_that_do_harm() -> None:
    """They have quotes, backslashes, NULs, and characters that end with such an octet in each of the encodings."""
    seen = "".join(islice(texts(1), VALUES))
    assert all(character in seen for character in "'\"`\\\0\x1a\r\n;#%")
    ends = multi_byte_ends()
    assert {encoding for encoding in ENCODINGS for one in ends if _last(one, encoding) in b"\\"} >= {"gbk", "gb18030", "big5", "shift_jis"}
    assert len(set(ends) & set(seen)) > 300


@pytest.mark.parametrize("form", ["{}", "(select {})", "concat('', {})", "replace('it''s', 'it''s', {})"])
async def test_texts(server: Server, form: str) -> None:
    """A text where the grammar takes one: LOCALITY, DESTINATION, SERVER, passwords, conditions."""
    for some in batches(texts(2), 100):
        await server.change()
        listed, values = places(some, form)
        answer = await server.run(f"select {listed}", values)
        assert read(answer.rows[0]) == some


async def test_numbers_null_and_booleans(server: Server) -> None:
    """Numbers arrive with all their digits, also where the grammar takes integers only; null and booleans are no texts."""
    dice = random.Random(3)  # noqa: S311 - no secret
    kinds: list[Callable[[], Any]] = [
        lambda: dice.randint(-(2**63), 2**64 - 1),
        lambda: dice.randint(-9, 9),
        lambda: dice.uniform(-1, 1) * 10.0 ** dice.randint(-300, 300),
        lambda: None,
        lambda: bool(dice.getrandbits(1)),
    ]
    for some in batches((dice.choice(kinds)() for _ in range(VALUES)), 100):
        await server.change()
        listed, values = places(some, "{0} as c{1}")
        row = (await server.run(f"select {listed}", values)).rows[0]
        for sent, seen in zip(some, row, strict=True):
            assert (seen is None) == (sent is None)
            assert sent is None or float(seen) == float(sent)
            assert not isinstance(sent, int) or seen == sent


async def test_integers(server: Server) -> None:
    """UNIT_NUM, ids, SCN: as LIMIT, the grammar takes an integer there and no text."""
    rows = ", ".join(f"({number})" for number in range(1000))
    await server.run("create table numbers (n int primary key)", {})
    await server.run(f"insert into numbers values {rows}", {})
    dice = random.Random(4)  # noqa: S311 - no secret
    for some in batches((dice.randrange(1000) for _ in range(VALUES)), 100):
        await server.change()
        listed, values = places(some, "(select n from numbers order by n limit {}, 1)")
        assert list((await server.run(f"select {listed}", values)).rows[0]) == some


async def test_names_and_texts_of_definitions(server: Server) -> None:
    """Names of tenants, units, pools and parameters stand where only names can, and comments where only texts can: here, of columns."""
    comments = (text.replace("\0", "") for text in texts(5))
    for some in batches(zip(names(6), comments, strict=False), 400):
        await server.change()
        columns = ", ".join(f"${{{{ n{number} }}}} int comment ${{{{ c{number} }}}}" for number in range(len(some)))
        values = {f"n{number}": Identifier(name) for number, (name, _) in enumerate(some)}
        values |= {f"c{number}": comment for number, (_, comment) in enumerate(some)}
        await server.run(f"create table named ({columns})", values)
        listed = {"names": [Identifier(name) for name, _ in some], "numbers": list(range(len(some)))}
        await server.run("insert into named (${{ names }}) values (${{ numbers }})", listed)
        assert list((await server.run("select ${{ names }} from named", listed)).rows[0]) == listed["numbers"]
        assert isinstance(await server.session.run("set sql_mode = ''"), Result)  # the server's own view has double quotes
        seen = await ask(server.session, COLUMNS)
        assert [tuple(bytes.fromhex(text).decode() for text in read(row)) for row in seen] == [
            (server.name(name), comment) for name, comment in some
        ]
        await server.run("drop table named", {})


@pytest.mark.parametrize("kind", [Identifier, str])
async def test_names_or_texts(server: Server, kind: Callable[[str], Any]) -> None:
    """TENANT, ZONE, PRIMARY_ZONE: as the name of a column in a result, a quoted name or a text."""
    for some in batches(names(7), 100):
        await server.change()
        listed, values = places([kind(name) for name in some], "{1} as {0}")
        answer = await server.run(f"select {listed}", values)
        assert list(answer.columns) == [server.name(name) for name in some]


async def test_values_of_variables(server: Server) -> None:
    """A variable takes any text, and has it afterwards."""
    asked = ", ".join(f"@a{number}" for number in range(100))
    for some in batches(texts(9), 100):
        await server.change()
        parts, values = places(some, "@a{1} = {0}")
        await server.run(f"set {parts}", values)
        assert read((await server.run(f"select {asked}", {})).rows[0]) == some


async def test_values_of_system_variables(server: Server) -> None:
    """SET GLOBAL and ALTER TENANT SET VARIABLES take one value at a time: 300 of them."""
    name = {"name": Identifier("init_connect")}
    try:
        for value in islice(texts(10), 300):
            await server.change()
            await server.run("set global ${{ name }} = ${{ value }}", name | {"value": value})
            assert read((await server.run("select @@global.${{ ident(name) }}", {"ident(name)": name["name"]})).rows[0]) == [value]
    finally:
        await server.run("set global init_connect = ''", {})


async def test_values_of_parameters(server: Server) -> None:
    """ALTER SYSTEM SET takes one value at a time, which the server writes to its disk: 300 of them. It keeps no NUL."""
    name = {"name": Identifier("ob_ssl_invited_common_names")}
    try:
        for text in islice(texts(11), 300):
            await server.change()
            value = text.replace("\0", "")
            await server.run("alter system set ${{ name }} = ${{ value }}", name | {"value": value})
            [row] = (await server.run("show parameters like ${{ like }}", {"like": name["name"].name})).rows
            assert read(row[3:4]) == [value]
    finally:
        await server.run("alter system set ob_ssl_invited_common_names = 'NONE'", {})


async def test_lists(server: Server) -> None:
    """ZONE_LIST, servers, IN: a list of texts, numbers and nulls has as many elements, and these."""
    dice = random.Random(12)  # noqa: S311 - no secret
    some = texts(13)
    sent = 0
    while sent < VALUES:
        await server.change()
        items = [dice.choice([next(some), dice.randint(-99, 99), None]) for _ in range(dice.randint(1, 100))]
        sent += len(items)
        answer = await server.run("select ${{ items }}, ${{ last }} in (${{ items }}, ${{ last }})", {"items": items, "last": items[-1]})
        assert read(answer.rows[0])[:-1] == items
        assert answer.rows[0][-1] == (None if items[-1] is None else 1)


async def test_conditions_hold_for_the_value_alone(server: Server) -> None:
    """A value in a condition finds the rows that have it: each of 10,000 texts is stored once, and found once."""
    await server.run("create table kept (v varbinary(200) primary key)", {})
    for some in batches(iter(dict.fromkeys(islice(texts(14), VALUES + VALUES // 2))), 500):
        await server.change()
        rows = ", ".join(f"(${{{{ v{number} }}}})" for number in range(len(some)))
        await server.run(f"insert into kept values {rows}", {f"v{number}": text for number, text in enumerate(some)})
        answer = await server.run("select v from kept where v in (${{ texts }})", {"texts": some})
        assert sorted(read([row[0] for row in answer.rows])) == sorted(some)
