"""Runs a playbook by the ansible-playbook of this computer, as the learner on the machines."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import scratch
from sandbox.errors import UsageError
from sandbox.paths import AttemptFiles
from sandbox.running.plan import EVERY_HOST, Playbook
from sandbox.steps import TAIL, StepFailed

COMMAND = "ansible-playbook"
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")  # none of the CI system's secrets


class PlaybookTimeout(Exception):
    """It did not end in time; `output` is what it said until then."""

    def __init__(self, output: str) -> None:
        super().__init__("no end in time")
        self.output = output


@dataclass
class Started:
    """The processes of playbooks that run now, for whoever must end them."""

    ids: set[int] = field(default_factory=set)

    def kill(self) -> None:
        for process in list(self.ids):
            kill(process)


def kill(process: int) -> None:
    """The process that leads a session, and all of the session's."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


def program() -> str:
    """Where ansible-playbook is. UsageError when it is not here."""
    found = shutil.which(COMMAND)
    if not found:
        raise UsageError(
            f"a playbook needs {COMMAND}, and there is none on PATH outside the checkout",
            hint="pipx install ansible-core, or write the fix as a script",
        )
    return found


def inventory(files: AttemptFiles, hosts: list[str]) -> str:
    """The attempt's machines, reached as the learner reaches them, as an inventory in JSON."""
    options = {
        "ansible_ssh_common_args": f"-F {shlex.quote(str(files.ssh_config))}",
        "ansible_connection": "ssh",
    }
    return json.dumps({"all": {"hosts": {host: {} for host in hosts}, "vars": options}})


def run(
    playbook: Playbook, files: AttemptFiles, hosts: list[str], *, seconds: float, started: Started
) -> None:
    """StepFailed with what it said last; PlaybookTimeout when it has not ended by then."""
    with scratch.folder() as folder:
        listed = Path(folder) / "inventory.json"
        listed.write_text(inventory(files, hosts))
        limit = [] if playbook.host == EVERY_HOST else ["--limit", playbook.host]
        command = [program(), "-i", str(listed), *limit, str(playbook.path)]
        code, output = _ended(command, Path(folder), seconds, started)
    if code:
        raise StepFailed(playbook.name, playbook.host, exit_code=code, output=output[-TAIL:])


def _ended(command: list[str], folder: Path, seconds: float, started: Started) -> tuple[int, str]:
    """Exit code and output. Whatever it has started ends with it."""
    log = folder / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started.ids.add(process.pid)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise PlaybookTimeout(log.read_text(errors="replace")[-TAIL:]) from None
        finally:
            started.ids.discard(process.pid)
            kill(process.pid)
            process.wait()
    return code, log.read_text(errors="replace")


def _environment(folder: Path) -> dict[str, str]:
    """Its own settings, whatever ansible.cfg lies around; no colours, no questions."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    settings = folder / "ansible.cfg"
    settings.touch()  # Ansible takes no file of another name, not even /dev/null
    return kept | {
        "ANSIBLE_CONFIG": str(settings),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_SSH_ARGS": "-C",  # no connection that outlives the playbook
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
    }
