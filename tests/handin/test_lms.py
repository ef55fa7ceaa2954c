"""Submissions in the downloads of learning platforms: whose they are, and what is passed over."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sandbox.errors import Refused, UsageError
from sandbox.handin import lms, reading
from tests.handin.conftest import Maker

NAMES = {
    "Ann Smith_1234_assignsubmission_file_/first-day-1a2b.ibz": "Ann Smith",
    "Ann Smith_1234_assignsubmission_file_first-day-1a2b.ibz": "Ann Smith",
    "Group A-Ann_Lee Smith_12_assignsubmission_file_/x.ibz": "Group A-Ann_Lee Smith",
    "course/Bo Li_9_assignsubmission_file_/x.ibz": "Bo Li",
    "smithann_12345_67890_first-day-1a2b.ibz": "smithann",
    "smithann_LATE_12345_67890_first-day-1a2b-1.ibz": "smithann",
    "smithann_12345_67890_s_123_456_first.ibz": "smithann",
    "Ann Smith/first-day.ibz": "Ann Smith",
    "first-day-1a2b.ibz": "",
    "s123-first-day-1a2b.ibz": "",
    "Zoë Ångström_7_assignsubmission_file_/x.ibz": "Zoë Ångström",
}


@pytest.mark.parametrize(("name", "student"), NAMES.items())
def test_a_student_is_called_as_the_platform_does(name: str, student: str) -> None:
    assert lms.student(name) == student


def download(folder: Path, members: dict[str, bytes], name: str = "download.zip") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for member, data in members.items():
            packed.writestr(member, data)
    return path


def test_a_download_is_read_as_it_is(tmp_path: Path, make: Maker) -> None:
    whole = make().read_bytes()
    path = download(
        tmp_path,
        {
            "Ann Smith_1_assignsubmission_file_/a.ibz": whole,
            "Bo Li_2_assignsubmission_file_/b.IBZ": whole,
            "Bo Li_2_assignsubmission_onlinetext_/onlinetext.html": b"<p>hello",
            "__MACOSX/Ann Smith_1_assignsubmission_file_/._a.ibz": b"noise",
        },
    )

    finds = lms.find([path])

    assert [found.student for found in finds.submissions] == ["Ann Smith", "Bo Li"]
    assert [one.file.rpartition("/")[2] for one in finds.ignored] == ["onlinetext.html"]
    with finds.submissions[0].at_hand(tmp_path) as file:
        assert reading.read(file).manifest.scenario == "linux/sample"
    assert not file.exists()


def test_a_folder_that_was_unpacked_is_read(tmp_path: Path, make: Maker) -> None:
    whole = make().read_bytes()
    inner = tmp_path / "course" / "Ann Smith_1_assignsubmission_file_"
    inner.mkdir(parents=True)
    (inner / "a.ibz").write_bytes(whole)
    (inner / "notes.txt").write_text("hi")

    finds = lms.find([tmp_path / "course"])

    assert [found.student for found in finds.submissions] == ["Ann Smith"]
    assert [Path(one.file).name for one in finds.ignored] == ["notes.txt"]


def test_a_submission_that_a_browser_renamed_is_one(tmp_path: Path, make: Maker) -> None:
    renamed = make().rename(tmp_path / "first-day.zip")

    assert [found.path for found in lms.find([renamed]).submissions] == [renamed]


def test_a_download_that_leads_out_is_refused(tmp_path: Path) -> None:
    path = download(tmp_path, {"../../evil.ibz": b"x"})

    ((label, refused),) = lms.find([path]).refused
    assert label == str(path)
    assert "leads out" in refused.message


def test_a_download_that_is_encrypted_is_refused(tmp_path: Path) -> None:
    path = download(tmp_path, {"a.ibz": b"x"})
    whole = bytearray(path.read_bytes())
    whole[whole.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(whole))

    assert "encrypted" in lms.find([path]).refused[0][1].message


def test_a_file_that_is_no_zip_is_refused_and_stops_no_other(tmp_path: Path, make: Maker) -> None:
    (tmp_path / "grades.zip").write_text("name,grade")

    finds = lms.find([tmp_path / "grades.zip", make()])

    assert len(finds.refused) == len(finds.submissions) == 1


def test_a_path_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not there"):
        lms.find([tmp_path / "none.zip"])


def test_a_large_member_is_refused_when_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = download(tmp_path, {"a.ibz": bytes(5000)})
    monkeypatch.setattr(lms, "LIMITS", lms.LIMITS.__class__(archive=1000))
    (found,) = lms.find([path]).submissions

    with pytest.raises(Refused, match="larger"), found.at_hand(tmp_path):
        pass
    assert not list(tmp_path.glob("*.ibz"))
