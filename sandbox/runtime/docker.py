"""One Docker engine as a runtime."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from sandbox import labels
from sandbox.paths import Home
from sandbox.runtime import (
    artifacts,
    console,
    contents,
    images,
    network,
    sweep,
    tools,
    transfer,
)
from sandbox.runtime import container as containers
from sandbox.runtime import placement as places
from sandbox.runtime.base import (
    ConsoleStream,
    EngineInfo,
    ImageState,
    Leftover,
    MachineSpec,
    Placement,
    Progress,
    Running,
)
from sandbox.runtime.endpoint import EngineEndpoint, find
from sandbox.runtime.engine import Engine
from sandbox.runtime.halting import Gate
from sandbox.runtime.sdk import docker

RACKS_AT_ONCE = 32
MEMORY_WIDTH = 32  # an engine may take a second to answer for one machine
CONSOLE_BYTES = 1_000_000


class DockerRuntime:
    """Implements `base.Runtime`. What it makes carries the label of the state folder `home`."""

    def __init__(self, folders: Home, endpoint: EngineEndpoint | None = None) -> None:
        self.folders = folders
        self.engine = Engine(endpoint or find())
        self.home = sweep.home_id(folders.home_id)
        self._tools = ""  # the machine image's reference
        self._preparing = threading.Lock()
        self._networked = False  # whether the management network was seen
        self._gate = Gate()
        self._behind = ThreadPoolExecutor(RACKS_AT_ONCE, thread_name_prefix="rack")

    # --- the engine and its images --------------------------------------------------------------

    def info(self) -> EngineInfo:
        """The engine's words on itself, asked anew."""
        return self.engine.info()

    def image_states(self, content: Path, names: Iterable[str]) -> list[ImageState]:
        return images.states(self.engine, self.folders, content, names)

    def ensure_images(
        self, content: Path, names: Iterable[str], progress: Progress
    ) -> dict[str, str]:
        """Pulls or builds what is missing, the machine image too; name → reference."""
        return images.ensure(self.engine, self.folders, content, names, progress)

    def save_images(
        self, content: Path, names: Iterable[str], path: Path, progress: Progress
    ) -> list[str]:
        return transfer.save(self.engine, self.folders, content, names, path, progress)

    def load_images(self, path: Path, progress: Progress) -> list[str]:
        loaded = transfer.load(self.engine, path, progress)
        artifacts.remember(self.folders.artifacts, loaded)
        return loaded

    def push_images(
        self, content: Path, names: Iterable[str], registry: str, progress: Progress
    ) -> list[str]:
        return transfer.push(self.engine, self.folders, content, names, registry, progress)

    def pull_images(
        self, content: Path, names: Iterable[str], registry: str, progress: Progress
    ) -> list[str]:
        pulled = transfer.pull(self.engine, content, names, registry, progress)
        artifacts.remember(self.folders.artifacts, pulled)
        return pulled

    def manifest(self, reference: str) -> str:
        return tools.manifest(self.engine, self.home, reference, self._tools_volume())

    def image_files(self, reference: str) -> AbstractContextManager[BinaryIO]:
        return contents.of_image(self.engine, self.home, reference)

    def _tools_volume(self) -> str:
        """Looked at for every machine: a missing one would be made anew by the engine, empty."""
        with self._preparing:
            self._tools = self._tools or images.tools_reference(self.engine)
            return tools.ensure(self.engine, self.home, self._tools, self.folders.locks)

    # --- machines -------------------------------------------------------------------------------

    def place(
        self, attempt: str, scenario: str, doors: Mapping[str, bool], *, host: str = ""
    ) -> Placement:
        """Ports that nothing else of ours on this engine has, and for several hosts a rack.

        It takes the engine a while to start a rack: that goes on behind, and `create` waits for
        it. `doors` says of each host whether learners log in. The rack is removed with `host`, or
        with the attempt.
        """
        self.engine.require_real_root()
        with self._preparing:
            if not self._networked:
                network.ensure(self.engine)
            self._networked = True
        with self.engine.doing("choosing ports"):
            made = self.engine.api.containers(all=True, filters={"label": labels.PORTS})
        chosen = places.choose(doors, self.engine.endpoint, places.taken(made))
        if len(doors) == 1:
            return Placement(chosen, "")
        with self._gate.passed():
            rack = self._new_rack(attempt, scenario, host, places.ports_of(chosen.values()))
        return Placement(chosen, rack, self._behind.submit(self._stand, rack))

    def _stand(self, rack: str) -> None:
        with self._gate.passed():
            self.start(rack)

    def _new_rack(self, attempt: str, scenario: str, host: str, ports: list[int]) -> str:
        """The container's id."""
        mark = containers.owner_labels(self.home, attempt, scenario, host, "rack")
        image = images.tools_reference(self.engine)
        called = containers.rack_name(attempt)
        request = containers.rack_request(self.engine, image, called, mark, ports)
        with self.engine.doing("making the rack"):
            return str(self.engine.api.create_container(**request)["Id"])

    def create(self, spec: MachineSpec, placement: Placement) -> str:
        """The container's id; its volumes are mounted, `spec.archive` is laid in it, and its rack
        runs. PortTaken when that cannot."""
        volume = self._tools_volume()
        api = self.engine.api
        if spec.volumes:
            placement.stand()  # what holds the volumes begins in it
            self._hold_volumes(spec, placement.rack)
        request = containers.request(self.engine, self.home, spec, placement, volume)
        with self.engine.doing(f"creating {spec.host}"):
            made = str(api.create_container(**request)["Id"])
        if spec.archive:
            self._lay(made, spec)
        placement.stand()
        return made

    def _lay(self, container: str, spec: MachineSpec) -> None:
        """The SDK's put_archive would let `bin/` in the archive replace the link /bin."""
        api = self.engine.api
        params = {"path": "/", "noOverwriteDirNonDir": "" if spec.replaces else "1"}
        with self.engine.doing(f"laying the files of {spec.host}"), ExitStack() as files:
            data: bytes | BinaryIO = (
                spec.archive
                if isinstance(spec.archive, bytes)
                else files.enter_context(spec.archive.open("rb"))
            )
            url = api._url("/containers/{0}/archive", container)
            answer = api._put(url, params=params, data=data)
            api._raise_for_status(answer)

    def _hold_volumes(self, spec: MachineSpec, rack: str) -> None:
        """Makes the volumes and a container that only holds them: a file system in memory is
        emptied when its last user stops, and the machine itself will reboot. When the engine
        restarts, all stop, and the holder stays off: a sign that the disks are empty."""
        api = self.engine.api
        mark = {**containers.attempt_labels(self.home, spec), labels.HOLDER: "1"}
        mounts = []
        with self.engine.doing(f"making the volumes of {spec.host}"):
            for index, volume in enumerate(spec.volumes):
                name = containers.volume_name(spec, index)
                options = containers.volume_options(volume.size, volume.inodes)
                api.create_volume(name, driver="local", driver_opts=options, labels=mark)
                mounts.append(containers.volume_mount(name, f"/volumes/{index}"))
            request = containers.idle_request(
                images.tools_reference(self.engine),
                containers.holder_name(spec),
                mark,
                {"NetworkMode": containers.within(rack), "Mounts": mounts},
            )
            api.start(api.create_container(**request)["Id"])

    def start(self, container: str) -> None:
        with self.engine.doing("starting a machine"):
            self.engine.api.start(container)

    def launch(self, spec: MachineSpec, placement: Placement) -> str:
        """Creates and starts; the container's id. PortTaken when another program has its port."""
        with self._gate.passed():
            made = self.create(spec, placement)
            self.start(made)
        return made

    def wake(self, attempt: str) -> None:
        """Turns on what an engine that was restarted has left off: racks, then their machines.

        One that runs is restarted: it has lost the network it began in.
        """
        rows = sweep.containers(self.engine, self.home, attempt=attempt)
        asleep = {row["Id"] for row in sweep.machines(rows) if row["State"] == sweep.ASLEEP}
        for rack in sweep.racks_off(rows):
            self.start(rack["Id"])
        sweep.in_parallel(self.restart, sorted(asleep | self.cut_off(attempt)))

    def cut_off(self, attempt: str) -> set[str]:
        """Ids of machines that run, and whose rack was started after them, by somebody's hand: the
        network that they began in is gone."""
        rows = sweep.containers(self.engine, self.home, attempt=attempt)
        awake = [row for row in sweep.machines(rows) if row["State"] == "running"]
        stand_in = {row["Id"]: sweep.rack_of(row) for row in awake}
        racks = {machine: rack for machine, rack in stand_in.items() if rack != machine}
        with self.engine.doing("asking when machines were started"):
            told = sweep.in_parallel(
                self.engine.api.inspect_container, [*{*racks, *racks.values()}]
            )
        started = {one["Id"]: datetime.fromisoformat(one["State"]["StartedAt"]) for one in told}
        return {machine for machine, rack in racks.items() if started[machine] < started[rack]}

    def halt(self, *, within: float) -> None:
        self._gate.shut(within=within)

    def restart(self, container: str) -> None:
        """As pressing the power button twice; returns once the machine is on again."""
        with self.engine.doing("restarting a machine"):
            self.engine.api.restart(container, timeout=containers.STOP_SECONDS)

    def stop(self, container: str) -> None:
        """Shuts the machine down; it stays off, with its files, until started, or until the engine
        is."""
        with self.engine.doing("stopping a machine"):
            self.engine.api.stop(container, timeout=containers.STOP_SECONDS)

    def machines(self, attempt: str | None = None, *, memory: bool = False) -> list[Running]:
        """This home's machines; `memory` costs a question to the engine for each."""
        found = sweep.machines(sweep.containers(self.engine, self.home, attempt=attempt))
        used = (
            sweep.in_parallel(self._memory, found, width=MEMORY_WIDTH)
            if memory
            else [None] * len(found)
        )
        return [sweep.running(row, mib) for row, mib in zip(found, used, strict=True)]

    def _memory(self, row: dict[str, Any]) -> float | None:
        if row["State"] != "running":
            return None
        with suppress(docker.errors.NotFound), self.engine.doing("measuring memory"):
            told = self.engine.api.stats(row["Id"], stream=False, one_shot=True)["memory_stats"]
            return containers.memory_mib(told)
        return None

    def starts(self, attempt: str) -> dict[str, str]:
        """Container id → the moment the engine started it; empty once it has rebooted by itself.

        A moment that is new without `start` or `restart`, or a machine that is asleep and has none,
        means that the engine was restarted.
        """
        rows = sweep.machines(sweep.containers(self.engine, self.home, attempt=attempt))
        awake = [row["Id"] for row in rows if row["State"] != sweep.ASLEEP]
        with self.engine.doing("asking when machines were started"):
            told = sweep.in_parallel(self.engine.api.inspect_container, awake)
        return {one["Id"]: "" if one["RestartCount"] else one["State"]["StartedAt"] for one in told}

    def ended(self, container: str) -> float:
        """When the boot before this one ended, epoch seconds by the clock that machines have, too:
        whatever was written before that is of an earlier boot. Long ago before the first reboot.
        """
        with self.engine.doing("asking when a machine went down"):
            state = self.engine.api.inspect_container(container)["State"]
        return datetime.fromisoformat(state["FinishedAt"]).timestamp()

    def files(self, container: str) -> AbstractContextManager[BinaryIO]:
        """A tar of the machine's files, whether it runs or not; its volumes are empty folders."""
        return contents.of_machine(self.engine, container)

    def folder(self, container: str, path: str) -> AbstractContextManager[BinaryIO]:
        """A tar of one folder, a volume for example; names begin with the folder's own."""
        return contents.of_folder(self.engine, container, path)

    def console_log(self, container: str) -> str:
        """What the machine wrote to its console, the last million bytes."""
        with self.engine.doing("reading the console"):
            text: bytes = self.engine.api.logs(container, stdout=True, stderr=True)
        return text[-CONSOLE_BYTES:].decode(errors="replace")

    def attach(self, container: str) -> ConsoleStream:
        return console.attach(self.engine, container)

    # --- what is left ---------------------------------------------------------------------------

    def remove(
        self, attempt: str, *, role: str | None = None, host: str | None = None
    ) -> list[Leftover]:
        """Removes an attempt's machines and volumes, or those of one role or host; what went."""
        return sweep.remove(self.engine, self.home, attempt, role=role, host=host)

    def leftovers(self, living: Iterable[str]) -> list[Leftover]:
        """What this home made and no living attempt owns."""
        return sweep.leftovers(self.engine, self.home, living)

    def discard(self, leftovers: Iterable[Leftover]) -> list[Leftover]:
        return sweep.discard(self.engine, leftovers)
