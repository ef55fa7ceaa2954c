"""From what somebody asked for to what will be done; everything wrong with it is found here."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.errors import UsageError, near
from sandbox.models import Solution, Step
from sandbox.programs import WORKSPACES
from sandbox.running.fixes import PLAYBOOKS, Source, WrongFix
from sandbox.running.plan import (
    EVERY_HOST,
    Action,
    Copy,
    Fix,
    Pause,
    Plan,
    Playbook,
    Reboot,
    Script,
)
from sandbox.scenarios import Loaded
from sandbox.scenarios.tomlfile import TomlFile

LONGEST_PAUSE = 600.0  # seconds; a fix that waits for longer waits for nothing
NOTE = "note.md"
SOLUTION = "solution.toml"
IGNORED = re.compile(r"\..*|.*~|README.*|LICENSE.*", re.IGNORECASE)
ORDER = re.compile(r"^(\d+)[-_. ]")
FALLBACK = "fix"  # in a folder of fixes: the host that learners land on


@dataclass(frozen=True)
class Wanted:
    """What the call says about fixes and notes. `here` is the working folder."""

    fixes: Sequence[str] = ()  # WHERE=WHAT
    folder: Path | None = None
    notes: Sequence[str] = ()  # [SCENARIO=]FILE
    untouched: bool = False
    ansible: bool = False
    here: Path = Path()


def plans(loaded: Sequence[Loaded], wanted: Wanted, *, seed: str) -> list[Plan]:
    """One for each scenario. UsageError names what is wrong with the call, and the cure; what is
    wrong with a fix is its plan's, and takes no other with it."""
    given = _given(loaded, wanted)
    notes = _notes(loaded, wanted)
    made = [_plan(one, given[one.id], notes.get(one.id), wanted, seed) for one in loaded]
    missing = [plan.scenario for plan in made if not (plan.fix.actions or plan.wrong)]
    if missing and not wanted.untouched:
        raise _no_fix(missing, wanted)
    return made


def _plan(
    loaded: Loaded,
    given: Sequence[tuple[str, str]],
    note: str | None,
    wanted: Wanted,
    seed: str,
) -> Plan:
    try:
        if given:
            fix = _from_options(loaded, given, wanted)
        else:
            fix = (_from_folder(loaded, wanted) if wanted.folder else None) or Fix()
    except WrongFix as error:
        return Plan(loaded, seed, Fix(shown=error.file), wrong=error)
    return Plan(loaded, seed, replace(fix, note=fix.note if note is None else note))


def _no_fix(missing: Sequence[str], wanted: Wanted) -> UsageError:
    looked = f" in {wanted.folder}" if wanted.folder else ""
    example = f"{wanted.folder}/{missing[0]}/HOST.sh" if wanted.folder else "--fix HOST=fix.sh"
    return UsageError(
        f"there is no fix{looked} for {', '.join(missing)}",
        hint=f"{example} is one; --untouched grades such scenarios as they are",
    )


# --- --fix and --note -------------------------------------------------------------------------


def _given(loaded: Sequence[Loaded], wanted: Wanted) -> dict[str, list[tuple[str, str]]]:
    """The fixes of the call by scenario: (host, what), in their order."""
    given: dict[str, list[tuple[str, str]]] = {one.id: [] for one in loaded}
    for text in wanted.fixes:
        where, equals, what = text.partition("=")
        if not (where and equals and what):
            raise UsageError(
                f"--fix {text}: what runs where?", hint="--fix HOST=FILE, for example web=fix.sh"
            )
        name, _, host = where.rpartition("/")
        scenario = _meant(loaded, name, f"--fix {text}", f"--fix SCENARIO/{host}={what}")
        given[scenario.id].append((host, what))
    return given


def _notes(loaded: Sequence[Loaded], wanted: Wanted) -> dict[str, str]:
    found = {}
    for text in wanted.notes:
        name, equals, file = text.rpartition("=")
        if equals and not _known(loaded, name):
            name, file = "", text  # a path may hold = itself
        one = _meant(loaded, name, f"--note {text}", f"--note SCENARIO={file}")
        source, inner = _source(Path(file), wanted.here)
        found[one.id] = source.text(inner)
    return found


def _known(loaded: Sequence[Loaded], name: str) -> list[Loaded]:
    return [one for one in loaded if name in (one.id, one.id.partition("/")[2])]


