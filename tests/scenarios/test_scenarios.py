"""Finding, reading and listing scenarios, and what is said about wrong ones."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import scenarios
from sandbox.errors import ContentError, UsageError
from sandbox.paths import ScenarioFiles

DATA = Path(__file__).parents[1] / "data"
CONTENT = DATA / "content"
ID = "linux/sample"
INVALID = sorted((DATA / "invalid").glob("*.toml"))


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A content folder that a test may change."""
    return Path(shutil.copytree(CONTENT, tmp_path / "content"))


@pytest.fixture
def files(content: Path) -> ScenarioFiles:
    return ScenarioFiles(content, ID)


def test_a_scenario_is_loaded_with_its_company() -> None:
    loaded = scenarios.load(ScenarioFiles(CONTENT, ID))

    assert loaded.id == ID
    assert loaded.company.domain == "pebble.example"
    assert list(loaded.settings.faults) == ["wrong-root", "wrong-port"]


def test_hosts_that_learners_see_begin_with_the_one_they_land_on(files: ScenarioFiles) -> None:
    text = files.settings.read_text().replace("hidden = true", "")
    files.settings.write_text(f'learner = "desk"\n{text}')

    assert scenarios.load(files).learner_hosts == ["desk", "web"]


def test_nics_are_named_by_position_where_the_author_names_none() -> None:
    loaded = scenarios.load(ScenarioFiles(CONTENT, ID))

    assert scenarios.nics(loaded.settings.hosts["web"]) == ["lan0"]
    assert scenarios.nics(loaded.settings.hosts["desk"]) == ["eth9"]


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_a_wrong_file_gets_its_message(files: ScenarioFiles, path: Path) -> None:
    expected = path.read_text().splitlines()[0].removeprefix("# ")
    name = path.stem.partition("--")[0]
    target = files.company if name == "company" else files.root
    shutil.copy(path, target / f"{name}.toml")

    with pytest.raises(ContentError) as raised:
        scenarios.load(files)

    assert raised.value.message == expected


def test_an_unknown_key_is_cured_by_the_list_of_known_ones(files: ScenarioFiles) -> None:
    shutil.copy(DATA / "invalid" / "scenario--unknown-key.toml", files.settings)

    with pytest.raises(ContentError) as raised:
        scenarios.load(files)

    assert "image" in raised.value.hint
    assert "memory" in raised.value.hint


def test_a_missing_file_is_named(files: ScenarioFiles) -> None:
    files.hints.unlink()

    with pytest.raises(ContentError, match=r"scenarios/linux/sample/hints\.toml: the file is miss"):
        scenarios.load(files)


def test_a_file_that_is_not_utf8_is_named(files: ScenarioFiles) -> None:
    files.note.write_bytes(b"# \xff\n")

    with pytest.raises(ContentError, match=r"note\.toml: not UTF-8 at byte 2"):
        scenarios.load(files)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_is_done_to_a_scenario_the_author_hears_a_content_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = (CONTENT / "scenarios" / ID / "scenario.toml").read_text().splitlines()
    content = tmp_path_factory.mktemp("fuzz") / "content"
    shutil.copytree(CONTENT, content)
    files = ScenarioFiles(content, ID)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        change = data.draw(st.sampled_from(["drop", "double", "swap", "garble"]))
        if change == "drop":
            del lines[at]
        elif change == "double":
            lines.insert(at, lines[at])
        elif change == "swap":
            lines[0], lines[at] = lines[at], lines[0]
        else:
            lines[at] = data.draw(st.text(max_size=30))
    files.settings.write_text("\n".join(lines), encoding="utf-8", errors="replace")

    with contextlib.suppress(ContentError):  # any other error fails the test
        assert scenarios.load(files).settings.faults


# --- finding ----------------------------------------------------------------------------------


def test_an_id_is_resolved() -> None:
    assert scenarios.resolve(ID, [CONTENT]).root == CONTENT / "scenarios" / ID


def test_a_slug_is_enough_where_only_one_has_it() -> None:
    assert scenarios.resolve("sample", [CONTENT]).id == ID


def test_a_slug_that_two_have_is_refused_with_both(content: Path) -> None:
    shutil.copytree(content / "scenarios" / ID, content / "scenarios/web/sample")

    with pytest.raises(UsageError, match="may be any of linux/sample, web/sample"):
        scenarios.resolve("sample", [content])


def test_a_path_is_resolved_with_its_content_folder(content: Path) -> None:
    files = scenarios.resolve(str(content / "scenarios" / ID), [])

    assert (files.content, files.id) == (content.resolve(), ID)


def test_a_path_outside_a_content_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scenario.toml").touch()

    with pytest.raises(UsageError, match="does not lie in a content folder"):
        scenarios.resolve(str(tmp_path), [])


