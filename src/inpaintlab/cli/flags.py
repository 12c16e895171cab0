"""Commands of typer from settings classes: a flag's name, type, help and default stand there alone."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from inpaintlab.settings import Argument, Flag, Part, Settings

#: What stands for a value in the help.
_KINDS = {int: "INTEGER", float: "NUMBER", Path: "PATH"}


def function_for(kind: type[Settings], run: Callable[..., int], *, resume: bool) -> Callable[..., int]:
    """Return a function for typer that takes the settings of a class as parameters.

    It calls `run(flags, **common)`: `flags` holds what was given of the settings, by name.
    """
    fields = {name: mark for name in kind.model_fields if (mark := _mark(kind.model_fields[name]))}
    parameters = [_parameter(name, kind.model_fields[name], mark) for name, mark in fields.items()]
    parameters += [parameter for parameter in _common() if resume or parameter.name != "resume"]
    parameters.sort(key=lambda parameter: parameter.name == "plugins")  # which few people need

    def command(**values: Any) -> int:
        given = {name: _given(values.pop(name), kind.model_fields[name]) for name in fields}
        return run({name: value for name, value in given.items() if value is not None}, **values)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _mark(field: FieldInfo) -> Flag | Argument | None:
    return next((mark for mark in field.metadata if isinstance(mark, Flag | Argument)), None)


def _given(value: Any, field: FieldInfo) -> Any:
    """Return a value as the settings take it; None for what was not given."""
    if _types(field) == {bool} and value is not None and field.default is True:
        return not value
    return None if value == [] else value


def _types(field: FieldInfo) -> set[Any]:
    """Return the types that a setting may have, without None."""
    if get_origin(field.annotation) in (list, dict, tuple, Literal):
        return {field.annotation}
    options = get_args(field.annotation) or (field.annotation,)
    plain = (get_args(one)[0] if get_origin(one) is Annotated else one for one in options)
    return {one for one in plain if one is not type(None)}


def _parameter(name: str, field: FieldInfo, mark: Flag | Argument) -> inspect.Parameter:
    types = _types(field)
    several = any(get_origin(one) in (list, dict) for one in types)
    text = " ".join((field.description or "").split())
    if types == {bool} and field.default is True:
        text = f"Leave out the {text[0].lower()}{text[1:]}"
    metavar = mark.metavar or _metavar(types)
    annotation: Any = (bool if types == {bool} else list[str] if several else str) | None
    if isinstance(mark, Argument):
        option: Any = typer.Argument(help=text, metavar=mark.metavar or name.upper(), show_default=False)
    else:
        option = typer.Option(
            *(mark.names or _names(name, field, types)),
            help=text + (" Repeatable." if several else "") + _default(field),
            metavar=metavar if types != {bool} else None,
            envvar=mark.env or None,
            show_envvar=False,
            show_default=False,
        )
    return _keyword(name, annotation, option)


def _keyword(name: str, annotation: Any, option: Any) -> inspect.Parameter:
    full = Annotated[annotation, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=full)


def _names(name: str, field: FieldInfo, types: set[Any]) -> Sequence[str]:
    flag = name.replace("_", "-")
    if types != {bool} or field.default is False:
        return (f"--{flag}",)
    return (f"--no-{flag}",) if field.default is True else (f"--{flag}/--no-{flag}",)


def _metavar(types: set[Any]) -> str:
    choices = [word for one in types if get_origin(one) is Literal for word in get_args(one)]
    if choices:
        return "|".join(choices)
    return next((_KINDS[one] for one in types if one in _KINDS), "NAME" if Part in types else "TEXT")


def _default(field: FieldInfo) -> str:
    """Return ` [default]`, unless there is none or the description tells it in words."""
    default = field.get_default(call_default_factory=True)
    parts = default if isinstance(default, list) else [default]
    words = [one.name if isinstance(one, Part) else str(one) for one in parts]
    hidden = field.is_required() or default is None or isinstance(default, bool) or not words
    return "" if hidden or isinstance(default, dict) else f" [{', '.join(words)}]"


def _common() -> list[inspect.Parameter]:
    """Return the flags that every command has."""
    path, words = Path | None, list[str] | None
    flags: list[tuple[str, Any, tuple[str, ...], str | None, str]] = [
        (
            "resume", path, ("--resume",), "FOLDER",
            "Resume the run in this folder from its last save, with its settings.",
        ),
        ("config", path, ("--config",), "FILE", "Recipe: a YAML file of settings."),
        (
            "assignments", words, ("-s",), "KEY=VALUE",
            "Any setting, as network.width=48. Repeatable.",
        ),
        ("verbose", bool, ("-v", "--verbose"), None, "Print everything, not one screen of it."),
        ("as_json", bool, ("--json",), None, "Print the result as JSON, alone on stdout."),
    ]  # fmt: skip
    return [
        _keyword(name, kind, typer.Option(*names, metavar=metavar, help=text, show_default=False))
        for name, kind, names, metavar, text in flags
    ]
