"""The images of the machines: what is here, building them, moving them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, cast

import click

from sandbox.cli.app import App, command
from sandbox.cli.lazy import LazyGroup
from sandbox.errors import UsageError
from sandbox.runtime.base import ImageState, Progress

NAMES = click.argument("names", nargs=-1, metavar="[IMAGE | SCENARIO]…")


class Mover(Protocol):
    """What an engine that can move images adds to a Runtime; each returns references."""

    def save_images(
        self, content: Path, names: Iterable[str], path: Path, progress: Progress
    ) -> list[str]: ...
    def load_images(self, path: Path, progress: Progress) -> list[str]: ...
    def push_images(
        self, content: Path, names: Iterable[str], registry: str, progress: Progress
    ) -> list[str]: ...
    def pull_images(
        self, content: Path, names: Iterable[str], registry: str, progress: Progress
    ) -> list[str]: ...


@click.group("images", cls=LazyGroup, invoke_without_command=True)
@click.pass_context
def images(ctx: click.Context) -> None:
    """List, build and move the images that the machines are made of.

    `start` pulls or builds what is missing by itself; a classroom without internet gets them by
    `save` and `load`, or by `push` and `pull` through a registry.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command("list", content=True, examples=["internbox images list"])
def list_images(app: App) -> None:
    """List the images, and whether they are here."""
    from sandbox.cli import views

    rows = app.labs.images()
    if app.out.is_json:
        app.out.dump(rows)
        return
    views.images(app.out, rows)
    if not all(row.present for row in rows):
        app.out.next("internbox images build")


@command(
    "build",
    content=True,
    examples=["internbox images build", "internbox images build linux/first-day"],
)
@NAMES
def build(app: App, names: tuple[str, ...]) -> None:
    """Build, or pull, the images that are missing: all, or those named."""
    done: list[ImageState] = []
    for folder, possible in _possible(app, names).items():
        app.labs.runtime.ensure_images(folder, possible, app.out.progress)
        done += app.labs.runtime.image_states(folder, possible)
    _told(app, "here", [state.reference for state in done])


@command("save", content=True, examples=["internbox images save /media/stick/images.tar"])
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@NAMES
def save(app: App, file: Path, names: tuple[str, ...]) -> None:
    """Write images to a file, to carry them to a computer without internet."""
    wanted = _possible(app, names)
    if len(wanted) > 1:
        raise UsageError(
            "the images come from several content folders, and a file takes those of one",
            hint="name the images, or leave --content out",
        )
    for folder, chosen in wanted.items():
        _told(app, "saved", _mover(app).save_images(folder, chosen, file, app.out.progress))


@command("load", content=True, examples=["internbox images load /media/stick/images.tar"])
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def load(app: App, file: Path) -> None:
    """Take the images from a file that `save` wrote."""
    _told(app, "loaded", _mover(app).load_images(file, app.out.progress))


@command("push", content=True, examples=["internbox images push registry.example:5000/internbox"])
@click.argument("registry", envvar="INTERNBOX_REGISTRY")
@NAMES
def push(app: App, registry: str, names: tuple[str, ...]) -> None:
    """Send images to a registry."""
    sent: list[str] = []
    for folder, chosen in _possible(app, names).items():
        sent += _mover(app).push_images(folder, chosen, registry, app.out.progress)
    _told(app, "pushed", sent)


@command("pull", content=True, examples=["internbox images pull registry.example:5000/internbox"])
@click.argument("registry", envvar="INTERNBOX_REGISTRY")
@NAMES
def pull(app: App, registry: str, names: tuple[str, ...]) -> None:
    """Get images from a registry."""
    got: list[str] = []
    for folder, chosen in _wanted(app, names).items():
        got += _mover(app).pull_images(folder, chosen, registry, app.out.progress)
    _told(app, "pulled", got)


for subcommand in (list_images, build, save, load, push, pull):
    images.add_command(subcommand)


def _mover(app: App) -> Mover:
    return cast(Mover, app.labs.runtime)


def _wanted(app: App, names: tuple[str, ...]) -> dict[Path, list[str]]:
    """Image names by content folder: those named, those of a scenario named, or all."""
    from sandbox import scenarios

    by_folder: dict[Path, set[str]] = {}
    known: set[str] = set()
    for row in scenarios.summaries(app.labs.content, app.home.index):
        chosen = set(row.images) if not names or row.id in names else {*row.images} & {*names}
        by_folder.setdefault(Path(row.content), set()).update(chosen)
        known |= {row.id, *row.images}
    if unknown := sorted(set(names) - known):
        raise UsageError(
            f"no scenario is called so, or uses an image {', '.join(unknown)}",
            hint="internbox images list; internbox list",
        )
    return {folder: sorted(some) for folder, some in by_folder.items() if some}


def _possible(app: App, names: tuple[str, ...]) -> dict[Path, list[str]]:
    """The same, without those that can be neither found here nor made; which are told."""
    runtime = app.labs.runtime
    return {
        folder: [s.name for s in runtime.image_states(folder, some) if _can_be_had(app, s)]
        for folder, some in _wanted(app, names).items()
    }


def _can_be_had(app: App, state: ImageState) -> bool:
    if state.why_not:
        app.out.warn(f"{state.name} is left out: {state.why_not}")
    return not state.why_not


def _told(app: App, what: str, references: list[str]) -> None:
    if app.out.is_json:
        app.out.dump({"images": references})
        return
    for reference in references:
        app.out.data(f"{what} {reference}")
