"""Every regular expression of the operator takes time in proportion to its input, whatever that is made of.

The patterns are found by walking through the package: one that is not listed here with its worst cases fails the test.
"""

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import obtask
from obtask.masking.body import without_json_secrets
from obtask.masking.http import header_secrets
from obtask.masking.sql import masked_statement, secrets_in, without_echo
from obtask.masking.words import is_secret_name

FOLDER = Path(obtask.__file__).parent
SIZE = 1 << 20
# What the names, separators and quotes of a pattern are, over and over; the rest of the worst cases is made of its own text.
COMMON = ["a", " ", "\n", "0", ".", "-", "_", "%", "\\", '"', "'", "(", "é", "\0", "a ", "a.", "a-", "0.", '\\"', "''", "\r\n"]

LONG_RUN, LONG_RUN_SECONDS = 8_000, 0.1  # what is linear takes a tenth of that, what is quadratic three times as much
RUNS = [" ", "a", "0", "\t", "\n", "'", '"', "(", "_", "-", ".", ",", "/", "*", ";", ":", "=", "\\"]

WORST: dict[str, list[str]] = {
    "obtask.executors.connections.credentials:AGENT_URL": ["http://a", "https://a.", "http://[:", "http://a:1", "http://[0:.]"],
    "obtask.executors.connections.credentials:HOST_WITH_PORT": ["a", "[", "[a", "a:", ":1"],
    "obtask.executors.connections.credentials:_BETWEEN": [",", "a,"],
    "obtask.executors.evaluation.functions:_FORM": ["1", ".", "1.", "+", "1e1"],
    "obtask.executors.evaluation.language:_KEY": ['NOT_FOUND: Key not found in map : "', '"'],
    "obtask.executors.evaluation.language:_MISSING": ["NOT_FOUND: ", "null_", "nul", " null_typ"],
    "obtask.executors.evaluation.language:_NAMES_NO_TYPE": ["No matching overloads found : ", "Applying SELECT to non-message typ"],
    "obtask.executors.evaluation.language:_VALUE": ["INVALID_ARGUMENT: ", "UTF-", "out of ", "overflo", "INVALID_ARGUMENT: a to a "],
    "obtask.executors.http.requests:_HOST": ["a.", "[:", "[0:", "a:1"],
    "obtask.hosts:_NAME": ["a.", "*.", "a_"],
    "obtask.hosts:_WRITTEN": ["[", "[a", "a:", "a", "[a]:", "a:1"],
    "obtask.kube.foreign:_HEAD": ['{"kind":"', '{"kind":"",', '"kind":"",', '{"metadata":'],
    "obtask.kube.foreign:_KEY": ['"a":', '"a" ', '"a"', '"a": '],
    "obtask.kube.impersonation:_ESCAPED": ["\\a"],
    "obtask.kube.yaml_text:_ANY": ["a"],
    "obtask.kube.yaml_text:_FLOAT": ["1", "1.", ".1", "1e1", "1.1e"],
    "obtask.kube.yaml_text:_INTEGER": ["0x1", "0b1", "0o1", "01", "1", "+1"],
    "obtask.kube.yaml_text:_LOOSE": ["_", "1_", "1_1"],
    "obtask.hosts:_OLD_SPELLING": ["0x", "0x."],
    "obtask.executors.foreign_values:_LARGE": ["0" * 18 + "a", "9"],
    "obtask.executors.foreign_values:_NOT_TEXT": ["\ud800"],
    "obtask.executors.http.decoding:_HTML": ["<meta ", "<meta charset", "<meta charset=", "<meta a charset", "<", "<meta charset='"],
    "obtask.executors.http.decoding:_LABEL": ["charset", "charset=", "charset='", "charset =", "charset='a"],
    "obtask.executors.http.decoding:_XML": ["<?xml ", "<?xml encoding", "<?xml encoding=", '<?xml encoding="', "<?xml a=", "<?"],
    "obtask.executors.http.words:_ENCODING": ["content-encoding:", "content-encoding: ", "content-", "content-encoding: a"],
    "obtask.executors.http.requests:_CONTROL": ["\t"],
    "obtask.executors.http.requests:_ENCODED": ["http://a", "%41"],
    "obtask.executors.job.podlog:_TIME": ["2026-11-22T22:42:04.", "2026-11-22T22:42:04.123456789Z "],
    "obtask.executors.obshell.answers:_DATABASE_AWAY": ["timed ou", "i/o time", "error 12", "connec", "no lead", "eo", "db "],
    "obtask.executors.obshell.busy:_IDS": ["0", "00a"],
    "obtask.executors.obshell.dag:_ID": ["0a"],
    "obtask.executors.obshell.dag:_IPV4": ["2", "4", "20"],
    "obtask.executors.obshell.ending:_REMOTE": ["remote task ", "remote task 2", "remote task 22222222222222222 ", "remote "],
    "obtask.executors.obshell.answers:_ERROR": ["[", ", ", ',"ERRO', ',"ERROR'],
    "obtask.executors.obshell.answers:_LOGS_END": ['" ', '"]', '"  a'],
    "obtask.executors.obshell.answers:_TEXT": ['"\\', '"a', '\\"'],
    "obtask.executors.obshell.login:_OBPROXY": ["/api/v1/obproxy", "/api/v1/task/dag/", "/api/v1/task/"],
    "obtask.executors.obshell.login:_PASSWORD": ["pass", "pass_", "passwor", "pw"],
    "obtask.executors.obshell.purpose:_DAG_PATH": ["/api/v1/task/dag/", "/api/v1/task/dag/1", "1"],
    "obtask.executors.obshell.purpose:_NODE_PATH": ["/api/v1/task/node/", "/api/v1/task/node/1", "1"],
    "obtask.executors.obshell.search:_CREATES_TENANT": ["/api/v1/", "/api/v1/tenant", "/api/v1/ob/", "/"],
    "obtask.executors.obshell.search:_NAMES": ["Start ", "Modify tenant ", "OB ", "Upgrade check ", "Join"],
    "obtask.executors.obshell.search:_PATHS": ["/api/v1/", "/api/v1/tenant/", "/api/v1/tenant/a", "/api/v1/zone/a/"],
    "obtask.executors.obshell.search:_TENANT_NAME": [" for ", "Create tenant ", " for a", "a", "Cancel restore "],
    "obtask.executors.obshell.search:_TENANT_PATH": ["/api/v1/tenant/", "/api/v1/recyclebin/", "/"],
    "obtask.executors.resource.words:_QUOTED": ['Invalid value: "', 'Invalid value: "\\', 'Invalid value: "aaaa"'],
    "obtask.executors.resource.words:_PATH": ["object.a", "object", ".a", "object.a("],
    "obtask.executors.sql.words:_DELIMITER": ["delimiter ", "\t", "\ndelimiter", "\n\t"],
    "obtask.executors.sql.words:_ENDING": ["/", "$$", "//\t", "//;", ";"],
    "obtask.executors.sql.words:_PROMPT": ["mysql", "mysql(", "mysql [a] ", "\t", "\nmysql", "obclient(a)[b]"],
    "obtask.executors.sql.words:_QUOTES": ["\u2018"],
    "obtask.executors.sql.words:_UNSEEN": ["\u00a0"],
    "obtask.executors.sql.words:_UNTRUE": ["must be true or false, not ", "No matching overloads found : ", "must be "],
    "obtask.executors.sql.words:_WIDE": ["\uff0c"],
    "obtask.executors.sql.words:_SOURCE": ["source ", "\t", "\nsource", "\n\t"],
    "obtask.executors.sql.words:_UPRIGHT": ["\\g", "\\g ", "\\g;", ";"],
    "obtask.executors.sql.words:_WITH_BOOLEAN": ["==", "== ", "==true", "true ", "true", "==tru"],
    "obtask.executors.sql.answers:_SAME_ALL_YEAR": ["+0", "UTC"],
    "obtask.kube.impersonation:_TO_ESCAPE": [",="],
    "obtask.kube.impersonation:_WARNING": ['299 - "', '299 a "\\', "299 ", '299 - "a" '],
    "obtask.kube.errors:_ACCOUNT": ["system:serviceaccount:", "system:serviceaccount:a", "system:serviceaccount:a:"],
    "obtask.kube.errors:_BUILT_IN": ['violates PodSecurity "', "maximum ", "maximum a usage per ", "minimum a"],
    "obtask.kube.errors:_MISFIT": ["failed quota: ", "failed quota: a", "insufficient quota to "],
    "obtask.kube.errors:_NOT_COUNTED": ["status unknown for quota: ", "status unknown for quota: a,"],
    "obtask.kube.errors:_POLICY": ["ValidatingAdmissionPolicy '", "ValidatingAdmissionPolicy 'a", "Mutating"],
    "obtask.kube.errors:_RIGHT": [
        'User "', 'User "a" cannot ', 'User "a" cannot a resource "', 'User "a" cannot a resource "a" in API group "',
        'User "a" cannot a resource "a" in API group "" in the namespace "',
    ],
    "obtask.kube.errors:_USED_UP": ["exceeded quota: ", "exceeded quota: a", "exceeded "],
    "obtask.kube.errors:_WEBHOOK": ['admission webhook "', 'admission webhook "a" denied '],
    "obtask.kube.errors:_WEBHOOK_DOWN": ['failed calling webhook "', 'failed calling webhook "a'],
    "obtask.kube.api:OWN_OBJECTS": ["/apis/task.oceanbase.com/v1/namespaces/", "/apis/task.oceanbase.com/", "/a", "namespaces/"],
    "obtask.logs.text:_LINE_BREAK": ["\r"],
    "obtask.logs.text:_TIME": ["2026-11-22T22:42:04.", "2026-11-22T22:42:04Z"],
    "obtask.masking.body:_FIELD": ['"password":"', '"a":"', '\\"password\\":\\"', '"a"', '"a" ', '\\\\\\\\\\\\\\"', '"password":1'],
    "obtask.masking.body:_PLAIN": ["\\a"],
    "obtask.masking.forms:_BREAKS": ["\r"],
    "obtask.masking.forms:_ENCODED": ["%A", "\\u00", "%%"],
    "obtask.masking.http:_SEPARATORS": [" ;,", "a=b;"],
    "obtask.masking.sql:_BARE": ["a(", "%("],
    "obtask.masking.sql:_BEFORE": [
        "PASSWORD", "token", "password=", "password =", "a=", "SET PASSWORD ", "SET/*SET/*x*/", "/*SET/*x*/", "IDENTIFIED/**/WITH/**/",
        "IDENTIFIED WITH ", "password=${{", "password=${{a}} ", "password=${{'}}",
        "IDENTIFIED WITH a ", "IDENTIFIED ", "IDENTIFIED BY ", "IDENTIFIED BY PASSWORD ", "PASSWORD(", "/**/", "a`", ":=",
    ],
    "obtask.masking.sql:_ESCAPED": ["\\'"],
    "obtask.masking.sql:_LITERAL": ["'\\", "''", "_utf8'", "x'", "%(a", "0x0", '"\\'],
    "obtask.masking.words:_SECRET_NAME": ["passw", "secre", "acces", "access_", "lock_token", "auth", "Auth", "api-", "sig"],
    "obtask.model.pattern:_COUNT": ["{", "{1", "{1,", "{1,2"],
    "obtask.model.pattern:_MEMBERS": ["[:", "[:a", "[:^"],
    "obtask.model.pattern:_PARTS": ["[", "[^", "[[:", "[[:a", "[[:^a:", "[\\]", "[]"],
    "obtask.rules.owned:_NOT_IN_NAMES": ["A", "a-"],
    "obtask.rules.owned:_NOT_IN_LABELS": ["/", "a/"],
    "obtask.rules.owned:_VALUE": ["a_", "a."],
    "obtask.rules.parameter_forms:_HOST": ["a", "a."],
    "obtask.rules.parameter_forms:_IDENTIFIER": ["a$"],
    "obtask.rules.parameter_forms:_OBJECT_NAME": ["a."],
    "obtask.rules.parameter_forms:_QUANTITY": ["1.", "1m", "1Ki"],
    "obtask.rules.parameter_forms:_SEPARATOR": [",;"],
    "obtask.rules.parameter_forms:_SPAN": ["1.", "1m", "1.1u"],
    "obtask.rules.parameter_forms:_TIME": ["2026-11-29 08:00:00.", "2026-11-29T"],
    "obtask.rules.parameter_forms:_ZONE": ["a."],
    "obtask.model.values:_MENTIONED": ["steps", ".steps", "steps.", "a.steps"],
    "obtask.model.values:_TOKEN": ['r"', "rb'", '"""', "'''", 'r"""', "//", "{", "}", "\\'", 'a"'],
    "obtask.rules.references:_BELOW": ["steps", "steps ", "steps.a", "steps['", 'steps["', "steps . outputs", "steps.a.outputs ", "steps`"],
    "obtask.rules.references:_BOUND": ["( ", "(steps ", "(steps,", "(params "],
    "obtask.rules.references:_VARIABLE": ["steps", "params"],
    "obtask.rules.values:SQL_TEXTS": ["statements[", "statements[0"],
    "obtask.rules.values:_EXPANDED_BY_KUBELET": ["command[", "env[0", "podTemplate.spec.containers[0]."],
    "obtask.rules.values:_MEMBER": [".a", "['", '["', "[0"],
    "obtask.rules.values:_PATH": ["task.a", "steps['a']", "steps[0]", 'item["', "index."],
    "obtask.rules.sql_values:_GOES_ON": [";", "; ", ";;"],
    "obtask.rules.sql_text:PLACEHOLDER": ["%(", "%(a", "%(a)", "%%("],
    "obtask.rules.sql_text:_ASKS_SESSION": ["found_rows", "found_rows ", "row_count"],
    "obtask.rules.sql_text:_BESIDE": ["$"],
    "obtask.rules.sql_text:_CERTAIN": [
        "/*", "/**/", "/*!", "/*! a */", "/*!'", "/*+", "/*-", "*/", "--", "-- ", "--a\n", "#", "#\n", "#\r",
        "`", "` ", "$", "$a", "$$", "' ", "'\\",
        '"\\a', "-", "*", "/",
    ],
    "obtask.rules.sql_text:_CHARSET": ["set ", "set names ", "set character ", "character_set_client", "set"],
    "obtask.rules.sql_text:_ROUTINE": [
        "create ", "create or ", "create or replace ", "create definer = ", "create definer = a ", "definer=a ",
    ],
    "obtask.rules.sql_text:_SQL_MODE": ["sql_mode", "sql_mode "],
    "obtask.rules.sql_text:_STATE": [
        ";", "; ", ";set ", ";set @a", ";set global ", ";set @@global.", ";lock ", ";alter ", "create ", "get_lock", "get_lock ",
        "last_insert_id(", "last_insert_id( ", "last_insert_id ",
    ],
    "obtask.rules.sql_text:_UNICODE": [":", ":=", " ", "'utf8"],
    "obtask.rules.sql_text:_USUAL": [
        "/*", "/**/", "/*!", "/*!5", "/*+", "*/", "--", "-- ", "#", "#\n", "`", "` ", "' ", "'\\", '"\\a', "-", "*", "/",
    ],
    "obtask.rules.sql_text:_VARIABLE": ["@", "@a", "select@", "select", "@@", "@%(", "a@", "@\ufffc"],
    "obtask.rules.templates:_PARAMETER": ["params", "params.", "params[", "params['", '"\\', "'a", '"', "a.params."],
    "obtask.runtime.preflight:_MAKER": ["obtask-operator ", "obtask-operator a."],
    "obtask.environment:_NAMESPACE": ["a-"],
    "obtask.kube.task_lists:_EVENT": ['{"type":"', '{"type":"A', '{"type":"ADDED","object":', "} ", "}"],
    "obtask.rules.evidence.attempts:LABEL": ["a-", "-"],
    "obtask.rules.evidence.contents:AMBIGUOUS": ["1", "1.", "-1_", "y"],
    "obtask.rules.evidence.packing:_ODD": ["/"],
    "obtask.rules.evidence.passwords:LITERAL": ["%s", "${", "?", "'", ":"],
    "obtask.rules.evidence.passwords:NAMED": ["passwor", "password", "token", "toke"],
    "obtask.rules.evidence.passwords:WRITTEN": ["identified ", "identified by ", "password ", "password=", "password = '", "secret:"],
    "obtask.rules.references:_CALL": ["a", "a ", "ident ", "ident"],
    "obtask.web.detail.log_text:_STAMP": ["2026-11-22T", "2026-11-22T22:42:04", "2026-11-22T22:42:04.1234", "0"],
    "obtask.web.detail.log_text:_TELLING": ["erro", "error", "failur", " fata"],
    "obtask.web.drafts:_SUFFIX": ["A", "_"],
    "obtask.web.identity.jwt:_TOKEN": ["a=", "a", "=", "."],
    "obtask.web.language:_RANGE": ["zh-", "zh ", "zh;", "zh; q", "zh;q=0.", " ", "*"],
    "obtask.web.live:_TICKING": ['data-since="', 'data-since="a"', 'data-since="a" a', 'data-since="">'],
    "obtask.web.security:_HOST": ["[0", "a:", "[", "a."],
    "obtask.web.views.query:_STEPS": ["1", "1/", "12345/"],
    "obtask.web.yaml_source:_END": ["\r", "\r\n", "\u2028"],
    "obtask.web.yaml_source:_PART": ["[", "[1", "[a", ".", ".a", "[1]"],
}  # fmt: skip