def _meant(loaded: Sequence[Loaded], name: str, what: str, example: str) -> Loaded:
    """The scenario called `name`; without a name the only one."""
    fitting = _known(loaded, name) if name else list(loaded)
    if len(fitting) == 1:
        return fitting[0]
    ids = [one.id for one in loaded]
    if not name or fitting:
        raise UsageError(f"{what}: which of {', '.join(ids)}?", hint=example)
    raise UsageError(
        f"{what}: {name} is not among the scenarios of this run{near(name, ids)}",
        hint=f"this run has {', '.join(ids)}",
    )


def _source(path: Path, here: Path) -> tuple[Source, Path]:
    """The folder that a named file may not lead out of, and the file's path in it.

    It is the working folder for what lies there by its name, else the file's own folder.
    """
    here = here.absolute()
    whole = Path(os.path.normpath(here / path))
    if whole.is_relative_to(here) and whole != here and here != Path(here.anchor):
        return Source(here, shown(here)), whole.relative_to(here)
    return Source(whole.parent, shown(whole.parent)), Path(whole.name)


def shown(path: Path, environ: Mapping[str, str] | None = None) -> str:
    """How a path is called in reports: relative to the checkout, where it lies in one."""
    environ = os.environ if environ is None else environ
    named = [Path(environ[name]) for name in WORKSPACES if environ.get(name)]
    for root in [*named, Path.cwd()]:
        if path.is_relative_to(root):
            return str(path.relative_to(root))
    return str(path)


def _from_options(loaded: Loaded, given: Sequence[tuple[str, str]], wanted: Wanted) -> Fix:
    copies: list[Action] = []
    actions: list[Action] = []
    files = []
    for host, what in given:
        if what == "reboot":
            actions.append(Reboot(_host(loaded, host, f"--fix {host}={what}")))
            continue
        source, inner = _source(Path(what), wanted.here)
        try:
            for action in _actions(loaded, host, source, inner, wanted):
                (copies if isinstance(action, Copy) else actions).append(action)
        except WrongFix as error:
            raise WrongFix.of(error, source.name(inner)) from None
        files.append(source.name(inner))
    return Fix((*copies, *actions), None, files[0] if files else "")


def _actions(
    loaded: Loaded, host: str, source: Source, inner: Path, wanted: Wanted
) -> Iterator[Action]:
    """What a file or a folder is to its host."""
    name = source.name(inner)
    if inner.suffix.lower() in PLAYBOOKS:
        known = host if host == EVERY_HOST else _host(loaded, host, name)
        yield Playbook(known, _playbook(source, inner, wanted))
    elif (source.folder / inner).is_dir():
        yield Copy(_host(loaded, host, name), _copied(source, inner), source.archive(inner))
    else:
        yield Script(_host(loaded, host, name), source.program(inner))


def _copied(source: Source, inner: Path) -> str:
    """The name of a folder on the machine."""
    return (source.folder / inner).resolve().name


def _playbook(source: Source, inner: Path, wanted: Wanted) -> Path:
    if not wanted.ansible:
        raise UsageError(
            f"{source.name(inner)}: a playbook is code that runs on this computer, beside the "
            "grader: whoever wrote it could forge the grade",
            hint="--ansible allows it, where that does not matter; the report says so",
        )
    from sandbox.running import playbooks

    playbooks.program()
    return source.file(inner)


def _host(loaded: Loaded, name: str, where: str) -> str:
    """A host that learners log in to. UsageError for another."""
    if name in loaded.learner_hosts:
        return name
    known = ", ".join(loaded.learner_hosts)
    if name in loaded.settings.hosts:
        raise UsageError(
            f"{where}: learners cannot log in to {name} of {loaded.id}", hint=f"try {known}"
        )
    raise UsageError(
        f"{where}: {loaded.id} has no host {name}{near(name, loaded.learner_hosts)}",
        hint=f"its hosts are {known}",
    )


# --- a folder of fixes ------------------------------------------------------------------------


def _from_folder(loaded: Loaded, wanted: Wanted) -> Fix | None:
    """What the folder has for a scenario; None when it has nothing."""
    assert wanted.folder
    source, inner = _source(wanted.folder, wanted.here)
    root = source.folder_of(inner)
    if not root.folder.is_dir():
        raise UsageError(f"{root.shown}: there is no such folder", hint="--fixes FOLDER")
    for name in (loaded.id, loaded.id.partition("/")[2]):
        if (root.folder / name).is_dir():
            return _read_folder(loaded, root.folder_of(name), wanted)
    return None


