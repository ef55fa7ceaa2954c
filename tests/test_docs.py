"""The documents name commands, options, files and headings that are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sandbox.cli.main import cli
from sandbox.paths import builtin_content

ROOT = builtin_content()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"(?:^\$ |`)internbox ((?:[^`\n\\]|\\\n)+)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")


def commands(page: Path) -> Iterator[list[str]]:
    """The words behind `internbox`, wherever a page shows a command."""
    for match in COMMAND.finditer(page.read_text()):
        yield shlex.split(match[1].replace("\\\n", " "), comments=True)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_and_options_exist(page: Path) -> None:
    for words in commands(page):
        found: click.Command = cli
        context = click.Context(cli)
        rest = list(words)
        while rest and isinstance(found, click.Group) and re.fullmatch(r"[a-z-]+", rest[0]):
            inner = found.get_command(context, rest.pop(0))
            assert inner, f"{words}: no such command"
            found = inner
        known = {name for parameter in found.params for name in parameter.opts}
        known |= set(found.get_help_option_names(context)) | {"-h", "--help"}
        options = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert options <= known, f"{words}: {options - known}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        if anchor:
            assert anchor in anchors(target), f"{path}#{anchor}"