WHOLE: dict[str, Callable[[str], object]] = {
    "masked_statement": masked_statement,
    "secrets_in": lambda text: secrets_in(text, {}),
    "without_echo": without_echo,
    "without_json_secrets": without_json_secrets,
    "header_secrets": lambda text: header_secrets({"Cookie": text}),
    "is_secret_name": is_secret_name,
}


def modules() -> Iterator[str]:
    """Yield the names of the operator's modules."""
    for module in pkgutil.walk_packages([str(FOLDER)], "obtask."):
        if not module.name.endswith(".__main__"):
            yield module.name


@pytest.fixture(scope="module")
def patterns() -> dict[str, re.Pattern[Any]]:
    """The compiled patterns by module and name, each where it was made."""
    found: dict[str, re.Pattern[Any]] = {}
    for module in modules():
        tree = ast.parse(Path(importlib.import_module(module).__file__ or "").read_text())
        for node in tree.body:
            names = [target.id for target in getattr(node, "targets", [getattr(node, "target", None)]) if isinstance(target, ast.Name)]
            for name in names:
                value = getattr(importlib.import_module(module), name, None)
                if isinstance(value, re.Pattern):
                    found[f"{module}:{name}"] = value
    return found


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def used(name: str) -> set[str]:
    """Return the methods of a pattern that its module calls, or that somebody calls who imports it."""
    module, _, own = name.partition(":")
    sources = [Path(importlib.import_module(module).__file__ or "")] if own.startswith("_") else list(FOLDER.rglob("*.py"))
    return {found for source in sources for found in re.findall(rf"\b{own}\.(\w+)\(", source.read_text())}


