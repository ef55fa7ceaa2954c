"""Markdown for a terminal."""

from __future__ import annotations


def rendered(text: str, width: int) -> str:
    """The text with its headings, lists and code styled, wrapped at `width`."""
    from io import StringIO

    from rich.console import Console
    from rich.markdown import Heading, Markdown
    from rich.theme import Theme

    class LeftHeading(Heading):
        """Headings stand on the left, where the text is, and not in a box."""

        def __rich_console__(self, console: object, options: object):  # type: ignore[no-untyped-def]
            self.text.justify = "left"
            yield self.text

    class TicketMarkdown(Markdown):
        elements = Markdown.elements | {"heading_open": LeftHeading}

    paper = StringIO()
    theme = Theme({"markdown.code": "bold cyan", "markdown.h2": "bold"})  # no colour behind it
    console = Console(file=paper, width=min(width, 80), force_terminal=True, theme=theme)
    console.print(TicketMarkdown(text, code_theme="ansi_dark", hyperlinks=False))
    return "\n".join(line.rstrip() for line in paper.getvalue().splitlines())
