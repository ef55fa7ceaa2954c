"""Streams, styling, tables and progress."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import pytest

from sandbox.cli.output import Output, safe, styled
from sandbox.cli.progress import Ticker
from sandbox.cli.tables import laid_out
from sandbox.cli.views import age
from sandbox.progress import Lasting

Shown = Callable[[Callable[[], None]], str]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_control_characters_are_replaced() -> None:
    assert safe("a\x1b[31mb\x07\u202e\tc\r\nd") == "a�[31mb��\tc\nd"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [("NO_COLOR", "1", False), ("TERM", "dumb", False), ("TERM", "xterm", True)],
)
def test_colours_are_not_forced_on_anybody(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)

    assert styled(Terminal()) is expected


def test_a_pipe_gets_no_colours() -> None:
    assert not styled(io.StringIO())


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], str]:
    """What a call prints on a terminal of 60 columns."""

    def on_terminal(printing: Callable[[], None]) -> str:
        screen = Terminal()
        monkeypatch.setattr("sys.stdout", screen)
        printing()
        return screen.getvalue()

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return on_terminal


def test_markdown_is_rendered_on_a_terminal(shown: Shown) -> None:
    text = shown(lambda: Output().markdown("# Title\n\nSome *text* and `code`."))

    assert "\x1b[" in text
    assert "# Title" not in text
    assert "Title" in text


def test_markdown_stays_as_it_is_for_screen_readers(shown: Shown) -> None:
    text = shown(lambda: Output(plain=True).markdown("# Title\n\nSome *text*.\n"))

    assert text == "# Title\n\nSome *text*.\n"


def test_markdown_of_a_machine_cannot_drive_the_terminal(shown: Shown) -> None:
    assert "\x1b[2J" not in shown(lambda: Output().markdown("Nice \x1b[2J text"))


def test_a_table_fits_the_terminal(shown: Shown) -> None:
    rows = [["short", "many words " * 12, "7"]]
    text = shown(lambda: Output(plain=False).table(["NAME", "TEXT", "N"], rows, wraps=1))

    lines = text.splitlines()
    assert len(lines) > 3
    assert all(len(line) <= 60 for line in lines[1:])


def test_numbers_stand_to_the_right() -> None:
    assert laid_out(["A", "N"], [["x", "7"], ["y", "100"]], wraps=0, width=80) == [
        "A    N",
        "x    7",
        "y  100",
    ]


def test_a_cell_of_several_lines_keeps_them() -> None:
    assert laid_out(["A", "B"], [["x\ny", "b c"]], wraps=1, width=80) == ["A  B", "x  b c", "y"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (7300, "2 h"), (2e5, "2 d")]
)
def test_ages_are_short(seconds: float, text: str) -> None:
    assert age(seconds) == text


# --- progress


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.cli.progress.PATIENCE", 0.05)
    monkeypatch.setattr("sandbox.cli.progress.BEAT", 0.01)


def wait_for(screen: io.StringIO, text: str) -> None:
    """Waits until it is."""
    deadline = time.monotonic() + 10
    while text not in screen.getvalue():
        assert time.monotonic() < deadline, screen.getvalue()
        time.sleep(0.01)


@pytest.mark.usefixtures("hurried")
def test_what_came_of_it_stays_on_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    out = Output()
    out.progress("building image web …")
    wait_for(screen, "building")
    out.progress(Lasting("built image web: 0:42, 249 MiB"))
    out.done()

    assert screen.getvalue().endswith("\r\x1b[Kbuilt image web: 0:42, 249 MiB\n")


def test_quiet_leaves_out_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    Output(quiet=True).progress(Lasting("built image web: 0:42, 249 MiB"))

    assert capsys.readouterr().err == ""


def test_what_is_quick_shows_no_progress() -> None:
    screen = Terminal()
    ticker = Ticker(screen, animated=True)
    ticker.show("starting")
    ticker.stop()

    assert screen.getvalue() == ""


def test_what_takes_longer_shows_a_spinner_and_takes_it_away(hurried: None) -> None:
    screen = Terminal()
    ticker = Ticker(screen, animated=True)
    ticker.show("building image web")
    wait_for(screen, "building image web")
    ticker.stop()

    assert screen.getvalue().endswith("\r\x1b[K")


def test_elsewhere_progress_is_a_line_each(hurried: None) -> None:
    log = io.StringIO()
    ticker = Ticker(log, animated=False)
    ticker.show("building image web")
    wait_for(log, "building image web")
    ticker.show("starting")
    ticker.show("starting")
    ticker.stop()

    assert log.getvalue() == "building image web\nstarting\n"


def test_progress_ends_before_data_is_printed(
    hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("sys.stdout", screen)
    out = Output()
    out.progress("working")
    wait_for(screen, "working")
    out.data("done")

    assert screen.getvalue().endswith("\r\x1b[Kdone\n")


def test_quiet_shows_no_progress(hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    out = Output(quiet=True)
    out.progress("working")
    time.sleep(0.1)
    out.done()

    assert log.getvalue() == ""
