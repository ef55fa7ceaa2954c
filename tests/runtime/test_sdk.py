"""The SDK is imported without paramiko, which stays whole for those who use it."""

from __future__ import annotations

import subprocess
import sys


def told(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_runtime_does_not_import_paramiko() -> None:
    assert told("import sandbox.runtime.docker, sys; print('paramiko' in sys.modules)") == "False"


def test_paramiko_is_whole_afterwards() -> None:
    program = "import sandbox.runtime.docker; import paramiko; print(paramiko.Transport.__name__)"

    assert told(program) == "Transport"


def test_an_ssh_endpoint_can_be_spoken_to() -> None:
    program = "from sandbox.runtime.sdk import docker; print(docker.transport.SSHHTTPAdapter)"

    assert "SSHHTTPAdapter" in told(program)
