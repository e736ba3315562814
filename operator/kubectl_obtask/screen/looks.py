"""Owns how the panes look: tones of OceanBase Design for borders and marks; words stay in the colours of the terminal."""

from typing import Final

LOOKS: Final = """\
Screen { layout: vertical; }
#head { height: 1; background: #0852bb; color: #ffffff; padding: 0 1; }
#search { display: none; height: 3; }
#search.open { display: block; }
#tasks { height: 2fr; min-height: 6; border: round #0d6cf2; }
#below { height: 3fr; }
#steps { width: 30; height: 100%; max-height: 100%; border: round #0d6cf2; padding: 0; }
#log { width: 1fr; border: round #0d6cf2; scrollbar-size: 1 1; scrollbar-background: $surface; scrollbar-corner-color: $surface; }
#tasks:focus, #steps:focus, #log:focus { border: heavy #0d6cf2; }
#empty { display: none; height: 2fr; content-align: center middle; border: round #0d6cf2; }
#empty.shown { display: block; }
.away #head { background: #b52727; }
Question, Page { align: center middle; }
#dialog { width: 72; max-width: 95%; height: auto; max-height: 90%; border: heavy #0d6cf2; padding: 1 2; background: $surface; }
#details { height: auto; max-height: 8; margin-top: 1; color: $text-muted; }
#reason { margin-top: 1; }
#buttons { height: 3; margin-top: 1; align-horizontal: right; }
#buttons Button { margin-left: 2; }
#page { width: 95%; height: 90%; border: heavy #0d6cf2; padding: 0 1; background: $surface; }
"""
