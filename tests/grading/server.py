"""An SSH server on 127.0.0.1 whose logins run commands as whoever started it.

`python server.py FOLDER PORT`: the folder has `host` and `host.pub`, its key; `key.pub`, who may
log in; it is the home of every login.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh


async def run(session: asyncssh.SSHServerProcess[bytes], home: Path) -> None:
    """The command in a shell, its three streams those of the session."""
    command = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        session.command or "true",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=home,
        env={**os.environ, "HOME": str(home)},
    )
    feeding = asyncio.create_task(carry(session.stdin, command.stdin))
    await asyncio.gather(
        carry(command.stdout, session.stdout), carry(command.stderr, session.stderr)
    )
    session.exit(await command.wait())
    feeding.cancel()


async def carry(source: Any, target: Any) -> None:
    """All that comes; whoever listens may have gone."""
    with suppress(OSError, asyncssh.Error):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        if isinstance(target, asyncio.StreamWriter):
            target.close()


async def main(folder: Path, port: int) -> None:
    await asyncssh.listen(
        "127.0.0.1",
        port,
        server_host_keys=[str(folder / "host")],
        authorized_client_keys=str(folder / "key.pub"),
        process_factory=lambda session: run(session, folder),
        encoding=None,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
