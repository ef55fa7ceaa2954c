"""Hand-in on the real engine: the work survives, a kill leaves nothing, a batch goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import Refused
from sandbox.handin import batch, reading
from sandbox.handin.proving import Both
from sandbox.paths import Home
from tests.integration.conftest import FIRST_DAY, Internbox, Worked, eventually, owned

pytestmark = [pytest.mark.engine, pytest.mark.slow]

CHANGES = """\
useradd --system keeper
mkdir -p /srv/mine/inner "/srv/mine/with blank"
echo secret > /srv/mine/secret
chown keeper:intern /srv/mine/secret
chmod 0640 /srv/mine/secret
chmod 2775 /srv/mine
ln -s ../mine/secret /srv/mine/link
ln /srv/mine/secret /srv/mine/twin
setfacl -m u:keeper:rwx,d:u:keeper:rwx /srv/mine/inner
setfacl -m u:keeper:r-- /etc/debian_version
cp /bin/true /usr/local/bin/mine
setcap cap_net_bind_service+ep /usr/local/bin/mine
rm -r /usr/share/bash-completion/completions
touch -r /etc/issue /tmp/stamp
printf '%s' "$(tr a-zA-Z b-zaB-ZA < /etc/issue)" > /tmp/issue
truncate -s "$(stat -c %s /etc/issue)" /tmp/issue
cat /tmp/issue > /etc/issue
touch -r /tmp/stamp /etc/issue
mkdir -p ~intern/.cache/pip ~intern/.vscode-server
echo big > ~intern/.cache/pip/x
echo big > ~intern/.vscode-server/x
"""

SHOWN = """\
stat -c '%n %A %U %G %h %Y' /srv/mine /srv/mine/* /usr/local/bin/mine /etc/issue
readlink /srv/mine/link
cat /srv/mine/twin
sha256sum /etc/issue
getfacl -n /srv/mine/inner /etc/debian_version 2>/dev/null
getcap /usr/local/bin/mine
ls -d /usr/share/bash-completion/completions ~intern/.cache/pip/x ~intern/.vscode-server/x 2>&1
"""


@pytest.fixture(scope="module")
def labs(internbox: Internbox) -> Iterator[Both]:
    labs = Both(Home(internbox.root, internbox.root / "cache"))
    yield labs
    labs.store.close()


@pytest.fixture(scope="module")
def solved(internbox: Internbox, labs: Both) -> Path:
    """A submission of the first day, solved and graded."""
    file = internbox.root / "solved.ibz"
    attempt = labs.start(FIRST_DAY).id
    Worked(labs, attempt).mend()
    assert labs.grade(attempt).score == 100
    labs.submit(attempt, out=file, then="remove")
    return file


def begun(labs: Both, scenario: str = FIRST_DAY) -> Worked:
    """An attempt whose learner can log in."""
    worked = Worked(labs, labs.start(scenario).id)
    eventually("sshd answers", lambda: worked.run("true", check=False).returncode == 0)
    return worked


def survived(labs: Both, scenario: str, tmp_path: Path) -> None:
    attempt = labs.start(scenario).id
    try:
        Worked(labs, attempt).mend()
        grade = labs.grade(attempt)
        file = tmp_path / "x.ibz"
        labs.submit(attempt, out=file, then="remove")
        again = labs.regrade(reading.read(file))
    finally:
        labs.stop([attempt])

    assert grade.score == 100
    assert batch.differences(grade, again) == []
    assert owned(labs) == []


def test_a_scenario_with_a_disk_of_its_own_keeps_its_grade(labs: Both, tmp_path: Path) -> None:
    survived(labs, "linux/disk-full", tmp_path)


def test_a_scenario_with_databases_keeps_its_grade(labs: Both, tmp_path: Path) -> None:
    survived(labs, "database/postgres-app-denied", tmp_path)


def test_what_was_changed_is_there_again(
    labs: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen by the grader's way in, in the place of the checks."""
    from sandbox import ssh, topology
    from sandbox.grading import taking

    worked = begun(labs, "linux/web-service-down")
    attempt = worked.attempt
    worked.run(CHANGES)
    there = worked.run(SHOWN, check=False).stdout
    file = tmp_path / "x.ibz"
    labs.submit(attempt, out=file)
    assert worked.run(SHOWN, check=False).stdout == there, "the machines go on as they were"
    labs.stop([attempt])
    seen = []

    def look(self: taking.Taker) -> Any:
        (host,) = self.record.visible()
        with ssh.connect(topology.grader_endpoint(host, self.key), deadline=20) as link:
            seen.append(link.run("bash -s", stdin=SHOWN.encode()).stdout)
        raise Refused("seen enough")

    monkeypatch.setattr(taking.Taker, "grade", look)
    with pytest.raises(Refused, match="seen enough"):
        labs.regrade(reading.read(file))

    again = seen[0]
    gone = [line for line in there.splitlines() if "/home/intern/." in line]
    kept = [line for line in there.splitlines() if line not in gone]
    assert len(gone) == 2
    assert [line for line in again.splitlines() if "/home/intern/." not in line] == kept
    assert "No such file" in again
    assert owned(labs) == []


def test_a_file_that_runs_as_another_is_refused(labs: Both, tmp_path: Path) -> None:
    worked = begun(labs)
    attempt = worked.attempt
    worked.run("install -m 4755 /bin/bash /srv/shell")
    file = tmp_path / "x.ibz"
    labs.submit(attempt, out=file, then="remove")

    with pytest.raises(Refused, match=r"/srv/shell on desk .*setuid"):
        labs.regrade(reading.read(file))
    assert owned(labs) == []


def test_a_changed_tool_is_tampering_in_a_regrade_too(labs: Both, tmp_path: Path) -> None:
    worked = begun(labs)
    attempt = worked.attempt
    worked.mend()
    worked.run("cp -p /usr/bin/date /tmp/d; printf '#!/bin/sh\\necho no\\n' > /usr/bin/date")
    file = tmp_path / "x.ibz"
    labs.submit(attempt, out=file, then="remove")

    again = labs.regrade(reading.read(file))

    assert again.outcome == "tampered"
    assert again.tampered == ["/usr/bin/date"]


def test_a_machine_that_the_learner_ruined_failed_and_is_not_left_ungraded(
    labs: Both, tmp_path: Path
) -> None:
    """It neither starts again here nor there; the door through which it is asked is shut, too."""
    worked = begun(labs)
    attempt = worked.attempt
    worked.mend()
    killer = "while :; do pkill -9 -x dropbear; pkill -9 -x machine; sleep 0.02; done"
    worked.run(f"rm /etc/hosts; mkdir /etc/hosts; systemd-run --quiet bash -c {killer!r}")
    file = tmp_path / "x.ibz"
    told = labs.submit(attempt, out=file)
    labs.stop([attempt])

    again = labs.regrade(reading.read(file))

    assert [line for line in told.warnings if line.startswith("desk did not say what changed")]
    assert (again.outcome, again.score) == ("failed", 0)
    assert set(again.lost) == {"desk"}
    assert owned(labs) == []


def test_a_batch_that_is_killed_leaves_nothing_and_goes_on(
    internbox: Internbox, labs: Both, solved: Path, tmp_path: Path
) -> None:
    words = ["regrade", str(solved), "--again"]
    begun = time.monotonic()
    internbox(*words)
    whole = time.monotonic() - begun

    for share in (0.2, 0.4, 0.6, 0.8):
        process = internbox.start(*words)
        try:
            process.wait(whole * share)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        eventually("gc leaves nothing", lambda: (labs.gc(), owned(labs) == [])[1], seconds=20)
        assert [row.id for row in labs.store.living()] == []

    report = internbox.json("regrade", str(solved))
    assert report["submissions"][0]["status"] == "same"
    assert report["submissions"][0]["kept"]


def test_an_interrupted_batch_is_130_and_leaves_nothing(
    internbox: Internbox, labs: Both, solved: Path
) -> None:
    process = internbox.start("regrade", str(solved), "--again")
    eventually("it has begun", lambda: owned(labs))
    os.kill(process.pid, signal.SIGINT)

    process.communicate(timeout=120)

    assert process.returncode == 130
    assert owned(labs) == []


def test_a_killed_submit_can_be_repeated(internbox: Internbox, labs: Both, tmp_path: Path) -> None:
    attempt = str(internbox.json("start", FIRST_DAY)["attempt"])
    Worked(labs, attempt).mend()
    file = tmp_path / "x.ibz"
    for seconds in (0.5, 1.0, 1.5, 2.0):
        process = internbox.start("submit", attempt, "--out", str(file))
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        assert not file.exists() or reading.read(file), "never half a submission"

    told = internbox.json("submit", attempt, "--out", str(file))

    assert told["sha256"] == reading.read(file).sha256
    assert labs.grade(attempt).score == 100, "and it goes on"
    labs.stop([attempt])


def test_a_code_is_handed_out_worked_on_and_regraded(internbox: Internbox, tmp_path: Path) -> None:
    codes = tmp_path / "codes.csv"
    (row, _) = internbox.json(
        "code", FIRST_DAY, "--learner", "s1", "--learner", "s2", "--csv", str(codes)
    )
    started = internbox.json("start", "--code", row["code"])
    assert started["learner"] == "s1"
    file = tmp_path / "s1.ibz"
    grade = internbox.json("grade", started["attempt"], exit_code=1)
    internbox("submit", started["attempt"], "--stop", "--out", str(file))

    table = tmp_path / "grades.csv"
    internbox("regrade", str(file), "--codes", str(codes), "--csv", str(table))

    assert grade["learner"] == "s1"
    assert "same" in table.read_text()
    codes.write_text(codes.read_text().replace(row["seed"], "aaaa2222"))
    refused = json.loads(
        internbox(
            "regrade", str(file), "--codes", str(codes), "--format", "json", exit_code=1
        ).stdout
    )
    assert "not the variant that s1 was given" in refused["submissions"][0]["reason"]
