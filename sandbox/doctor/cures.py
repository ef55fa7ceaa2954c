"""What `--fix` does, each after its name in a finding."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.doctor.bench import Bench, Finding
from sandbox.doctor.checks import GENEROUS_INSTANCES, INSTANCES, examine
from sandbox.errors import EngineError, InternboxError

START_SECONDS = 60.0
# Of Go's garbage collector. For each machine the engine runs its own program anew, up to five
# times; where nothing is collected in such a short run, it takes a quarter less processor time.
ENGINE_GOGC = "400"
KEPT = "/etc/sysctl.d/90-internbox.conf"


def mend(bench: Bench, finding: Finding) -> str:
    """Do what the finding asks for; what was done, in words. Raises EngineError."""
    return CURES[finding.fix](bench)


def mend_all(
    bench: Bench,
    findings: list[Finding],
    *,
    may: Callable[[Finding], bool],
    told: Callable[[str], None],
) -> list[Finding]:
    """Mends all that `may` allows; what is found afterwards. Raises EngineError.

    Only an engine that runs shows which images it lacks, so there are rounds, until one brings
    up nothing new.
    """
    tried: set[str] = set()
    while todo := [row for row in findings if row.state == "fixable" and row.fix not in tried]:
        for finding in todo:
            tried.add(finding.fix)
            if may(finding):
                told(f"{finding.name}: {mend(bench, finding)}")
        findings = examine(bench)
    return findings


def start_engine(bench: Bench) -> str:
    """By the service manager where there is one, else a daemon of its own."""
    bench.progress("starting the Docker engine")
    if bench.exists("/run/systemd/system"):
        bench.run(["systemctl", "start", "docker"])
        _wait(bench, "")
        return "started by systemctl start docker"
    log = bench.home.root / "dockerd.log"
    _detached(bench, log)
    _wait(bench, f"its log: {log}")
    return f"started dockerd, which logs to {log}"


def _detached(bench: Bench, log: Path) -> None:
    daemon = bench.which("dockerd")
    if not daemon or not bench.is_root:
        raise EngineError("only root can start dockerd", hint="sudo internbox doctor --fix")
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("ab") as file:
        subprocess.Popen(
            [daemon],
            env={"GOGC": ENGINE_GOGC, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            cwd="/",
        )


def _wait(bench: Bench, where: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while isinstance(found := bench.engine(anew=True), InternboxError):
        if time.monotonic() > deadline:
            raise EngineError(
                f"the engine was started, but does not answer after {START_SECONDS:.0f} s: "
                f"{found.message}",
                hint=where or "journalctl -u docker",
            )
        time.sleep(0.5)


def install_engine(bench: Bench) -> str:
    """Debian's and Ubuntu's own packages."""
    _install(bench, "docker.io", "debootstrap")
    found = bench.engine(anew=True)
    if isinstance(found, InternboxError):
        return f"installed docker.io and debootstrap; {start_engine(bench)}"
    return "installed docker.io and debootstrap"


def install_ssh(bench: Bench) -> str:
    _install(bench, "openssh-client")
    return "installed openssh-client"


def _install(bench: Bench, *packages: str) -> None:
    bench.progress(f"installing {' and '.join(packages)}")
    bench.run(["apt-get", "update"])
    bench.run(["apt-get", "install", "-y", "--no-install-recommends", *packages], timeout=1800)


def raise_inotify(bench: Bench) -> str:
    """Now, and at every boot. A bare Debian has no sysctl."""
    setting = f"fs.inotify.max_user_instances={GENEROUS_INSTANCES}"
    bench.run(["mkdir", "-p", str(Path(KEPT).parent)])
    for line, file in ((str(GENEROUS_INSTANCES), INSTANCES), (setting, KEPT)):
        bench.run(["sh", "-c", 'printf "%s\\n" "$1" > "$2"', "sh", line, file])
    return f"{setting}, kept in {KEPT}"


def build_images(bench: Bench) -> str:
    """All that the scenarios need and that can be had."""
    lacking: dict[Path, list[str]] = {}
    for folder, state in bench.images():
        if not state.present and not state.why_not:
            lacking.setdefault(folder, []).append(state.name)
    for folder, names in lacking.items():
        bench.runtime.ensure_images(folder, names, bench.progress)
    built = sorted(name for names in lacking.values() for name in names)
    return f"built {', '.join(built)}" if built else "nothing was missing"


CURES: dict[str, Callable[[Bench], str]] = {
    "start-engine": start_engine,
    "install-engine": install_engine,
    "install-ssh": install_ssh,
    "inotify": raise_inotify,
    "images": build_images,
}
