"""Turn a variant into texts for people and into the files of each machine."""

from sandbox.rendering.archive import pack
from sandbox.rendering.layout import LaidFile, Layout, layout
from sandbox.rendering.personality import (
    Personality,
    host_table,
    networks,
    personality,
    personality_files,
)
from sandbox.rendering.templates import context, debrief, script, text, ticket

__all__ = [
    "LaidFile",
    "Layout",
    "Personality",
    "context",
    "debrief",
    "host_table",
    "layout",
    "networks",
    "pack",
    "personality",
    "personality_files",
    "script",
    "text",
    "ticket",
]
