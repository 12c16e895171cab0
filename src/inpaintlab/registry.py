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

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

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

    Raises `SettingError` for a name that the function does not take, and for a value that is not what
    the function's annotation says.

    >>> def unet(width: int = 32, depth: int = 3): ...
    >>> resolve_arguments(unet, {"depth": "4"}, "network 'unet'")
    {'width': 32, 'depth': 4}
    >>> resolve_arguments(unet, {"width": 2.5}, "network 'unet'")
    Traceback (most recent call last):
    inpaintlab.errors.SettingError: network 'unet': width must be a whole number, got 2.5
    """
    parameters = _signature(function).parameters
    named = {n: p for n, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in arguments:
        if name not in named and not takes_any:
            raise SettingError(f"{what} has no setting {name!r}{near_miss(name, named)}")
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise SettingError(f"{what} needs the setting {name!r}")
    given = {
        name: _checked(value, named[name].annotation, f"{what}: {name}") if name in named else value
        for name, value in arguments.items()
    }
    defaults = {n: p.default for n, p in named.items() if p.default is not p.empty}
    return {**{name: given.get(name, defaults.get(name)) for name in named}, **given}


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return a signature, its annotations as types where they can be found."""
    try:
        return inspect.signature(function, eval_str=True)
    except (NameError, AttributeError, SyntaxError, TypeError):  # names for type checkers alone
        return inspect.signature(function)


def _checked(value: Any, annotation: Any, what: str) -> Any:
    """Return a value as its annotation wants it; raises `SettingError` where it is something else."""
    if annotation is inspect.Parameter.empty or isinstance(annotation, str):
        return value
    try:
        adapter = TypeAdapter(
            annotation, config=ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)
        )
    except PydanticUserError:  # nothing that values can be held against
        return value
    try:
        found = adapter.validate_python(value)
    except ValidationError as error:
        raise SettingError(f"{what} {in_words(error.errors()[0])}, got {value!r}") from None
    if isinstance(value, bool) and not isinstance(found, bool):
        raise SettingError(f"{what} must not be true or false, got {value!r}")
    return found


#: What pydantic finds, in plain words.
_FINDINGS = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "is_instance_of": "must be a {class}",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "sequence_str": "must be a list",
    "dict_type": "must be names with values",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "too_short": "needs at least {min_length}",
}


def in_words(finding: Any) -> str:
    """Return what pydantic finds wrong with a value, in plain words."""
    plain = _FINDINGS.get(finding["type"])
    if plain is None:
        return str(finding["msg"]).removeprefix("Value error, ")
    return plain.format(**finding.get("ctx", {})).replace("Sequence", "list")


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
