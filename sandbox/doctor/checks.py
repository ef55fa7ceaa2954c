"""The checks: each a small function that looks at one thing and says what it found."""

from __future__ import annotations

import sys
from collections.abc import Callable

from sandbox.doctor.bench import Bench, Finding
from sandbox.errors import InternboxError

INSTANCES = "/proc/sys/fs/inotify/max_user_instances"
ENOUGH_INSTANCES = 1024
GENEROUS_INSTANCES = 8192
NEARLY_USED_UP = 0.8
SEEN = ("20.10.", "26.")  # how versions begin that the table of docs/engines.md has as tested
UNCONFINED = {"apparmor": "apparmor=unconfined", "selinux": "label=disable"}
LITTLE_DISK, TOO_LITTLE_DISK = 8.0, 2.0  # GiB: all images, a few images
LITTLE_MEMORY = 1.0  # GiB: three or four machines

Check = Callable[[Bench], Finding | None]


def examine(bench: Bench) -> list[Finding]:
    """All findings; a check that does not apply here says nothing."""
    bench.engine(anew=True)
    found = (check(bench) for check in CHECKS)
    return [finding for finding in found if finding]


def computer(bench: Bench) -> Finding:
    """The operating system."""
    kernel = bench.read("/proc/version").lower()
    if "microsoft" in kernel and "wsl2" not in kernel and "microsoft-standard" not in kernel:
        return Finding(
            name="system",
            state="bad",
            found="WSL 1, which has no kernel of its own",
            required="WSL 2",
            cure="In PowerShell: wsl --set-version Ubuntu 2",
        )
    names = {"linux": "Linux", "darwin": "macOS"}
    found = names.get(bench.platform, bench.platform)
    return Finding(
        name="system", state="ok", found=f"{found} in WSL 2" if "microsoft" in kernel else found
    )


def python(bench: Bench) -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(name="python", state="ok", found=version)


def ssh_client(bench: Bench) -> Finding:
    found = bench.which("ssh")
    if found:
        return Finding(name="ssh client", state="ok", found=found)
    if _can_install(bench):
        return Finding(
            name="ssh client",
            state="fixable",
            found="none",
            required="OpenSSH's ssh",
            cure="internbox doctor --fix installs it (apt-get install openssh-client).",
            fix="install-ssh",
            asks="Install openssh-client with apt-get",
        )
    return Finding(
        name="ssh client",
        state="bad",
        found="none",
        required="OpenSSH's ssh",
        cure="Debian, Ubuntu: sudo apt install openssh-client",
    )


def engine(bench: Bench) -> Finding:
    """The Docker engine answers, and is new enough."""
    found = bench.engine()
    if not isinstance(found, InternboxError):
        seen = "" if found.version.startswith(SEEN) else " (untested; --probe tries it)"
        text = f"{found.version}{seen}, {found.architecture}, at {found.endpoint}"
        return Finding(name="engine", state="ok", found=text)
    if "may not use" in found.message:
        return _refused(bench, found)
    if not bench.engine_is_here:
        return Finding(
            name="engine", state="bad", found=found.message, required="Docker", cure=found.hint
        )
    if bench.which("dockerd"):
        return Finding(
            name="engine",
            state="fixable",
            found=found.message,
            required="a running Docker engine",
            cure="internbox doctor --fix starts it (sudo systemctl start docker).",
            fix="start-engine",
        )
    return _not_installed(bench, found)


def _refused(bench: Bench, error: InternboxError) -> Finding:
    return Finding(
        name="engine",
        state="bad",
        found=error.message,
        required="membership of the group docker",
        cure="sudo usermod -aG docker $USER, then log out and in again. "
        "Who is in this group can become root on this computer.",
    )


def _can_install(bench: Bench) -> bool:
    """Whether this is Debian or Ubuntu, and root's command can be had."""
    return bool(bench.which("apt-get") and (bench.is_root or bench.which("sudo")))


def _not_installed(bench: Bench, error: InternboxError) -> Finding:
    if _can_install(bench):
        return Finding(
            name="engine",
            state="fixable",
            found="Docker is not installed",
            required="Docker Engine 20.10 or later",
            cure="internbox doctor --fix installs it (apt-get install docker.io).",
            fix="install-engine",
            asks="Install docker.io and debootstrap with apt-get",
        )
    apt = "sudo apt install docker.io, or " if bench.which("apt-get") else ""
    return Finding(
        name="engine",
        state="bad",
        found="Docker is not installed",
        required="Docker Engine 20.10 or later",
        cure=f"{apt}https://docs.docker.com/engine/install/",
    )


def security(bench: Bench) -> Finding | None:
    """What guards the engine's containers, and whether a machine boots under it."""
    info = bench.info()
    if info is None:
        return None
    for kind, what in (("rootless", "a rootless engine"), ("userns", "userns-remap")):
        if kind in info.security:
            return Finding(
                name="security",
                state="bad",
                found=what,
                required="an engine that runs as root, without userns-remap",
                cure="Use another engine: docker context use …, or DOCKER_HOST.",
            )
    without = [f"{kind}: {UNCONFINED[kind]}" for kind in UNCONFINED if kind in info.security]
    if without:
        return Finding(
            name="security",
            state="warn",
            found=f"machines run without {', '.join(without)}; untested until a probe has run here",
            cure="internbox doctor --probe tries it.",
        )
    return Finding(name="security", state="ok", found=", ".join(info.security) or "none")


