"""Say what an author still has to do before a scenario can be proven, with file, key and cure."""

from __future__ import annotations

from sandbox.lint import cases, grader, machines, parameters, people, texts
from sandbox.lint.finding import Finding, Rule, Subject, rules
from sandbox.lint.grader import grader_ids
from sandbox.paths import ScenarioFiles

__all__ = ["Finding", "Rule", "grader_ids", "lint", "rules"]

SEEDS = 200
_MODULES = (people, machines, parameters, texts, grader, cases)  # each registers its rules


def lint(files: ScenarioFiles, *, seeds: int = SEEDS) -> list[Finding]:
    """All that is wrong with a scenario, by file and line; nothing of it is left out for a draft.

    `seeds` is how many variants are rendered. A scenario that cannot be read gives one finding.
    """
    return Subject.findings(files, seeds)
