"""What must agree within a scenario's files before anything can be drawn from them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sandbox.errors import near
from sandbox.models import Choice, Company, HintsToml, Host, NoteToml, Person, Scenario
from sandbox.scenarios.tomlfile import Keys, TomlFile

# What templates see beside the parameters, and what `Values`, a dict, calls its own methods.
RESERVED = frozenset(
    {"company", "people", "requester", "hosts", "learner", "anchor", "fault", "ago"}
    | {name for name in dir(dict) if not name.startswith("_")}
)
READY = re.compile(r"^(tcp:(?:([1-9][0-9]{0,4})|\{\w+\})|unit:[\w@.:{}-]+|file:/\S+)$")


def check(
    sources: Mapping[str, TomlFile],
    settings: Scenario,
    hints: HintsToml,
    note: NoteToml,
    company: Company,
) -> None:
    """Raise a ContentError for the first thing that names what is not there."""
    file = sources["scenario.toml"]
    _faults(file, settings)
    for name, host in settings.hosts.items():
        _host(file, settings, name, host)
    _learner(file, settings)
    _parameters(file, settings)
    _requester(file, settings, company)
    for name in hints.faults:
        _known(sources["hints.toml"], ("faults", name), name, settings.faults, "fault")
    for index, fact in enumerate(note.facts):
        for name in fact.fault:
            keys: Keys = ("facts", index, "fault")
            _known(sources["note.toml"], keys, name, settings.faults, "fault")


def _known(file: TomlFile, keys: Keys, name: str, known: Mapping[str, object], what: str) -> None:
    if name not in known:
        problem = f"there is no {what} '{name}'{near(name, known)}"
        raise file.error(keys, problem, hint=f"known: {', '.join(known) or 'none'}")


def _faults(file: TomlFile, settings: Scenario) -> None:
    if not any(fault.weight for fault in settings.faults.values()):
        raise file.error(
            ("faults",), "no fault can be drawn", hint="add [faults.<name>] with a title"
        )
    for name, fault in settings.faults.items():
        keys: Keys = ("faults", name, "ways")
        parameters = {**settings.parameters, **fault.parameters}
        choices = {one: value for one, value in parameters.items() if isinstance(value, Choice)}
        for way in fault.ways:
            _known(file, keys, way, choices, "choice")
            if choices[way].distinct_from:
                raise file.error(
                    keys, f"'{way}' depends on others", hint="a way has no `distinct_from`"
                )


def _host(file: TomlFile, settings: Scenario, name: str, host: Host) -> None:
    keys: Keys = ("hosts", name)
    taken: set[str] = set()
    for index, plug in enumerate(host.wires):
        place: Keys = (*keys, "wires", index)
        _known(file, (*place, "wire"), plug.wire, settings.wires, "wire")
        nic = plug.nic or f"lan{index}"
        if nic in taken:
            raise file.error((*place, "nic"), f"two NICs are called '{nic}'", hint="name one anew")
        taken.add(nic)
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,14}", nic):
            raise file.error(
                (*place, "nic"), f"'{nic}' cannot be a NIC's name", hint="up to 15 of a-z, 0-9, -"
            )
    for condition in host.ready:
        fits = READY.match(condition)
        if not fits or (fits[2] and int(fits[2]) > 65535):
            raise file.error(
                (*keys, "ready"),
                f"'{condition}' is not a condition",
                hint="write tcp:PORT, unit:NAME or file:/PATH",
            )
    for index, volume in enumerate(host.volumes):
        if not re.fullmatch(r"(/[\w.-]+)+", volume.path):
            raise file.error(
                (*keys, "volumes", index, "path"), f"'{volume.path}' is not an absolute path"
            )


def _learner(file: TomlFile, settings: Scenario) -> None:
    seen = {name: host for name, host in settings.hosts.items() if not (host.hidden or host.fresh)}
    if not seen:
        raise file.error(("hosts",), "learners can log in to none", hint="one must not be hidden")
    if settings.learner:
        _known(file, ("learner",), settings.learner, seen, "host that learners see")


def _parameters(file: TomlFile, settings: Scenario) -> None:
    places = [(("parameters", name), name) for name in settings.parameters]
    for fault, described in settings.faults.items():
        places += [
            (("faults", fault, "parameters", name), name)  # type: ignore[misc]
            for name in described.parameters
        ]
    for keys, name in places:
        if name in RESERVED:
            raise file.error(
                keys, f"'{name}' has a meaning of its own in templates", hint="choose another name"
            )


def _requester(file: TomlFile, settings: Scenario, company: Company) -> None:
    if isinstance(settings.parameters.get(settings.requester), Person):
        return
    logins = [employee.login for employee in company.people]
    if settings.requester not in logins:
        persons = [name for name, one in settings.parameters.items() if isinstance(one, Person)]
        raise file.error(
            ("requester",),
            f"nobody is called '{settings.requester}'{near(settings.requester, logins + persons)}",
            hint="name the login of somebody in company.toml, or a parameter of type person",
        )
