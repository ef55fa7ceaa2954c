"""What the runners of GitHub and GitLab do with a template, done here: its steps, in order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.paths import builtin_content

CI = builtin_content() / "docs/ci"
GITHUB, GITLAB, SHELL = (
    "github/internbox.yml",
    "gitlab/internbox.gitlab-ci.yml",
    "shell/internbox.sh",
)
EXAMPLE = CI / "example"
EXAM = CI / "github/exam.yml"
CALLER = EXAMPLE / ".github/workflows/grade.yml"
COURSE, STUDENTS = "gitlab/course.gitlab-ci.yml", "example/.gitlab-ci.yml"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SECONDS = 600
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
INPUT = re.compile(r"\$\[\[\s*inputs\.(\S+?)\s*\]\]")


@dataclass
class Job:
    """What is seen of a job afterwards; `steps` are names with their outcome."""

    status: int = 0
    log: str = ""
    summary: str = ""
    steps: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)  # the artifact: path → text
    home: Path = Path()  # the state folder of the runner's user


def environment(tmp: Path, **more: str) -> dict[str, str]:
    """A runner's: its own tools, and nothing of the test run that started it."""
    ours = ("GITHUB_", "CI", "INTERNBOX_", "PYTHON", "VIRTUAL_ENV", "PYTEST_", "COVERAGE_")
    tools = tmp / "tools"
    tools.mkdir(exist_ok=True)
    if not (tools / "python3").exists():
        (tools / "python3").symlink_to(Path(sys.base_prefix) / "bin/python3")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = f"{tools}:{os.environ['PATH']}"
    return kept | {"PATH": path, "CI": "true", "INTERNBOX_HOME": str(tmp / "home"), **more}


def bash(script: Path, cwd: Path, environ: Mapping[str, str], *options: str) -> tuple[int, str]:
    """Its exit code, and what it printed on both outputs."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", *options, str(script)],
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout


# --- GitHub ---------------------------------------------------------------------------------------


def github(tmp: Path, checkout: Path, inputs: Mapping[str, Any], **environ: str) -> Job:
    """The reusable workflow's one job, as called with `inputs` from the repository school/anna."""
    workflow = yaml.safe_load((CI / GITHUB).read_text())
    return _Github(workflow, tmp, checkout, environ).called(inputs)


def called(path: Path) -> dict[str, Any]:
    """The inputs with which a workflow calls the reusable one."""
    (job,) = yaml.safe_load(path.read_text())["jobs"].values()
    assert ".github/workflows/internbox.yml" in job["uses"]
    return dict(job["with"])


