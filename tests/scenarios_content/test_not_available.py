"""Where PowerShell's archive cannot be had, its scenario says so before anything starts, and its
proof is neither passed nor failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox import lint, proof
from sandbox.attempts import Labs
from sandbox.attempts.finding import architecture
from sandbox.errors import ImageError
from sandbox.paths import Home, builtin_content
from sandbox.runtime import artifacts, sources
from sandbox.runtime.base import EngineInfo, ImageState

ID = "scripting/powershell-onboarding"
WHY = "powershell is needed, and nobody has it"


class NoPowerShell:
    """An engine that is asked about images, and must be asked for nothing else."""

    def info(self) -> EngineInfo:
        return EngineInfo("1", "1", architecture(), "2", (), 0.0, "nowhere")

    def image_states(self, content: Path, names: list[str]) -> list[ImageState]:
        return [
            ImageState(name, f"internbox/{name}:1", False, why_not=WHY if name == "pwsh" else "")
            for name in names
        ]

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the engine was asked for {name}")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A computer without the archive, without a registry, and off the net."""
    for variable in (artifacts.FOLDER, artifacts.REGISTRY):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(artifacts, "_answers", lambda host: False)
    return Home(tmp_path / "home", tmp_path / "cache")


@pytest.fixture
def labs(home: Home) -> Labs:
    return Labs(home, runtime=NoPowerShell())  # type: ignore[arg-type]


def why_not(labs: Labs, name: str = ID) -> str:
    """What `list` says of a scenario; empty: it is available."""
    return next(row for row in labs.catalogue() if row.id == name).why_not


def archive() -> str:
    pinned = artifacts.read(builtin_content() / "images" / "pwsh")
    return artifacts.file_name(pinned[0], architecture())


def test_the_list_says_what_is_missing_and_what_to_do(labs: Labs) -> None:
    said = why_not(labs)

    assert "github.com cannot be reached" in said
    assert f"put {archive()} into $INTERNBOX_ARTIFACTS" in said


def test_another_scenario_lacks_nothing(labs: Labs) -> None:
    assert why_not(labs, "linux/first-day") == ""


def test_with_the_archive_in_the_users_folder_it_is_available(
    labs: Labs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / archive()).touch()
    monkeypatch.setenv(artifacts.FOLDER, str(tmp_path))

    assert why_not(labs) == ""


def test_with_an_earlier_download_it_is_available(labs: Labs, home: Home) -> None:
    pinned = artifacts.read(builtin_content() / "images" / "pwsh")[0]
    home.artifacts.mkdir(parents=True)
    sha256 = pinned.sha256[architecture()]
    (home.artifacts / f"{sha256[:16]}-{archive()}").touch()

    assert why_not(labs) == ""


def test_with_the_image_from_a_stick_it_is_available(labs: Labs, home: Home) -> None:
    image = sources.find(builtin_content(), "pwsh", architecture())
    artifacts.remember(home.artifacts, [image.reference])

    assert why_not(labs) == ""


def test_where_a_registry_is_configured_it_may_have_the_image(
    labs: Labs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(artifacts.REGISTRY, "registry.invalid")

    assert why_not(labs) == ""


def test_start_refuses_before_anything_starts(labs: Labs) -> None:
    with pytest.raises(ImageError, match="is not available here: powershell is needed") as caught:
        labs.start(ID)

    assert caught.value.exit_code == 3
    assert labs.store.attempts() == []


def test_its_proof_is_not_run_and_never_passed(labs: Labs) -> None:
    report = proof.prove(labs, [ID])

    assert report.not_run == {ID: WHY}
    assert report.cells == []
    assert not report.ok


def test_what_cannot_run_here_does_not_spoil_the_proof_of_the_others(
    labs: Labs, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = lint.grader_ids(labs.resolve("linux/first-day"))  # read once: held runs in threads

    def held(labs: Labs, case: proof.Case, **_: Any) -> tuple[list[proof.Cell], str]:
        names = {"scenario": case.loaded.id, "fault": case.fault, "case": case.name}
        cell = proof.Cell(**names, kind=case.kind, expected="", got="", ok=True, failed=failed)
        return [cell], ""

    monkeypatch.setattr(proof, "run", held)
    monkeypatch.setattr(NoPowerShell, "ensure_images", lambda *_: None, raising=False)
    report = proof.prove(labs, [ID, "linux/first-day"], cache=False)

    assert report.ok
    assert report.not_run == {ID: WHY}
    assert {cell.scenario for cell in report.cells} == {"linux/first-day"}


def test_both_architectures_are_pinned() -> None:
    for one in artifacts.read(builtin_content() / "images" / "pwsh"):
        assert one.urls.keys() == one.sha256.keys() == {"amd64", "arm64"}
        assert all(one.version in url and url.startswith("https://") for url in one.urls.values())
