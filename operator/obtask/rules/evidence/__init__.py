"""Owns the evidence bundle: what is read for it, what is in it, and its ZIP. Pure. API.md sections 9 and 10.

It needs the standard library and PyYAML only: `make generate` gives the plugin a copy, so that both make the same bytes.
"""

from obtask.rules.evidence.packing import filename as filename
from obtask.rules.evidence.packing import packed as packed
from obtask.rules.evidence.reading import Evidence as Evidence
from obtask.rules.evidence.reading import Refused as Refused
from obtask.rules.evidence.reading import gathering as gathering