def _read_folder(loaded: Loaded, source: Source, wanted: Wanted) -> Fix:
    """WrongFix for whatever is wrong with it: the call only named the folder of all."""
    if (source.folder / SOLUTION).exists():
        with _blamed(source, SOLUTION):
            return _from_solution(loaded, source)
    with _blamed(source, NOTE):
        note = source.text(NOTE) if (source.folder / NOTE).is_file() else None
    copies: list[Action] = []
    actions: list[Action] = []
    files = []
    for path in sorted(source.folder.iterdir(), key=_place):
        if IGNORED.fullmatch(path.name) or path.name == NOTE:
            continue
        with _blamed(source, path.name):
            host = _named(loaded, path, source)
            if path.suffix == ".reboot":
                actions.append(Reboot(host))
                continue
            for action in _actions(loaded, host, source, Path(path.name), wanted):
                (copies if isinstance(action, Copy) else actions).append(action)
        files += [source.name(path.name)] if path.is_file() else []
    return Fix((*copies, *actions), note, files[0] if files else "")


@contextmanager
def _blamed(source: Source, name: str) -> Iterator[None]:
    """Whatever is wrong is this file's mistake."""
    try:
        yield
    except UsageError as error:
        raise WrongFix.of(error, source.name(name)) from None


def _place(path: Path) -> tuple[float, str]:
    """By number, 2- before 10-; what has none comes last, by name."""
    order = ORDER.match(path.name)
    return float(order[1]) if order else math.inf, path.name


def _named(loaded: Loaded, path: Path, source: Source) -> str:
    """The host that a file is named by: web.sh, 10-web.sh, web/; all.yml for a playbook."""
    word = ORDER.sub("", path.name).partition(".")[0]
    if word == FALLBACK and FALLBACK not in loaded.settings.hosts:
        return loaded.learner_hosts[0]
    if word == EVERY_HOST and path.suffix.lower() in PLAYBOOKS:
        return EVERY_HOST
    if word not in loaded.settings.hosts:
        known = ", ".join(loaded.learner_hosts)
        raise UsageError(
            f"{source.name(path.name)}: is for which machine? Files are named by their host",
            hint=f"{loaded.id} has {known}; or {SOLUTION} says what runs where",
        )
    return _host(loaded, word, source.name(path.name))


# --- solution.toml ----------------------------------------------------------------------------


def _from_solution(loaded: Loaded, source: Source) -> Fix:
    """Its steps, with the scripts as they are: a template would show what learners must find."""
    file = TomlFile(source.file(SOLUTION), source.name(SOLUTION))
    solution = file.into(Solution)
    actions: list[Action] = []
    for index, step in enumerate(solution.steps):
        try:
            actions += _of_step(loaded, source, step)
        except UsageError as error:
            key = "host" if step.host not in loaded.learner_hosts else "script"
            raise file.error(("steps", index, key), error.message, hint=error.hint) from None
    first = next((step.script for step in solution.steps if step.script), SOLUTION)
    return Fix(tuple(actions), _note(solution, source), source.name(first))


def _of_step(loaded: Loaded, source: Source, step: Step) -> Iterator[Action]:
    host = _host(loaded, step.host, "host")
    if step.script:
        yield Script(host, source.program(_no_template(source, step.script)), step.via)
    if step.reboot:
        yield Reboot(host)
    if step.wait:
        if not 0 <= step.wait <= LONGEST_PAUSE:
            raise UsageError(
                f"wait = {step.wait:g}: between 0 and {LONGEST_PAUSE:.0f} seconds",
                hint="let the script wait until what it waits for is there",
            )
        yield Pause(host, step.wait)


def _no_template(source: Source, name: str) -> str:
    if name.endswith(".j2"):
        raise UsageError(
            f"{source.name(name)}: templates are rendered only in a scenario's own solutions",
            hint="write what it becomes, under a name without .j2",
        )
    return name


def _note(solution: Solution, source: Source) -> str | None:
    for name in (solution.note, NOTE):
        if (source.folder / name).is_file():
            return source.text(_no_template(source, name))
    return None
