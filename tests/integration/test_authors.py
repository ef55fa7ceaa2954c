"""A private folder, as an author makes it: a scenario, an image and a company of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.paths import builtin_content
from tests.integration.conftest import Internbox, Worked

pytestmark = [pytest.mark.engine, pytest.mark.slow]

DOCKERFILE = 'ARG BASE=base\nFROM $BASE\nRUN echo "Otterbrook image" > /etc/otterbrook\n'
ONLINE = """
systemctl is-active systemd-journald
echo secret > /tmp/of-the-author; echo secret > /root/.bash_history; logger of-the-author
echo done > /srv/made-online
"""


@pytest.fixture(scope="module")
def folder(internbox: Internbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What `internbox new` writes, on an image and with people of its own."""
    content = tmp_path_factory.mktemp("content")
    internbox("new", "linux/my-task", "--content", str(content))
    image = content / "images" / "otterbrook"
    image.mkdir(parents=True)
    (image / "Dockerfile").write_text(DOCKERFILE)
    company = (builtin_content() / "scenarios/company/company.toml").read_text()
    (content / "scenarios/company").mkdir()
    (content / "scenarios/company/company.toml").write_text(
        company.replace("Quillhaven", "Otterbrook").replace("quillhaven", "otterbrook")
    )
    scenario = content / "scenarios/linux/my-task"
    settings = (scenario / "scenario.toml").read_text()
    (scenario / "scenario.toml").write_text(
        settings.replace("[hosts.desk]\n", '[hosts.desk]\nimage = "otterbrook"\n')
    )
    (scenario / "hosts/desk/online.sh").write_text(ONLINE)
    yield scenario
    internbox.close()
    labs = internbox.labs()
    for state in labs.runtime.image_states(content, ["otterbrook"]):
        labs.runtime.engine.api.remove_image(state.reference)  # type: ignore[attr-defined]
    labs.store.close()


@pytest.fixture(scope="module")
def worked(internbox: Internbox, folder: Path) -> Any:
    started = internbox.json("start", str(folder), "--seed", "own", "--trust")
    labs = internbox.labs()
    yield Worked(labs, started["attempt"])
    labs.stop([started["attempt"]])
    labs.store.close()


def test_what_new_wrote_passes_lint_and_proves_itself(internbox: Internbox, folder: Path) -> None:
    internbox("lint", str(folder))
    report = internbox.json("prove", str(folder), "--trust")

    assert report["ok"]
    kinds = {cell["kind"] for cell in report["cells"]}
    assert kinds == {"untouched", "reference", "solution", "rejected", "note", "coverage"}


def test_its_machine_is_of_its_own_image_and_company(internbox: Internbox, worked: Worked) -> None:
    assert worked.run("cat /etc/otterbrook", sudo=False).stdout == "Otterbrook image\n"
    assert "otterbrook.example" in worked.run("hostname -f; cat /etc/resolv.conf").stdout


def test_nothing_of_its_preparation_is_left(worked: Worked) -> None:
    """The online script's work stays; what tells of it is gone, and the machine has booted anew."""
    assert worked.run("cat /srv/made-online").stdout == "done\n"
    assert worked.run("ls -A /tmp /var/tmp | grep -c of-the-author", check=False).stdout == "0\n"
    assert worked.run("cat /root/.bash_history", check=False).returncode != 0
    assert worked.run("journalctl -q --no-pager | grep -c of-the-author", check=False).stdout == (
        "0\n"
    )
    assert len(worked.run("journalctl -q --list-boots").stdout.splitlines()) == 1
