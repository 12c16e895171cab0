"""Plugins of the user: code from a recipe or a run folder is never imported by itself."""

from collections.abc import Sequence
from pathlib import Path

from inpaintlab.errors import SettingError
from inpaintlab.registry import loaded_plugins


def require(wanted: Sequence[str], given: Sequence[str] = (), where: str = "the run") -> list[str]:
    """Check that the user has named every plugin that a recipe names, and return all plugins.

    `given` are those of the command line; those that this process has loaded count as given, too. A file
    is the same one wherever it lies now. Raises `SettingError` with the flag to add.
    """
    known = {_identity(plugin) for plugin in (*given, *loaded_plugins())}
    missing = [plugin for plugin in wanted if _identity(plugin) not in known]
    if missing:
        flags = " ".join(f"--plugin {plugin}" for plugin in missing)
        raise SettingError(
            f"{where} needs plugins, whose code runs only if you name it: add {flags} if you trust it"
        )
    others = {_identity(plugin) for plugin in given}
    return [*given, *(plugin for plugin in wanted if _identity(plugin) not in others)]


def plugin_names() -> list[str]:
    """Return the plugins that this process has loaded, files without their folders."""
    return [_identity(plugin) for plugin in loaded_plugins()]


def _identity(plugin: str) -> str:
    return Path(plugin).name if plugin.endswith(".py") else plugin
