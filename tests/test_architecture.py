"""Imports run in one direction, and importing has no effect."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import inpaintlab

SOURCE = Path(inpaintlab.__file__).parent
# From left to right; a module imports only from rooms to its left, or from its own.
ROOMS = [
    *(
        "errors",
        "arrays",
        "files",
        "machine",
        "randomness",
        "registry",
        "progress",
        "runs",
        "reports",
        "settings",
        "images",
        "tensors",
        "masks",
        "layers",
        "features",
        "networks",
    ),
    *("losses", "metrics", "baselines", "data", "checkpoints", "trust"),
    *("inpainter", "training", "evaluation", "diagnosis", "serving", "cli"),
]
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Names of the rooms that a file imports from, inside functions too."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            # `from inpaintlab import masks` imports the room masks.
            bases = [f"inpaintlab.{a.name}" for a in node.names] if node.module == "inpaintlab" else []
            names += bases or [str(node.module)]
    return {name.split(".")[1] for name in names if name.startswith("inpaintlab.")}


def test_every_file_is_in_a_room():
    assert {room_of(path) for path in MODULES} == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_run_from_right_to_left(path):
    own = ROOMS.index(room_of(path))
    for room in imported_rooms(path):
        assert room in ROOMS, f"{path.name} imports {room} from the package root"
        assert ROOMS.index(room) <= own, f"{room_of(path)} must not import {room}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_importing_only_defines(path):
    """At the top of a module there are definitions, no calls for their effect and no loops."""
    harmless = (
        *(ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign),
        *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    )
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        assert isinstance(node, harmless) or is_docstring or for_types, f"{path.name}:{node.lineno}"


def test_importing_the_package_is_light():
    code = (
        "import sys; before = set(sys.modules); import inpaintlab; "
        "print(sorted(m.split('.')[0] for m in set(sys.modules) - before if '.' not in m))"
    )
    new = ast.literal_eval(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert not {"torch", "numpy", "cv2", "pydantic", "rich", "typer"} & set(new)


def test_public_names_are_exact():
    assert dir(inpaintlab) == inpaintlab.__all__ == sorted(inpaintlab.__all__)
    for name in inpaintlab.__all__:
        assert getattr(inpaintlab, name) is not None
    with pytest.raises(AttributeError, match="attribute trian"):
        _ = inpaintlab.trian


def imported_files(path: Path) -> set[Path]:
    """Files of ours that a file imports, inside functions and for types too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {file_of(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # `from inpaintlab.training import objectives` is for a file, `… import Trainer` for a name.
            for alias in node.names:
                found.add(file_of(f"{node.module}.{alias.name}") or file_of(str(node.module)))
    return {file for file in found if file} - {path}


def file_of(module: str) -> Path | None:
    """Return the file of a module of ours; None for a name, or a module of somebody else."""
    base = SOURCE.joinpath(*module.split(".")[1:])
    ours = module.startswith("inpaintlab.")
    files = (base.with_name(f"{base.name}.py"), base / "__init__.py")
    return next((file for file in files if ours and file.is_file()), None)


def test_no_files_import_each_other_in_a_circle():
    graph = {path: imported_files(path) for path in MODULES}
    sorter = graphlib.TopologicalSorter(graph)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        circle = " → ".join(str(path.relative_to(SOURCE)) for path in error.args[1])
        pytest.fail(f"files import each other in a circle: {circle}")
