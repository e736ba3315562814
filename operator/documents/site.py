"""Owns what mkdocs does not know of this repository: documents outside docs/, links to other files, folders in the navigation."""

import re
from os.path import relpath
from pathlib import Path
from typing import Any

from markdown.extensions.toc import slugify
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DEFAULT_LANGUAGE = "en"
TRANSLATED = ".zh.md"
# Documents that people expect in the root of a repository. They are pages of the site, too.
PROJECT = ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md")
FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
SCHEME = re.compile(r"[a-z]+:")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of a folder where the navigation names the folder."""
    config.nav = _expanded(config.nav)
    return config


def _expanded(entry: Any) -> Any:
    match entry:
        case list():
            return [inner for one in entry for inner in (_pages(one) if _is_folder(one) else [_expanded(one)])]
        case dict():
            return {title: _expanded(inner) for title, inner in entry.items()}
        case _:
            return entry


def _is_folder(entry: Any) -> bool:
    return isinstance(entry, str) and entry.endswith("/")


def _pages(folder: str) -> list[str]:
    """Return the English pages of a folder, its index first."""
    found = (path for path in (DOCS / folder).glob("*.md") if not path.name.endswith(TRANSLATED))
    return [path.relative_to(DOCS).as_posix() for path in sorted(found, key=lambda path: (path.name != "index.md", path.name))]


@event_priority(-100)  # after the plugin for languages, which knows only files of docs/
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents of the root as pages, in every language's part of the site."""
    language = str(config.theme["language"])
    for name in PROJECT:
        page = File.generated(config, f"project/{name}", abs_src_path=str(ROOT / name))
        page.dest_uri = page.dest_uri if language == DEFAULT_LANGUAGE else f"{language}/{page.dest_uri}"
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with links to files outside docs/ leading to a copy of the file in the site."""
    here = Path(str(page.file.abs_src_path)).resolve()

    def rewritten(link: re.Match[str]) -> str:
        text, target, anchor = link.groups(default="")
        path = (here.parent / target).resolve()
        if SCHEME.match(target) or (path.is_relative_to(DOCS) and here.is_relative_to(DOCS)) or not path.exists():
            return link[0]
        if path.is_dir():
            return text
        return f"[{text}]({relpath(_uri(path, config, files), Path(page.file.src_uri).parent)}{anchor})"

    parts = FENCE.split(markdown)
    text = "".join(part if part.startswith("```") else LINK.sub(rewritten, part) for part in parts)
    english = here.with_name(here.name.replace(TRANSLATED, ".md"))
    return text if english == here else _with_anchors_of(english.read_text(), text)


def _with_anchors_of(english: str, translated: str) -> str:
    """Return a translation whose headings have the anchors of the English page's, so that links fit both."""
    anchors = iter([slugify(heading, "-") for heading in HEADING.findall(FENCE.sub("", english))])
    parts = FENCE.split(translated)
    return "".join(part if part.startswith("```") else HEADING.sub(lambda line: f"{line[0]} {{#{next(anchors)}}}", part) for part in parts)


def _uri(path: Path, config: MkDocsConfig, files: Files) -> str:
    """Return where in the site's sources a file of the repository is, copying it there if it is no page."""
    inside = path.relative_to(ROOT).as_posix()
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    if inside in PROJECT:
        return f"project/{inside}"
    uri = f"files/{inside}.txt" if path.suffix == ".md" else f"files/{inside}"
    if uri not in files.src_uris:
        files.append(File.generated(config, uri, abs_src_path=str(path), inclusion=InclusionLevel.NOT_IN_NAV))
    return uri
