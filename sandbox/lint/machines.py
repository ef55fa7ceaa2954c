"""Rules about hosts, wires, volumes and what is laid on machines."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from sandbox.errors import ContentError
from sandbox.lint.finding import Finding, Subject, of_error, rule
from sandbox.rendering import Personality, layout
from sandbox.rendering.layout import idle_rules
from sandbox.rendering.personality import addresses
from sandbox.scenarios import nics
from sandbox.variants import Variant

_DRAWN = 24  # variants whose addresses are compared
_LAID = 3  # variants a fault whose files are laid: logs are large


@rule("wires-join")
def wires_join(subject: Subject) -> Iterator[Finding]:
    """A wire joins at least two hosts."""
    settings = subject.loaded.settings
    for name in settings.wires:
        ends = [host for host, one in settings.hosts.items() if name in _wires(one)]
        if len(ends) < 2:
            yield subject.at(
                "scenario.toml",
                ("wires", name),
                f"it joins {' and '.join(ends) or 'nothing'} alone",
                hint="plug a second host into it, or take it out",
                rule="wires-join",
            )


@rule("host-reachable")
def host_reachable(subject: Subject) -> Iterator[Finding]:
    """Where there are several hosts, a wire leads from each to all others. A fresh host may stand
    alone: it runs what the learner wrote."""
    hosts = {name: one for name, one in subject.loaded.settings.hosts.items() if not one.fresh}
    if len(hosts) < 2:
        return
    reached = {next(iter(hosts))}
    while True:
        live = {wire for name in reached for wire in _wires(hosts[name])}
        more = {name for name, one in hosts.items() if live & set(_wires(one))} | reached
        if more == reached:
            break
        reached = more
    for name in hosts.keys() - reached:
        yield subject.at(
            "scenario.toml",
            ("hosts", name),
            f"no wire leads here from {next(iter(hosts))}",
            hint=f"give it [[hosts.{name}.wires]]",
            rule="host-reachable",
        )


def _wires(host: object) -> list[str]:
    return [plug.wire for plug in getattr(host, "wires", ())]


@rule("addresses")
def host_addresses(subject: Subject) -> Iterator[Finding]:
    """The engine's addresses are of their wire's subnet, and no two hosts have the same: a wrong
    one is a fault's to lay."""
    for variant in subject.variants[:_DRAWN]:
        found = list(_wrong_addresses(subject, variant))
        yield from found
        if found:
            return


def _wrong_addresses(subject: Subject, variant: Variant) -> Iterator[Finding]:
    settings = subject.loaded.settings
    taken: dict[str, str] = {}
    for name, host in settings.hosts.items():
        found = addresses(subject.loaded, variant, name)
        for index, (nic, plug) in enumerate(zip(nics(host), host.wires, strict=True)):
            if nic not in found:
                continue
            subnet = ipaddress.ip_network(variant.format(settings.wires[plug.wire].subnet))
            address = str(found[nic].ip)
            problem = ""
            if found[nic].ip not in subnet:
                problem = f"{address} is not of the wire's {subnet}"
            elif address in taken:
                problem = f"{address} is {taken[address]}'s address, too"
            taken.setdefault(address, name)
            if problem:
                yield subject.at(
                    "scenario.toml",
                    ("hosts", name, "wires", index, "address"),
                    f"{problem} (seed {variant.seed})",
                    hint="draw it from the wire's subnet, with distinct_from",
                    rule="addresses",
                )


@rule("volume-keeper")
def volume_keeper(subject: Subject) -> Iterator[Finding]:
    """A small disk lasts over a reboot only while another machine uses it: a hidden host must."""
    hosts = subject.loaded.settings.hosts
    keepers = [name for name, one in hosts.items() if one.hidden and not one.fresh]
    for name, host in hosts.items():
        if host.volumes and not [keeper for keeper in keepers if keeper != name]:
            yield subject.at(
                "scenario.toml",
                ("hosts", name, "volumes"),
                "no hidden host keeps this disk while the machine reboots",
                hint="add a host with hidden = true",
                rule="volume-keeper",
            )


@rule("overlays")
def overlays(subject: Subject) -> Iterator[Finding]:
    """Every file, rule and script that is laid on a machine can be, for every fault."""
    seen: dict[str, int] = {}
    for variant in subject.variants:
        seen[variant.fault] = seen.get(variant.fault, 0) + 1
        if seen[variant.fault] > _LAID:
            continue
        for name, host in subject.loaded.settings.hosts.items():
            own = Personality(host.hostname or name, "", "UTC")
            try:
                layout(subject.loaded, variant, name, own)
            except ContentError as error:
                yield of_error(error, "overlays")


@rule("idle-rules")
def idle(subject: Subject) -> Iterator[Finding]:
    """Every rule of a files.toml fits something."""
    for variant in subject.first.values():
        for name in subject.loaded.settings.hosts:
            for file, path in idle_rules(subject.loaded, variant, name):
                yield Finding(
                    file,
                    0,
                    "",
                    f"the rule for '{path}' fits no file of this overlay",
                    "see the path, or add link, directory or delete",
                    "idle-rules",
                )
