"""Docker's SDK, imported without an SSH client of its own that is never used here.

That client is paramiko's, which takes a tenth of a second to import; ssh:// endpoints are reached
by the ssh command.
"""

from __future__ import annotations

import sys
from types import ModuleType

_stand_in = ModuleType("paramiko")
_there = sys.modules.setdefault("paramiko", _stand_in)
try:
    import docker
    import docker.errors
    import docker.tls
    import docker.utils
finally:
    if _there is _stand_in:
        del sys.modules["paramiko"]

__all__ = ["docker"]
