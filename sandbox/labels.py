"""The labels by which the engine knows what is ours; they are the truth about what runs."""

from __future__ import annotations

PREFIX = "io.internbox"

HOME = f"{PREFIX}.home"  # id of the state folder that made it: two users of one engine stay apart
ATTEMPT = f"{PREFIX}.attempt"  # attempt id
SCENARIO = f"{PREFIX}.scenario"  # domain/slug
HOST = f"{PREFIX}.host"  # host name within the scenario
HIDDEN = f"{PREFIX}.hidden"  # "1" for hosts the learner cannot log in to
ROLE = f"{PREFIX}.role"  # machine | fresh | probe | rack | tools | network | image
HOLDER = f"{PREFIX}.holder"  # "1" for a container that only keeps a machine's volumes alive
PORTS = f"{PREFIX}.ports"  # the ports of a machine's doors, or of a rack's: "20001,20002"
CREATED = f"{PREFIX}.created"  # epoch seconds by the engine's clock
IMAGE_HASH = f"{PREFIX}.hash"  # content hash of an image's sources


def owned(home: str, *, attempt: str | None = None, role: str | None = None) -> list[str]:
    """Filters, `key=value`, that find what the state folder `home` owns."""
    wanted = {HOME: home, ATTEMPT: attempt, ROLE: role}
    return [f"{key}={value}" for key, value in wanted.items() if value is not None]
