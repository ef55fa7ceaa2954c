"""Rules about the company and the folder a scenario lies in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from sandbox.lint.finding import Finding, Subject, rule
from sandbox.scenarios import company_folder, image_folder

_KNOWN = {
    *("scenario.toml", "ticket.md.j2", "debrief.md.j2", "hints.toml", "note.toml"),
    *("hosts", "faults", "solutions", "rejected", "README.md"),
}


@rule("company")
def company(subject: Subject) -> Iterator[Finding]:
    """Logins are unique, and everybody's department and site exist."""
    firm = subject.loaded.company
    path = company_folder(subject.files) / "company.toml"
    counts = Counter(one.login for one in firm.people)
    for login, count in counts.items():
        if count > 1:
            yield subject.in_file(
                path, f"{count} people are called '{login}'", hint="rename one", rule="company"
            )
    for one in firm.people:
        for what, known in (("department", firm.departments), ("site", firm.sites)):
            if getattr(one, what) not in known:
                yield subject.in_file(
                    path,
                    f"{one.login}: there is no {what} '{getattr(one, what)}'",
                    hint=f"known: {', '.join(known)}",
                    rule="company",
                )


@rule("known-files")
def known_files(subject: Subject) -> Iterator[Finding]:
    """A scenario's folder holds what the engine reads: anything else is a typing error."""
    root = subject.files.root
    hosts, faults = set(subject.loaded.settings.hosts), set(subject.faults)
    places = [(root, _KNOWN), (root / "hosts", hosts), (root / "faults", faults)]
    places += [(root / "faults" / fault, hosts) for fault in sorted(faults)]
    for folder, known in places:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name not in known and not path.name.startswith("."):
                yield subject.in_file(
                    path,
                    "the engine does not read this",
                    hint=f"known in {folder.name}: {', '.join(sorted(known))}",
                    rule="known-files",
                )


@rule("id")
def identity(subject: Subject) -> Iterator[Finding]:
    """Area and name of a scenario are lower-case words with hyphens."""
    for part in subject.loaded.id.split("/"):
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", part):
            yield subject.in_file(
                subject.files.root,
                f"'{part}' is no name for a folder",
                hint="lower-case words joined by hyphens, web-service-down",
                rule="id",
            )


@rule("images")
def images(subject: Subject) -> Iterator[Finding]:
    """Every host's image has a folder in images/."""
    for name, host in subject.loaded.settings.hosts.items():
        if not (image_folder(subject.files, host.image) / "Dockerfile").is_file():
            yield subject.at(
                "scenario.toml",
                ("hosts", name, "image"),
                f"there is no image '{host.image}'",
                hint=f"write images/{host.image}/Dockerfile",
                rule="images",
            )


@rule("line-ends")
def line_ends(subject: Subject) -> Iterator[Finding]:
    """Texts end their lines with a line feed alone."""
    for path in sorted(subject.files.root.rglob("*")):
        if path.is_file() and path.suffix in (".j2", ".sh", ".toml", ".py", ".ps1", ".md"):
            before = path.read_bytes().split(b"\r\n")[0]
            if before != path.read_bytes():
                yield subject.in_file(
                    path,
                    "a line ends with a carriage return",
                    hint="save it with Unix line ends",
                    line=before.count(b"\n") + 1,
                    rule="line-ends",
                )