def cgroup(bench: Bench) -> Finding | None:
    info = bench.info()
    if info is None:
        return None
    return Finding(name="cgroup", state="ok", found=f"version {info.cgroup}")


def limits(bench: Bench) -> Finding | None:
    """What a machine may use up, since the engine's kernel has no limit for it."""
    info = bench.info()
    if info is None or not info.cannot_limit:
        return None
    return Finding(
        name="limits",
        state="warn",
        found=f"none for {', '.join(info.cannot_limit)}: a machine may take all there is",
        cure="A kernel with the memory, cpu and pids controllers has them (docker info).",
    )


def groups(bench: Bench) -> Finding | None:
    """Who may talk to the engine."""
    if bench.platform != "linux" or not bench.engine_is_here:
        return None
    if bench.is_root:
        return Finding(name="access", state="ok", found="you are root")
    if "docker" in bench.groups():
        return Finding(name="access", state="ok", found="you are in the group docker")
    if bench.info() is not None:
        return Finding(name="access", state="ok", found="the engine lets you in")
    return None  # the engine's own finding says what to do


def inotify(bench: Bench) -> Finding | None:
    """Every booted machine takes some instances; where they run out, a boot fails silently."""
    value = bench.read(INSTANCES)
    if not bench.engine_is_here or not value.isdigit():
        return None
    limit, used = int(value), bench.inotify_used()
    scarce = used > NEARLY_USED_UP * limit
    if limit >= ENOUGH_INSTANCES and not scarce:
        return Finding(name="inotify", state="ok", found=f"{limit} instances")
    if limit >= GENEROUS_INSTANCES:
        return Finding(
            name="inotify",
            state="warn",
            found=f"{limit} instances, about {used} of them in use",
            cure="internbox status shows what runs; fs.inotify.max_user_instances is the limit.",
        )
    setting = f"fs.inotify.max_user_instances={GENEROUS_INSTANCES}"
    return Finding(
        name="inotify",
        state="fixable",
        found=f"{limit} instances, about {used} of them in use"
        if scarce
        else f"{limit} instances, enough for about {limit // 5} machines",
        required=f"{GENEROUS_INSTANCES if scarce else ENOUGH_INSTANCES} instances",
        cure=f"internbox doctor --fix sets it (sudo sysctl -w {setting}).",
        fix="inotify",
    )


def disk(bench: Bench) -> Finding | None:
    """Space where the engine keeps images."""
    free = bench.free_gib("/var/lib/docker") if bench.engine_is_here else None
    if free is None:
        free = bench.free_gib("/")
    if free is None:
        return None
    found = f"{free:.0f} GiB free"
    if free >= LITTLE_DISK:
        return Finding(name="disk", state="ok", found=found)
    return Finding(
        name="disk",
        state="bad" if free < TOO_LITTLE_DISK else "warn",
        found=found,
        required=f"{LITTLE_DISK:.0f} GiB for all images",
        cure="docker system df shows what Docker uses; internbox gc removes what is ours.",
    )


def memory(bench: Bench) -> Finding | None:
    lines = dict(
        line.split(":", 1) for line in bench.read("/proc/meminfo").splitlines() if ":" in line
    )
    available = lines.get("MemAvailable", "").split()
    if not available:
        return None
    free = int(available[0]) / 2**20
    return Finding(
        name="memory",
        state="ok" if free >= LITTLE_MEMORY else "warn",
        found=f"{free:.1f} GiB available",
        required="" if free >= LITTLE_MEMORY else f"{LITTLE_MEMORY:.0f} GiB",
        cure="" if free >= LITTLE_MEMORY else "internbox status shows what runs.",
    )


def base(bench: Bench) -> Finding | None:
    """Where the Debian below all images can come from."""
    if not bench.engine_is_here or bench.info() is None:
        return None
    found = bench.which("debootstrap")
    if found:
        return Finding(name="base image", state="ok", found="a registry, or debootstrap")
    return Finding(
        name="base image",
        state="ok",
        found="a registry only (without one: apt install debootstrap)",
    )


def images(bench: Bench) -> Finding | None:
    """The images that the scenarios need are here."""
    if bench.info() is None:
        return None
    try:
        states = [state for _, state in bench.images()]
    except InternboxError as error:
        return Finding(name="images", state="bad", found=error.message, cure=error.hint)
    lacking = [state.name for state in states if not state.present and not state.why_not]
    if lacking:
        return Finding(
            name="images",
            state="fixable",
            found=f"not built: {', '.join(lacking)}",
            cure="internbox doctor --fix builds them now; start builds what it needs.",
            fix="images",
        )
    never = [f"{state.name}: {state.why_not}" for state in states if state.why_not]
    if never:
        return Finding(
            name="images",
            state="warn",
            found="; ".join(never),
            cure="Scenarios with these images are not available; all others are.",
        )
    return Finding(name="images", state="ok", found=f"{len(states)} built")


CHECKS: tuple[Check, ...] = (
    computer,
    python,
    ssh_client,
    engine,
    groups,
    security,
    cgroup,
    limits,
    inotify,
    disk,
    memory,
    base,
    images,
)
