"""The files of a fix: what runs them, and what is said of those that Linux could not run."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import UsageError
from sandbox.running.fixes import Source


@pytest.fixture
def source(checkout: Path) -> Source:
    return Source(checkout, "")


@pytest.mark.parametrize(
    ("name", "content", "command"),
    [
        ("a.sh", "true\n", "bash"),
        ("a.py", "print()\n", "python3"),
        ("a.ps1", "Get-Date\r\n", "pwsh -NoProfile -NonInteractive -File"),
        ("a.sh", "#!/bin/dash\ntrue\n", ""),
        ("fix", "#!/usr/bin/env python3\n", ""),
        ("a.py", "import os\r\nprint()\r\n", "python3"),
    ],
)
def test_a_script_runs_by_its_first_line_or_else_by_its_suffix(
    source: Source, write: Any, name: str, content: str, command: str
) -> None:
    write(name, content)

    assert source.program(name).command == command


def test_a_powershell_script_keeps_the_suffix_that_pwsh_insists_on(
    source: Source, write: Any
) -> None:
    write("a.ps1", "Get-Date\n")

    assert source.program("a.ps1").line == "pwsh -NoProfile -NonInteractive -File /tmp/.step.ps1"


def test_a_file_that_nothing_is_known_to_run_is_named(source: Source, write: Any) -> None:
    write("fix.txt", "true\n")

    with pytest.raises(UsageError, match=r"fix\.txt: what runs it\?"):
        source.program("fix.txt")


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("web.sh", b"true\nsudo true\r\n", r"web\.sh:2: .*CRLF"),
        ("web.sh", b"#!/bin/bash\r\ntrue\r\n", r"web\.sh:1: .*CRLF"),
        ("web", b"#!/usr/bin/env bash\ntrue\r\n", r"web:2: .*CRLF"),
        ("web.py", b"#!/usr/bin/env python3\r\n", r"web\.py:1: .*CRLF"),
        ("web.sh", b"\xef\xbb\xbf#!/bin/bash\n", r"web\.sh:1: begins with a byte order mark"),
        ("web.sh", "#!/bin/bash\n".encode("utf-16"), r"web\.sh: saved as UTF-16"),
    ],
)
def test_what_an_editor_on_windows_did_to_a_script_is_named(
    source: Source, write: Any, name: str, content: bytes, place: str
) -> None:
    write(name, content)

    with pytest.raises(UsageError, match=place):
        source.program(name)


def test_the_cure_of_crlf_is_named(source: Source, write: Any) -> None:
    write("web.sh", b"true\r\n")

    with pytest.raises(UsageError) as caught:
        source.program("web.sh")
    assert "*.sh text eol=lf" in caught.value.hint
    assert ".gitattributes" in caught.value.hint


@pytest.mark.parametrize("target", ["/proc/self/environ", "../secret"])
def test_a_link_that_leads_out_of_the_checkout_is_refused(
    source: Source, checkout: Path, target: str
) -> None:
    (checkout.parent / "secret").write_text("#!/bin/bash\n")
    (checkout / "web.sh").symlink_to(target)

    with pytest.raises(UsageError, match="leads out of"):
        source.program("web.sh")


def test_a_link_within_the_checkout_is_followed(source: Source, write: Any, checkout: Path) -> None:
    write("shared/mend.sh")
    (checkout / "web.sh").symlink_to("shared/mend.sh")

    assert source.program("web.sh").data == b"#!/bin/bash\ntrue\n"


def test_a_pipe_is_no_script(source: Source, checkout: Path) -> None:
    os.mkfifo(checkout / "web.sh")

    with pytest.raises(UsageError, match="no such file"):
        source.program("web.sh")


def test_a_folder_is_packed_with_its_executable_bits(source: Source, write: Any) -> None:
    write("web/sub/tool").chmod(0o755)
    write("web/data.csv", "a,b\r\n")

    with tarfile.open(fileobj=io.BytesIO(source.archive("web"))) as tar:
        modes = {member.name: member.mode for member in tar.getmembers()}
    assert modes == {"data.csv": 0o644, "sub/tool": 0o755}


def test_a_link_in_a_folder_may_not_lead_out_either(
    source: Source, write: Any, checkout: Path
) -> None:
    write("web/a")
    (checkout / "web" / "b").symlink_to("/etc/passwd")

    with pytest.raises(UsageError, match=r"web/b: leads out of"):
        source.archive("web")


def test_a_script_of_a_folder_is_looked_at_too(source: Source, write: Any) -> None:
    write("web/install.sh", b"true\r\n")

    with pytest.raises(UsageError, match=r"web/install\.sh:1: .*CRLF"):
        source.archive("web")
