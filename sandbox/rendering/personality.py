"""What makes a machine itself: names, keys, addresses, time zone."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.errors import ContentError
from sandbox.scenarios import Loaded, nics
from sandbox.variants import Variant

Interfaces = dict[str, ipaddress.IPv4Interface | ipaddress.IPv6Interface]


@dataclass(frozen=True)
class Personality:
    """What the engine lays on a machine below the scenario's own overlay. Empty keys and hashes
    are left out."""

    hostname: str
    domain: str
    time_zone: str
    host_key: tuple[str, str] = ("", "")  # the learner's sshd: OpenSSH private, public line
    authorized_key: str = ""
    password_hash: str = ""  # of intern and root, for the console
    hosts: list[tuple[str, list[str]]] = field(default_factory=list)  # address, names
    networks: dict[str, str] = field(default_factory=dict)  # NIC → systemd-networkd file
    dns: list[str] = field(default_factory=list)


def personality(
    loaded: Loaded,
    variant: Variant,
    host: str,
    *,
    host_key: tuple[str, str] = ("", ""),
    authorized_key: str = "",
    password_hash: str = "",
) -> Personality:
    """The personality of one host of a variant."""
    settings = loaded.settings.hosts[host]
    return Personality(
        hostname=variant.format(settings.hostname) or host,
        domain=loaded.company.domain,
        time_zone=loaded.settings.time_zone,
        host_key=host_key,
        authorized_key=authorized_key,
        password_hash=password_hash,
        hosts=host_table(loaded, variant),
        networks=networks(loaded, variant, host),
        dns=[variant.format(server) for plug in settings.wires for server in plug.dns],
    )


def addresses(loaded: Loaded, variant: Variant, host: str) -> Interfaces:
    """The addresses of a host by NIC; where the plug has no prefix, the wire's is taken."""
    settings = loaded.settings.hosts[host]
    found: Interfaces = {}
    for index, (nic, plug) in enumerate(zip(nics(settings), settings.wires, strict=True)):
        text = variant.format(plug.address)
        if not text:
            continue
        try:
            if "/" not in text:
                subnet = variant.format(loaded.settings.wires[plug.wire].subnet)
                text += f"/{ipaddress.ip_network(subnet).prefixlen}"
            found[nic] = ipaddress.ip_interface(text)
        except ValueError as error:
            raise ContentError(
                f"{loaded.id}: hosts.{host}.wires[{index}].address: {error}",
                hint="write it as 10.20.30.5/24",
            ) from None
    return found


def full_name(loaded: Loaded, variant: Variant, host: str) -> str:
    """`web.quillhaven.example`"""
    hostname = variant.format(loaded.settings.hosts[host].hostname) or host
    return f"{hostname}.{loaded.company.domain}"


def host_table(loaded: Loaded, variant: Variant) -> list[tuple[str, list[str]]]:
    """The lines of every machine's /etc/hosts: a host's names stand at its first address."""
    table = []
    for name, host in loaded.settings.hosts.items():
        hostname = variant.format(host.hostname) or name
        aliases = [variant.format(alias) for alias in host.aliases]
        names = [full_name(loaded, variant, name), hostname, *aliases]
        for position, (nic, one) in enumerate(addresses(loaded, variant, name).items()):
            table.append((str(one.ip), [f"{hostname}-{nic}"] if position else names))
    return table


def networks(loaded: Loaded, variant: Variant, host: str) -> dict[str, str]:
    """A systemd-networkd file for each NIC that has an address."""
    settings = loaded.settings.hosts[host]
    found = addresses(loaded, variant, host)
    return {
        nic: network_file(
            nic,
            str(found[nic]),
            gateway=variant.format(plug.gateway),
            dns=[variant.format(server) for server in plug.dns],
        )
        for nic, plug in zip(nics(settings), settings.wires, strict=True)
        if nic in found
    }


def network_file(nic: str, address: str, *, gateway: str = "", dns: list[str]) -> str:
    """`/etc/systemd/network/10-<nic>.network`: this address and no other."""
    lines = ["[Match]", f"Name={nic}", "", "[Network]", f"Address={address}"]
    lines += [f"Gateway={gateway}"] if gateway else []
    lines += [f"DNS={server}" for server in dns]
    lines += ["LinkLocalAddressing=no", "IPv6AcceptRA=no"]
    return "\n".join(lines) + "\n"


def personality_files(own: Personality) -> Mapping[str, tuple[str, int]]:
    """The text and mode of each file by path; a mode of 0 is a link to the text."""
    files = {
        "/etc/hostname": (f"{own.hostname}\n", 0o644),
        "/etc/hosts": (_hosts_file(own), 0o644),
        "/etc/resolv.conf": (_resolver(own), 0o644),
        "/etc/timezone": (f"{own.time_zone}\n", 0o644),
        "/etc/localtime": (f"/usr/share/zoneinfo/{own.time_zone}", 0),
    }
    private, public = own.host_key
    if private:
        files["/etc/ssh/ssh_host_ed25519_key"] = (private, 0o600)
        files["/etc/ssh/ssh_host_ed25519_key.pub"] = (f"{public.strip()}\n", 0o644)
    if own.authorized_key:
        key = f"{own.authorized_key.strip()}\n"
        files["/home/intern/.ssh/authorized_keys"] = (key, 0o600)
    for nic, text in own.networks.items():
        files[f"/etc/systemd/network/10-{nic}.network"] = (text, 0o644)
    return files


def _hosts_file(own: Personality) -> str:
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]
    if not any(own.hostname in names for _, names in own.hosts):
        lines.append(f"127.0.1.1\t{own.hostname}.{own.domain} {own.hostname}")
    lines += [f"{address}\t{' '.join(names)}" for address, names in own.hosts]
    return "\n".join(lines) + "\n"


def _resolver(own: Personality) -> str:
    lines = [f"search {own.domain}", *(f"nameserver {server}" for server in own.dns)]
    return "\n".join(lines) + "\n"