def seconds(work: Callable[[], object]) -> float:
    """Return how much CPU the work takes."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def test_every_pattern_is_listed(patterns: dict[str, re.Pattern[Any]]) -> None:
    """Whoever adds a pattern says what its worst cases are; whoever takes one away cleans up."""
    assert sorted(patterns) == sorted(WORST)


def test_patterns_are_compiled_once_where_this_test_finds_them() -> None:
    """Nothing else calls the functions of ``re``: a pattern in the middle of code would escape this test, and be made of foreign text."""
    stray = []
    for module in modules():
        tree = ast.parse(Path(importlib.import_module(module).__file__ or "").read_text())
        top = {id(node.value) for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None}
        for node in ast.walk(tree):
            called = node.func if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
            if called is not None and ast.unparse(called.value) == "re" and called.attr != "escape" and id(node) not in top:
                stray.append(f"{module}: {ast.unparse(node)}")
    assert stray == []


@pytest.mark.parametrize("name", WORST)
def test_a_pattern_takes_time_in_proportion_to_the_text(name: str, patterns: dict[str, re.Pattern[Any]]) -> None:
    """Searched, from everywhere in a text of its worst cases: of 16 times the text it takes about 16 times as long."""
    pattern = patterns[name]
    given: Callable[[str], Any] = _octets if isinstance(pattern.pattern, bytes) else str
    works: list[Callable[[str], object]] = [lambda text: pattern.match(given(text)), lambda text: pattern.fullmatch(given(text))]
    if not used(name) <= {"match", "fullmatch"}:
        works.append(lambda text: sum(1 for _ in pattern.finditer(given(text))))
    for piece in [*COMMON, *WORST[name]]:
        for work in works:
            verdict(f"{name} with {piece!r}", piece, work)


@pytest.mark.parametrize("name", WORST)
def test_one_beginning_and_a_long_run_behind_it(name: str, patterns: dict[str, re.Pattern[Any]]) -> None:
    """What only goes on for long after the right beginning ("charset=", then spaces) takes no time either."""
    pattern = patterns[name]
    given: Callable[[str], Any] = _octets if isinstance(pattern.pattern, bytes) else str
    work = pattern.fullmatch if used(name) <= {"match", "fullmatch"} else pattern.search
    for beginning in ["", *WORST[name]]:
        for run in RUNS:
            text = given(f"{beginning}{run * LONG_RUN}!")
            taken = seconds(partial(work, text))
            assert taken < LONG_RUN_SECONDS, f"{name} with {beginning!r} and many {run!r}: {taken:.2f} s for {LONG_RUN:,} times"


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_put_together_of_patterns_takes_time_in_proportion(name: str) -> None:
    """The same for the functions that go through a text with several of them."""
    pieces = {piece for listed, own in WORST.items() if ".masking." in listed for piece in own}
    for piece in [*COMMON, *sorted(pieces)]:
        verdict(f"{name} with {piece!r}", piece, WHOLE[name])


def verdict(what: str, piece: str, work: Callable[[str], object]) -> None:
    """Fail unless the work is linear in the length of a text of these pieces."""
    most = SIZE // 8 if piece in COMMON else SIZE
    small, large = ((piece * (size // len(piece) + 1))[:size] for size in (most // 16, most))
    began = seconds(lambda: work(small))
    assert began < 1, f"{what}: {began:.2f} s for {len(small)} characters"  # else a megabyte would take minutes
    taken = seconds(lambda: work(large))
    assert taken < 64 * began + 0.5, f"{what}: {began:.3f} s for {len(small)} characters, {taken:.2f} s for {len(large)}"
    assert taken < 10, f"{what}: {taken:.2f} s for a megabyte"