class _Github:
    def __init__(self, workflow: Any, tmp: Path, checkout: Path, environ: dict[str, str]) -> None:
        self.workflow, self.tmp, self.checkout = workflow, tmp, checkout
        self.workspace, self.temp = tmp / "workspace", tmp / "temp"
        for folder in (self.workspace, self.temp):
            folder.mkdir()
        self.environ = environment(
            tmp,
            GITHUB_ACTIONS="true",
            GITHUB_SHA=COMMIT,
            GITHUB_WORKSPACE=str(self.workspace),
            RUNNER_TEMP=str(self.temp),
            **environ,
        )
        github = {"repository": "school/anna", "ref": "refs/heads/main", "token": "t0ken"}
        self.contexts: dict[str, Any] = {"github": github, "runner": {"temp": str(self.temp)}}
        self.contexts |= {"steps": {}, "secrets": {}, "inputs": {}}
        self.job = Job(home=tmp / "home")

    def called(self, inputs: Mapping[str, Any]) -> Job:
        declared = self.workflow[True]["workflow_call"]["inputs"]  # YAML 1.1 reads `on` as true
        unknown = set(inputs) - set(declared)
        missing = {n for n, d in declared.items() if d.get("required") and n not in inputs}
        assert not unknown | missing, f"GitHub refuses the call: {unknown} {missing}"
        for name, about in declared.items():
            default = self.filled(about["default"]) if "default" in about else ""
            self.contexts["inputs"][name] = inputs.get(name, default)
        (job,) = self.workflow["jobs"].values()
        for step in job["steps"]:
            self.step(step)
        return self.job

    def step(self, step: dict[str, Any]) -> None:
        if not self.wanted(step.get("if", "success()")):
            self.job.steps[step["name"]] = "skipped"
            return
        status = self.action(step) if "uses" in step else self.script(step)
        self.job.steps[step["name"]] = "failure" if status else "success"
        self.job.status = self.job.status or status

    def wanted(self, condition: str) -> bool:
        if condition in ("success()", "always()"):
            return condition == "always()" or not self.job.status
        name = condition.removesuffix(" != ''")
        return bool(self.value(name)) and not self.job.status

    def value(self, expression: str) -> Any:
        """`a.b.c`, or the first of several that is not empty. Any other expression is an error."""
        found: Any = ""
        for name in expression.split(" || "):
            found = self.contexts
            for key in name.split("."):
                found = found.get(key, "") if found is self.contexts["secrets"] else found[key]
            if found:
                break
        return found

    def filled(self, text: Any) -> str:
        return EXPRESSION.sub(lambda match: str(self.value(match[1])), str(text))

    def script(self, step: dict[str, Any]) -> int:
        assert "${{" not in step["run"], "an expression in a script is an injection"
        assert self.workflow["defaults"]["run"]["shell"] == "bash"
        files = {n: self.tmp / n.lower() for n in ("GITHUB_ENV", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            path.write_text("")
        script = self.tmp / "step.sh"
        script.write_text(step["run"])
        env = {name: self.filled(value) for name, value in step.get("env", {}).items()}
        files_env = {name: str(path) for name, path in files.items()}
        status, said = bash(
            script, self.workspace, self.environ | env | files_env, "-eo", "pipefail"
        )
        for line in files["GITHUB_ENV"].read_text().splitlines():
            name, _, value = line.partition("=")
            self.environ[name] = value
        self.job.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        self.job.log += f"##[group]{step['name']}\n{said}"
        return status

    def action(self, step: dict[str, Any]) -> int:
        """Stand-ins for the two actions: a copy of the folder, and a look at what is uploaded."""
        given = {name: self.filled(value) for name, value in step["with"].items()}
        name = step["uses"].partition("@")[0]
        if name == "actions/checkout":
            assert given["persist-credentials"] == "False"
            shutil.copytree(self.checkout, self.workspace, symlinks=True, dirs_exist_ok=True)
            self.contexts["steps"][step["id"]] = {"outputs": {"commit": COMMIT}}
        elif name == "actions/upload-artifact":
            self.job.kept = texts(Path(given["path"]))
        else:
            raise AssertionError(f"no stand-in for {name}")
        return 0


# --- GitLab ---------------------------------------------------------------------------------------


def included(path: str) -> dict[str, Any]:
    """The inputs that a course's or a student's file gives to the template."""
    (include,) = yaml.safe_load((CI / path).read_text())["include"]
    assert include.get("local", include.get("file")) == Path(GITLAB).name
    return dict(include["inputs"])


def gitlab_config(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The template with its inputs filled in, as GitLab does before it looks at it."""
    header, body = yaml.safe_load_all((CI / GITLAB).read_text())
    declared = header["spec"]["inputs"]
    unknown = set(inputs) - set(declared)
    assert not unknown, f"GitLab refuses the inputs {unknown}"
    values = {name: inputs.get(name, about.get("default")) for name, about in declared.items()}
    for name, about in declared.items():
        assert values[name] is not None, f"GitLab wants the input {name}"
        assert values[name] in about.get("options", [values[name]])
    return dict(_filled(body, values))


def _filled(node: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        return {_filled(key, values): _filled(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(entry, values) for entry in node]
    if isinstance(node, str):
        if alone := INPUT.fullmatch(node):
            return values[alone[1]]
        return INPUT.sub(lambda match: str(values[match[1]]), node)
    return node


def gitlab(tmp: Path, checkout: Path, inputs: Mapping[str, Any], **environ: str) -> Job:
    """The template's one job in the project school/anna; `environ` wins over its variables."""
    config = gitlab_config(inputs)
    settings = config["internbox"]
    base = config[settings["extends"]]
    project = tmp / "builds/school/anna"
    shutil.copytree(checkout, project, symlinks=True)
    known = environment(
        tmp,
        GITLAB_CI="true",
        CI_JOB_ID=f"t{os.getpid()}{tmp.name}",
        CI_COMMIT_SHA=COMMIT,
        CI_PROJECT_PATH="school/anna",
        CI_PROJECT_DIR=str(project),
    )
    variables = {**base.get("variables", {}), **settings.get("variables", {})}
    known |= {name: str(value) for name, value in variables.items()} | environ
    job = Job(home=tmp / "home")
    for part, options in (("script", ("-eo", "pipefail")), ("after_script", ())):
        script = tmp / f"{part}.sh"
        script.write_text("\n".join(settings[part]) + "\n")
        status, said = bash(script, project, known, *options)
        job.steps[part] = "failure" if status else "success"
        job.status = job.status or (status if part == "script" else 0)
        job.log += said
    assert settings["artifacts"]["when"] == "always"
    for path in settings["artifacts"]["paths"]:
        job.kept |= texts(project / path)
    return job


def texts(folder: Path) -> dict[str, str]:
    """What an artifact of this folder would hold."""
    return dict(_texts(folder))


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_text()


# --- shell ----------------------------------------------------------------------------------------


def shell(tmp: Path, checkout: Path, options: Sequence[str], *scenarios: str, **more: str) -> Job:
    """The script, called as a CI system would from its own folder."""
    shutil.copytree(checkout, tmp / "anna", symlinks=True)
    words = [*options, str(tmp / "anna"), str(tmp / "reports"), *scenarios]
    done = subprocess.run(
        [CI / SHELL, *words],
        cwd=tmp,
        env=environment(tmp, **more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Job(done.returncode, done.stdout, kept=texts(tmp / "reports"), home=tmp / "home")
