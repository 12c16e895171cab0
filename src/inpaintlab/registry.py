"""Tables of parts by name, and plugins that add to them.

A kind of part (network, objective, mask, metric, …) has one `Registry`. What a user registers is as good
as what is built in: settings, recipes, the command line and every worker process know it by its name.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Generic, TypeVar, overload
from zlib import crc32

from inpaintlab.errors import InpaintlabError, SettingError, near_miss

T = TypeVar("T")
Part = TypeVar("Part", bound=Callable[..., Any])

#: Packages that are installed announce their plugins under this name.
ENTRY_POINTS = "inpaintlab.plugins"
#: Plugins that this process has loaded, as they were named and as another process can name them.
_LOADED: dict[str, str] = {}


class Registry(dict[str, Callable[..., T]], Generic[T]):
    """Functions or classes that make one kind of part, by name; `what` is that kind in words.

    >>> shapes = Registry("shape")
    >>> @shapes.register("square")
    ... def square(side=3): return side**2
    >>> shapes.create("square", side=4)
    16
    >>> shapes.create("sqare")
    Traceback (most recent call last):
    inpaintlab.errors.SettingError: unknown shape 'sqare', did you mean 'square'?
    """

    def __init__(self, what: str, parts: Mapping[str, Callable[..., T]] | None = None) -> None:
        super().__init__(parts or {})
        self.what = what

    @overload
    def register(self, name: str) -> Callable[[Part], Part]: ...
    @overload
    def register(self, name: str, part: Part) -> Part: ...
    def register(self, name: str, part: Any = None) -> Any:
        """Add a part under a name, as a decorator or with the part given.

        Raises `SettingError` for a name that is taken by another part.
        """
        if part is None:
            return lambda decorated: self.register(name, decorated)
        if name in self and not _is_same(self[name], part):
            raise SettingError(f"there is a {self.what} {name!r} already: choose another name")
        self[name] = part
        return part

    def need(self, name: str) -> Callable[..., T]:
        """Return what is registered; raises `SettingError` with the nearest name for one that is not."""
        if name not in self:
            raise SettingError(f"unknown {self.what} {name!r}{near_miss(name, self)}")
        return self[name]

    def resolve(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return all keyword arguments of a part, defaults filled in and tuples as lists.

        Raises `SettingError` for an unknown name or argument, with the nearest known one.
        """
        full = resolve_arguments(self.need(name), arguments, f"{self.what} {name!r}")
        return {key: list(value) if isinstance(value, tuple) else value for key, value in full.items()}

    def create(self, name: str, /, **arguments: Any) -> T:
        """Build a part by name; raises `SettingError` as `resolve` does, or for arguments of no use."""
        full = self.resolve(name, arguments)
        try:
            return self[name](**full)
        except TypeError as error:
            raise SettingError(f"{self.what} {name!r}: {error}") from None


def resolve_arguments(
    function: Callable[..., Any], arguments: Mapping[str, Any], what: str
) -> dict[str, Any]:
    """Return the arguments together with the defaults of those not given.

    Raises `SettingError` for a name that the function does not take.

    >>> resolve_arguments(lambda width=32, depth=3: None, {"depth": 4}, "network 'unet'")
    {'width': 32, 'depth': 4}
    """
    parameters = inspect.signature(function).parameters
    named = {n: p for n, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in arguments:
        if name not in named and not takes_any:
            raise SettingError(f"{what} has no setting {name!r}{near_miss(name, named)}")
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise SettingError(f"{what} needs the setting {name!r}")
    defaults = {n: p.default for n, p in named.items() if p.default is not p.empty}
    return {**{name: arguments.get(name, defaults.get(name)) for name in named}, **arguments}


def load_plugins(plugins: Iterable[str] = ()) -> None:
    """Import plugins, `FILE.py` or a module's name, so that what they register is known here.

    Each is imported once. Raises `SettingError` for one that is not there or fails.
    """
    for plugin in plugins:
        try:
            _LOADED[plugin] = _import(plugin)
        except InpaintlabError:
            raise
        except Exception as error:  # noqa: BLE001 - it is the user's code, which can raise anything
            reason = f"{type(error).__name__}: {error}"
            raise SettingError(f"plugin {plugin} cannot be loaded: {reason}") from None


def load_installed_plugins() -> None:
    """Import the plugins that installed packages announce in the group `inpaintlab.plugins`."""
    known = dict(_LOADED)
    load_plugins(point.module for point in entry_points(group=ENTRY_POINTS))
    _LOADED.clear()  # of a machine, not of a run: every process finds them
    _LOADED.update(known)


def loaded_plugins() -> tuple[str, ...]:
    """Return the plugins that this process has loaded, as a process that it starts can load them."""
    return tuple(_LOADED.values())


def _import(plugin: str) -> str:
    """Import a plugin and return its name, of a file its whole path."""
    if not plugin.endswith(".py"):
        import_module(plugin)
        return plugin
    path = Path(plugin).expanduser().resolve()
    name = f"inpaintlab_plugin_{path.stem}_{crc32(str(path).encode()):08x}"
    if name in sys.modules:
        return str(path)
    if not path.is_file():
        raise SettingError(f"there is no plugin file {path}")
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # first, as pickle and dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return str(path)


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether two parts are one, read twice, as when a notebook's cell runs again."""
    same = [getattr(part, "__qualname__", None) for part in (one, other)]
    return one is other or (same[0] == same[1] and one.__module__ == other.__module__)
