"""Owns what the Task Center's pages tell people to type, read from the pages themselves."""

import re
from html import unescape

_PLACE = re.compile(r'<div class="to-type"><pre[^>]*>(.*?)</pre>', re.DOTALL)
# What is not ours to say: logs, the YAML of tasks and templates, what somebody writes into a form.
_FOREIGN = re.compile(r'<pre class="yaml".*?</pre>|<textarea.*?</textarea>|<div class="log" id="log".*', re.DOTALL)
_LINE = re.compile(r">\s*(?:\$ )?(kubectl [a-z][^<]*)")


def lines_to_type(page: str) -> list[str]:
    """Return the lines that have their place on a page, each once, in order."""
    return list(dict.fromkeys(unescape(line) for line in _PLACE.findall(page)))


def other_lines(page: str) -> list[str]:
    """Return what looks like a line to type, and stands elsewhere."""
    return _LINE.findall(_PLACE.sub("", _FOREIGN.sub("", page)))
