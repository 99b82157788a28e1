"""Hooks of the docs site (mkdocs.yml): pages that lie outside `docs/`, and the API reference.

`BENCHMARKS.md`, `CHANGELOG.md` and, where there is one, `CONTRIBUTING.md` stay at the top of the repository, where
forges look for them. They become pages here without a second copy, and links to and from them are rewritten. The API
reference has a page for each package and each top-level module of `motion_jax`, found by looking at the tree.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "motion_jax"
TOP = {
    name: uri
    for name, uri in {
        "BENCHMARKS.md": "benchmarks.md",
        "CHANGELOG.md": "changelog.md",
        "CONTRIBUTING.md": "contributing.md",
        "README.md": "index.md",  # only for links to it: the home page is docs/index.md
    }.items()
    if (ROOT / name).is_file()
}
WITHOUT = ("commands",)  # described by `--help`, and not meant to be imported
LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Completes the navigation with what is found on disk: pages about adding things, API pages, contributing."""
    assert config.nav is not None
    for entry in config.nav:
        if "Adding things" in entry:
            entry["Adding things"] = [{_title(path): path.name} for path in sorted(DOCS.glob("adding_*.md"))]
        if "Python API" in entry:
            entry["Python API"] = [{"Overview": "api.md"}, *({name: uri} for name, (uri, _) in _reference().items())]
    if "CONTRIBUTING.md" in TOP:
        config.nav.append({"Contributing": TOP["CONTRIBUTING.md"]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages from the top of the repository and the API reference."""
    for name, uri in TOP.items():
        if name != "README.md":
            files.append(File.generated(config, uri, content=(ROOT / name).read_text()))
    for uri, content in _reference().values():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrites links between `docs/` and the top of the repository; all others stay as they are."""
    del config, files
    uri = page.file.src_uri
    sources = {site: ROOT / name for name, site in TOP.items() if name != "README.md"}
    source = sources.get(uri, DOCS / uri)

    def rewritten(match: re.Match[str]) -> str:
        before, target, anchor, after = match.groups(default="")
        path = (source.parent / target).resolve()
        if path.parent == ROOT and path.name in TOP:
            site = TOP[path.name]
        elif path.is_file() and DOCS in path.parents:
            site = path.relative_to(DOCS).as_posix()
        else:
            return match[0]
        return f"{before}{posixpath.relpath(site, posixpath.dirname(uri) or '.')}{anchor}{after}"

    return LINK.sub(rewritten, markdown)


def _title(page: Path) -> str:
    return page.read_text().partition("\n")[0].lstrip("# ")


def _reference() -> dict[str, tuple[str, str]]:
    """Dotted name -> (address, Markdown) of each API page."""
    pages = {"motion_jax": ("reference/motion_jax.md", _members("motion_jax"))}
    for path in sorted(PACKAGE.rglob("*")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if any(part.startswith("_") for part in parts) or parts[1] in WITHOUT:
            continue
        name = ".".join(parts)
        if (path / "__init__.py").is_file():
            modules = [name, *(f"{name}.{each.stem}" for each in sorted(path.glob("[!_]*.py")))]
        elif path.suffix == ".py" and path.parent == PACKAGE:
            modules = [name]
        else:
            continue
        pages[name.removeprefix("motion_jax.")] = (f"reference/{'/'.join(parts[1:])}.md", _members(*modules))
    return pages


def _members(*modules: str) -> str:
    """What mkdocstrings fills in; the first module is the page's title."""
    first, *rest = modules
    return "\n".join([f"::: {first}\n    options:\n      heading_level: 1\n", *(f"::: {module}\n" for module in rest)])
