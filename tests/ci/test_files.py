"""The CI templates as their systems' schemas and linters see them."""

from __future__ import annotations

import json
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci.hosted import (
    CALLER,
    CI,
    COURSE,
    EXAM,
    EXAMPLE,
    GITHUB,
    GITLAB,
    SHELL,
    STUDENTS,
    called,
    gitlab_config,
    included,
)


def tool(name: str, *words: str | Path) -> None:
    """One of the development tools, which stand beside this Python; it must be content."""
    path = Path(sysconfig.get_path("scripts")) / name
    done = subprocess.run([path, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def workflow() -> Any:
    return yaml.safe_load((CI / GITHUB).read_text())


def steps() -> list[dict[str, Any]]:
    return list(workflow()["jobs"]["grade"]["steps"])


# --- GitHub


@pytest.mark.parametrize("path", [CI / GITHUB, CALLER, EXAM], ids=lambda path: path.name)
def test_githubs_schema_accepts_it(path: Path) -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)


def test_an_audit_of_the_workflows_finds_nothing() -> None:
    tool("zizmor", "--offline", "--persona", "pedantic", CI / GITHUB)
    tool("zizmor", "--offline", "--min-severity", "medium", EXAM)  # low: `./` has a newer spelling


@pytest.mark.parametrize("path", [CALLER, EXAM], ids=lambda path: path.name)
def test_the_workflow_is_called_with_inputs_it_has(path: Path) -> None:
    given = set(called(path))
    declared = workflow()[True]["workflow_call"]["inputs"]

    assert given <= set(declared)
    assert {name for name, about in declared.items() if about.get("required")} <= given


def test_the_job_may_read_the_repository_and_nothing_else() -> None:
    assert workflow()["permissions"] == {}
    assert workflow()["jobs"]["grade"]["permissions"] == {"contents": "read"}


def test_actions_are_pinned_to_a_commit() -> None:
    used = [step["uses"] for step in steps() if "uses" in step]

    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action) for action in used)


def test_values_reach_scripts_as_variables_not_as_text() -> None:
    assert not [step["name"] for step in steps() if "${{" in step.get("run", "")]


def test_the_checkout_leaves_no_token_behind() -> None:
    (checkout,) = [step for step in steps() if "checkout" in step.get("uses", "")]

    assert checkout["with"]["persist-credentials"] is False


def test_reports_and_cleaning_up_do_not_need_success() -> None:
    always = {step["name"] for step in steps() if step.get("if") == "always()"}

    assert always == {"Keep the reports", "Clean up"}


# --- GitLab


@pytest.mark.parametrize("executor", ["docker", "shell"])
def test_gitlabs_schema_accepts_what_the_inputs_make_of_it(executor: str, tmp_path: Path) -> None:
    config = gitlab_config({"scenarios": "linux/first-day", "executor": executor, "tags": ["x"]})
    (tmp_path / "made.json").write_text(json.dumps(config))

    tool("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", tmp_path / "made.json")


def test_gitlabs_schema_accepts_the_inputs(tmp_path: Path) -> None:
    header, _ = yaml.safe_load_all((CI / GITLAB).read_text())
    (tmp_path / "header.json").write_text(json.dumps(header))

    tool("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", tmp_path / "header.json")


@pytest.mark.parametrize("path", [COURSE, STUDENTS])
def test_it_is_included_with_inputs_it_has(path: str) -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", CI / path)

    assert "internbox" in gitlab_config(included(path))


def test_no_variable_of_a_pipeline_decides_a_grade() -> None:
    """Whoever pushes may set variables, and those win over the file's."""
    script = "\n".join(gitlab_config({"scenarios": "linux/first-day"})["internbox"]["script"])
    used = set(re.findall(r"\$\{?([A-Z][A-Z_]+)", script))

    assert used == {
        "CI_JOB_ID",
        "CI_PROJECT_PATH",
        "CI_COMMIT_SHA",
        "DOCKER_AUTH_CONFIG",
        "DOCKER_CONFIG",
    }


# --- shell


def scripts() -> dict[str, str]:
    config = gitlab_config({"scenarios": "linux/first-day"})["internbox"]
    found = {step["name"]: _with_its_variables(step) for step in steps() if "run" in step}
    found |= {part: "\n".join(config[part]) for part in ("script", "after_script")}
    return found | {SHELL: (CI / SHELL).read_text()}


def _with_its_variables(step: dict[str, Any]) -> str:
    return "".join(f"export {name}=\n" for name in step.get("env", {})) + str(step["run"])


@pytest.mark.parametrize("name", scripts())
def test_shellcheck_finds_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(scripts()[name])

    tool("shellcheck", "--shell=bash", tmp_path / "script")


def test_the_example_is_one_line_end_everywhere() -> None:
    assert "eol=lf" in (EXAMPLE / ".gitattributes").read_text()
    assert not [
        path for path in EXAMPLE.rglob("*") if path.is_file() and b"\r" in path.read_bytes()
    ]
