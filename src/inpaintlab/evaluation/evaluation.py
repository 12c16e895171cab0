"""The result of an evaluation: typed values that draw themselves."""

import dataclasses
from pathlib import Path
from typing import Any

from inpaintlab.checkpoints import Run
from inpaintlab.errors import InpaintlabError
from inpaintlab.evaluation import tables
from inpaintlab.evaluation.cards import card_grid
from inpaintlab.evaluation.report import CHOICES, cards_style, example_cards, report
from inpaintlab.evaluation.result import Measurements
from inpaintlab.evaluation.statistics import Interval
from inpaintlab.files import write_atomically
from inpaintlab.images import encode_png
from inpaintlab.reports import Answer, Block, Note, Table, Text
from inpaintlab.reports.notebook import fragment


@dataclasses.dataclass(frozen=True)
class Evaluation(Measurements):
    """Methods on the same images and masks: shows itself in a notebook, as tables and as a page.

    `rows` holds every value, a row for each image and mask; `overall.methods[name][metric]` a mean with
    its 95 % interval. `as_dict` and `from_dict` go to JSON and back.
    """

    def paired(self, one: str, other: str, metric: str = "hole_psnr") -> Interval:
        """Return the mean of `one` less `other`, row by row, with its interval.

        Raises `SettingError` with the nearest name for a method or a metric that was not measured.
        """
        return self.rows.paired(one, other, metric)

    def to_pandas(self) -> Any:
        """Return a data frame: a line for each image, mask and method, with all facts and metrics."""
        try:
            import pandas
        except ModuleNotFoundError:
            raise InpaintlabError("to_pandas needs pandas: pip install pandas") from None
        parts = [
            pandas.DataFrame({**self.rows.facts, "method": method, **values})
            for method, values in self.rows.values.items()
        ]
        return pandas.concat(parts, ignore_index=True)

    def tables(self) -> list[Table]:
        """Return all tables, that by hole ratio first."""
        return [tables.ratio_table(self), *tables.further_tables(self)]

    def answer(self, **places: Path) -> Answer:
        """Return what a command prints; `places` are files by what they are."""
        reasons = tables.not_measured(self).items()
        missing = [Note(f"{why}.", "quiet", head=f"{', '.join(names)}:") for why, names in reasons]
        slow = [Note(f"{words}.", "quiet")] if (words := tables.beside_slow(self)) else []
        return Answer(
            f"{self.model}: {tables.headline(self)}.",
            tables.overall_table(self),
            [*tables.notes(self), *slow],
            {name: path for name, path in places.items() if path},
            details=[*self.tables(), *missing],
        )

    def html(self, path: str | Path, run: Run | None = None) -> None:
        """Write the report as one self-contained page; with a run folder also how it was trained.

        Raises `RunError` where a figure has no baseline beside it.
        """
        report(self, run).write(Path(path))

    def save_examples(self, path: Path) -> None:
        """Write the random examples as one PNG: a column for each, a row for each method."""
        write_atomically(path, encode_png(card_grid(self.cards["random"])))

    def _repr_html_(self) -> str:
        shown = {"random": CHOICES["random"]} if self.cards else {}
        blocks: list[Block] = [Text(f"{self.model}: {tables.headline(self)}.")]
        blocks += [tables.overall_table(self), *tables.notes(self)]
        return fragment(*(block.html() for block in blocks), cards_style(), example_cards(self, shown))
