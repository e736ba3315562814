# A copy of operator/obtask/rules/evidence/__init__.py, made by `make generate`.
"""Owns the evidence bundle: what is read for it, what is in it, and its ZIP. Pure. API.md sections 9 and 10.

It needs the standard library and PyYAML only: `make generate` gives the plugin a copy, so that both make the same bytes.
"""

from kubectl_obtask.evidence.packing import filename as filename
from kubectl_obtask.evidence.packing import packed as packed
from kubectl_obtask.evidence.reading import Evidence as Evidence
from kubectl_obtask.evidence.reading import Refused as Refused
from kubectl_obtask.evidence.reading import gathering as gathering