def test_a_near_name_is_offered() -> None:
    with pytest.raises(UsageError, match="did you mean 'linux/sample'"):
        scenarios.resolve("linux/simple", [CONTENT])


def test_the_first_content_folder_wins(content: Path) -> None:
    assert scenarios.resolve(ID, [content, CONTENT]).content == content


def test_a_folder_without_a_company_uses_the_built_in_one(files: ScenarioFiles) -> None:
    shutil.rmtree(files.company)

    assert scenarios.company_folder(files) == Path(scenarios.__file__).parents[2] / (
        "scenarios/company"
    )


# --- listing ----------------------------------------------------------------------------------


def test_a_summary_tells_what_a_list_shows() -> None:
    (found,) = scenarios.summaries([CONTENT])

    assert (found.id, found.level, found.minutes, found.status) == (ID, 1, 15, "ready")
    assert found.hosts == ["web"]
    assert found.images == ["base"]


def test_a_broken_scenario_is_listed_with_its_reason(content: Path, files: ScenarioFiles) -> None:
    files.settings.write_text("title = 3\n")

    (found,) = scenarios.summaries([content])

    assert found.status == "broken"
    assert "scenario.toml:1: title: expected str" in found.summary


def test_a_list_is_read_again_only_where_a_file_changed(
    content: Path, files: ScenarioFiles, tmp_path: Path
) -> None:
    index = tmp_path / "cache" / "index.json"
    scenarios.summaries([content], index)
    kept = index.read_text()
    index.write_text(kept.replace("The pebble list is not shown", "From the index"))
    assert scenarios.summaries([content], index)[0].title == "From the index"

    os.utime(files.settings, ns=(1, 1))

    assert scenarios.summaries([content], index)[0].title == "The pebble list is not shown"


def test_an_index_that_cannot_be_read_is_made_anew(content: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.json"
    index.write_text("not an index")

    assert len(scenarios.summaries([content], index)) == 1
    assert msgspec.json.decode(index.read_bytes())["entries"]


def test_an_index_that_cannot_be_written_only_costs_time(content: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert len(scenarios.summaries([content], tmp_path / "file" / "index.json")) == 1


# --- solutions and identity -------------------------------------------------------------------


def test_the_reference_is_the_first_solution() -> None:
    found = scenarios.solutions(scenarios.load(ScenarioFiles(CONTENT, ID)))

    assert list(found) == ["reference", "by-hand", "drop-in", "other-file"]


def test_rejected_cases_come_with_what_they_must_get() -> None:
    found = scenarios.rejected(scenarios.load(ScenarioFiles(CONTENT, ID)))

    assert found["page-edited"][1].guards == ["page-kept"]
    assert found["page-edited"][1].max_points == 40


@pytest.mark.parametrize(
    "changed",
    [
        f"scenarios/{ID}/ticket.md.j2",
        f"scenarios/{ID}/hosts/web/srv/site/index.txt",
        "scenarios/company/company.toml",
        "graders/linux/test_sample.py",
        "images/base/Dockerfile",
    ],
)
def test_the_hash_changes_with_all_a_grade_depends_on(content: Path, changed: str) -> None:
    files = ScenarioFiles(content, ID)
    before = scenarios.load(files).content_hash
    with (content / changed).open("a") as file:
        file.write("\n")

    assert scenarios.load(files).content_hash != before


def test_the_hash_stays_when_a_solution_is_added(files: ScenarioFiles) -> None:
    before = scenarios.load(files).content_hash
    (files.root / "solutions" / "another").mkdir()
    (files.root / "solutions" / "another" / "solution.toml").touch()

    assert scenarios.load(files).content_hash == before


def test_the_hash_covers_the_image_that_an_image_stands_on(content: Path) -> None:
    files = ScenarioFiles(content, ID)
    (content / "images/base/Dockerfile").write_text("ARG BASE=floor\nFROM ${BASE}\n")
    (content / "images/floor").mkdir()
    (content / "images/floor/Dockerfile").write_text("FROM scratch\n")
    before = scenarios.load(files).content_hash
    (content / "images/floor/Dockerfile").write_text("FROM scratch\nUSER 1\n")

    assert scenarios.load(files).content_hash != before


def test_a_schema_is_published_for_every_file_an_author_writes() -> None:
    found = scenarios.schemas()

    assert set(found) == {
        "scenario.toml",
        "files.toml",
        "hints.toml",
        "note.toml",
        "solution.toml",
        "expect.toml",
        "company.toml",
    }
    host = found["scenario.toml"]["$defs"]["Host"]
    assert host["additionalProperties"] is False
    assert "A machine." in host["description"]
