"""The commands: each calls one function with its settings, and says how the result is printed.

What a command needs is imported when it runs, so that help is quick.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inpaintlab.errors import InpaintlabError

if TYPE_CHECKING:
    from inpaintlab import settings as of
    from inpaintlab.evaluation.cross_validation import CrossValidation
    from inpaintlab.reports import Result

#: Exit code of what was stopped with everything saved.
STOPPED = 130
#: What the extra `serve` brings, as Python calls it.
_SERVING = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


@dataclass(frozen=True)
class Done:
    """What a command has done: values for machines, how to show it to people, and its exit code."""

    values: Any
    show: Callable[[bool], None]
    code: int = 0


@dataclass(frozen=True)
class Command:
    """A settings class of `inpaintlab.settings`, and what to do with such settings.

    `resume` goes on with a folder, with some settings changed.
    """

    settings: str
    run: Callable[[Any], Done]
    resume: Callable[[Path, dict[str, Any]], Done] | None = None


def prepare(settings: "of.PrepareSettings") -> Done:
    """Check, de-duplicate, split and seal a dataset; images stay where they are."""
    if settings.against:
        from inpaintlab.data.leaks import find_leaks

        leaks = find_leaks(settings, settings.against)
        return _shown(leaks, bool(leaks.pairs))
    from inpaintlab.data.prepare import prepare

    facts = prepare(settings)
    if settings.preview:
        # Only now: it needs torch, which reading images does without.
        from inpaintlab.data.sheets import write_preview

        write_preview(settings)
    return _shown(facts)


def align(settings: "of.AlignSettings") -> Done:
    """Cut out faces so that all eyes stand at the same places."""
    from inpaintlab.data.faces import align

    report = align(settings)
    return _shown(report, not report.crops)


def masks(settings: "of.MaskSettings") -> Done:
    """Draw masks into a folder, or only a sheet of them, and print their hole ratios."""
    from inpaintlab.data.sheets import show, write_masks

    facts, folder = write_masks(settings), settings.output
    train = "" if settings.preview else f"\nnext: inpaint train FOLDER --masks {folder / 'masks'}"
    return Done(facts, lambda _: print(f"{show(facts)}\nsheet: {folder / 'sheet.png'}{train}"))


def summary(settings: "of.SummarySettings") -> Done:
    """Show a network layer by layer: shapes, receptive field, parameters, FLOPs, memory, warnings."""
    from inpaintlab.networks.summary import summarise

    arguments = settings.arguments()
    networks = [arguments.pop("network"), *arguments.pop("compare")]
    result = summarise(*networks, **arguments)
    return _shown(result)


def check(settings: "of.CheckSettings") -> Done:
    """Find what would spoil a training before it starts; exits with 1 on a finding."""
    from inpaintlab.diagnosis.check import check
    from inpaintlab.training.build import build_trainer

    trainer = build_trainer(settings.model_copy(update={"output": None}))
    names = ("output", "sample", "rate_steps", "overfit_steps", "seconds")
    return _done(check(trainer, **{name: getattr(settings, name) for name in names}))


def train(settings: "of.TrainSettings") -> Done:
    """Train a network on a folder of images, or resume a run."""
    from inpaintlab.training import train

    return _trained(train(settings))


def resume(folder: Path, changes: dict[str, Any]) -> Done:
    """Resume a run."""
    from inpaintlab.training import resume

    return _trained(resume(folder, changes))


def crossval(settings: "of.CrossvalSettings") -> Done:
    """Train and measure fold by fold, and compare settings; the test part stays sealed."""
    from inpaintlab.evaluation.crossval import crossval

    return _cross_validated(crossval(settings))


def resume_crossval(folder: Path, changes: dict[str, Any]) -> Done:
    """Resume a cross-validation."""
    from inpaintlab.evaluation.crossval import resume_crossval

    if set(changes) - {"jobs"}:
        raise InpaintlabError("--resume keeps the settings of the folder: give nothing but --jobs")
    return _cross_validated(resume_crossval(folder, changes.get("jobs")))


def evaluate(settings: "of.EvaluateSettings") -> Done:
    """Measure models beside classical methods on the same holes; exits with 1 on a finding."""
    from inpaintlab.evaluation.command import run_evaluation

    written = run_evaluation(settings)
    answer = written.answer()
    return Done(
        written.result.figures_dict(),
        lambda verbose: answer.show(verbose=verbose),
        bool(written.result.findings),
    )


def compare(settings: "of.CompareSettings") -> Done:
    """Compare runs with the first one on the same images and masks, with intervals."""
    from inpaintlab.evaluation.compare import run_comparison

    result = run_comparison(settings)
    return _shown(result)


def diagnose(settings: "of.DiagnoseSettings") -> Done:
    """Say what went wrong in a run and what to try next; exits with 1 on a finding."""
    from inpaintlab.diagnosis.diagnose import diagnose

    return _done(diagnose(**settings.arguments()))


def probe(settings: "of.ProbeSettings") -> Done:
    """Change images by a little, and see how far that moves the fill; several models side by side."""
    from inpaintlab.evaluation.command import run_probe

    return _shown(run_probe(settings))


def fill(settings: "of.FillSettings") -> Done:
    """Fill the holes of an image, a folder or a list; all other pixels stay as they are."""
    from inpaintlab.inpainter import fill_files

    return _done(fill_files(settings))


def export(settings: "of.ExportSettings") -> Done:
    """Write a model as one ONNX file and compare it with torch; exits with 1 if they differ."""
    from inpaintlab.inpainter.export import export

    return _done(export(settings))


def serve(settings: "of.ServeSettings") -> Done:
    """Serve a web page and REST, also for clients of OpenAI and IOPaint."""
    for name in _SERVING:
        if find_spec(name) is None:
            raise InpaintlabError(f"inpaint serve needs {name}: pip install 'inpaintlab[serve]'")
    from inpaintlab.serving.server import serve

    serve(settings)
    return Done(None, lambda _: None)


#: All commands, in the order of `inpaint --help`.
COMMANDS = {
    "prepare": Command("PrepareSettings", prepare),
    "align": Command("AlignSettings", align),
    "masks": Command("MaskSettings", masks),
    "summary": Command("SummarySettings", summary),
    "check": Command("CheckSettings", check),
    "train": Command("TrainSettings", train, resume),
    "crossval": Command("CrossvalSettings", crossval, resume_crossval),
    "evaluate": Command("EvaluateSettings", evaluate),
    "compare": Command("CompareSettings", compare),
    "diagnose": Command("DiagnoseSettings", diagnose),
    "probe": Command("ProbeSettings", probe),
    "fill": Command("FillSettings", fill),
    "export": Command("ExportSettings", export),
    "serve": Command("ServeSettings", serve),
}


def _shown(result: "Result", code: int = 0) -> Done:
    """Return what a typed result says of itself."""
    return Done(result.as_dict(), lambda verbose: result.answer().show(verbose=verbose), code)


def _done(result: Any) -> Done:
    """Return a result that is a failure where it has findings."""
    return _shown(result, STOPPED if getattr(result, "interrupted", False) else bool(result.findings))


def _trained(result: Any) -> Done:
    code = STOPPED if result.interrupted else bool(result.stopped)
    return Done(result.as_dict(), lambda _: print(result), code)


def _cross_validated(result: "CrossValidation") -> Done:
    code = STOPPED if result.interrupted else int(bool(result.failed))
    return Done(result.as_dict(), lambda verbose: result.answer().show(verbose=verbose), code)
