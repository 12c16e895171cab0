"""The tables of an evaluation, and what is said of it in words."""

from collections.abc import Mapping, Sequence

from inpaintlab.baselines import SLOW, title
from inpaintlab.evaluation.result import Measurements, WholeSets
from inpaintlab.evaluation.rows import Rows, Summary
from inpaintlab.evaluation.statistics import bootstrap_interval
from inpaintlab.metrics import REALISM, Figure
from inpaintlab.metrics.table import OF_LIMITS
from inpaintlab.reports import Cell, Column, Note, Row, Table

#: What rows are divided by: field of the result -> its heading.
PARTS = {"borders": "the hole's place", "kinds": "mask kind", "groups": "group"}


def headline(result: Measurements) -> str:
    """Return one sentence: the model beside the best baseline, with the interval of their difference."""
    figures = result.overall.methods[result.model]
    sentence = f"{figures['hole_psnr'].text(unit=' dB')} in the hole{_beside_best(result)}"
    return f"{sentence}; sharpness {figures['sharpness'].mean:.2f} (the truth has 1)"


def _beside_best(result: Measurements) -> str:
    """Return how far the model is above or below the best baseline."""
    if result.gain is None:
        return ""
    gain, baseline = result.gain.hole_psnr, result.gain.baseline
    theirs = result.overall.methods[baseline]["hole_psnr"].mean
    name = f"{title(baseline)} ({theirs:.2f} dB)"
    if gain.low is not None and not gain.is_clear:
        difference = gain.text(sign="+", unit=" dB")
        return f", not to be told from {name}: {difference}, pair by pair"
    word, size = ("above", gain) if gain.mean >= 0 else ("below", -gain)
    pairs = ", pair by pair" if gain.low is not None else " (too few images for intervals)"
    return f", {size.text(unit=' dB')} {word} {name}{pairs}"


def disagreement(result: Measurements) -> str:
    """Return which methods look more real than the one with the best hole PSNR; empty where none does.

    PSNR rewards the mean of all that could stand in a hole, which is blur. Asked where all methods,
    slow ones as well, were measured; what is not clear pair by pair does not count.
    """
    rows = result.rows.take(result.rows.measured())
    if not len(rows):
        return ""
    best = _leader(rows, "hole_psnr", result.figures["hole_psnr"])
    others = []
    for name in REALISM:
        # Slow methods lack what is of all images.
        if (figure := result.figures.get(name)) is None or name not in rows.values[best]:
            continue
        leader = _leader(rows, name, figure)
        ours, theirs = (rows.column(method, name) for method in (best, leader))
        gain = bootstrap_interval(rows.gained(best, leader, name, figure), rows.clusters())
        if gain.is_clear:
            values = f"{theirs.mean():{figure.spec}} against {ours.mean():{figure.spec}}"
            others.append(f"{title(leader)} by {figure.title} ({values})")
    if not others:
        return ""
    return (
        f"{title(best)} is best by hole PSNR, {' and '.join(others)}: PSNR rewards blur, so look at the "
        "images before you choose"
    )


def _leader(rows: Rows, metric: str, figure: Figure) -> str:
    """Return the method that is best by a metric, image by image, of those that have it."""
    measured = [name for name, of in rows.values.items() if metric in of]
    return max(measured, key=lambda name: figure.score(rows.column(name, metric)).mean())


def beside_slow(result: Measurements) -> str:
    """Return how the model stands beside the best baseline that is too slow for all images."""
    if not (slow := result.slow):
        return ""
    psnr = {name: of["hole_psnr"] for name, of in slow.methods.items()}
    best = max((name for name in psnr if name in SLOW), key=lambda name: psnr[name].mean)
    return (
        f"On the first {slow.images} images, where slow methods were run too: {result.model} "
        f"{psnr[result.model].text(unit=' dB')}, {title(best)} {psnr[best].text(unit=' dB')}"
    )


def caption(result: Measurements) -> str:
    """Return one line that says what was measured on what."""
    overall = result.overall
    count = f"{overall.n} images"
    if overall.n != overall.images:  # several masks for each, or copies of a file
        count = f"{overall.n} holes in {overall.images} different images"
    return (
        f"{result.model}: {count} ({result.part}) {how(result)}, "
        f"masks {result.masks.name} #{result.masks.hash}"
    )


def how(result: Measurements) -> str:
    """Return at what size images were filled."""
    return f"at {result.size} px" if result.size else "at their own size, filled as a user fills them"


def notes(result: Measurements) -> list[Note]:
    """Return what a reader must know of a result: what makes a figure worth less than it looks first."""
    found = [Note(finding, "bad", head="Finding:") for finding in result.findings]
    if (copies := result.lookalikes) and copies.pairs:
        ours, theirs = copies.pairs[0]
        line = f"{len(copies.pairs)} images look like one that was learnt from ({ours}: {theirs})"
        if copies.without:
            psnr = copies.without.methods[result.model]["hole_psnr"]
            line += f"; without them {psnr.text(unit=' dB')} in the hole"
        found.append(Note(line, "warn", head="Look-alikes:"))
    if words := disagreement(result):
        found.append(Note(f"{words}.", "warn", head="The measures disagree:"))
    return found


def not_measured(result: Measurements) -> list[Note]:
    """Return why figures could not be had."""
    reasons: dict[str, list[str]] = {}
    for of in result.unavailable:
        reasons.setdefault(of.reason, []).append(of.name)
    return [Note(f"{why}.", "quiet", head=f"{', '.join(of)}:") for why, of in reasons.items()]


def overall_table(result: Measurements) -> Table:
    """Return the main figures of every method over all rows: what a terminal has room for."""
    shown = {name: figure for name, figure in result.figures.items() if figure.is_main}
    return _by_method(result, {"": result.overall}, caption(result), shown)


def ratio_table(result: Measurements) -> Table:
    """Return all figures of every method, over all rows and by hole-ratio bin."""
    parts = {"all": result.overall, **(result.bins if len(result.bins) > 1 else {})}
    return _by_method(result, parts, "By hole ratio", _compared(result))


def _compared(result: Measurements) -> dict[str, Figure]:
    """Return the figures that methods are compared by: all but those of limits."""
    return {name: of for name, of in result.figures.items() if name not in OF_LIMITS}


def further_tables(result: Measurements) -> list[Table]:
    """Return the smaller tables: parts, slow baselines, whole sets, other and corrupted images."""
    found = [
        _part_table(f"By {heading}: hole PSNR, dB", heading, of)
        for name, heading in PARTS.items()
        if (of := getattr(result, name))
    ]
    if slow := result.slow:
        words = f"Slow baselines, and all methods on the same first {slow.images} images"
        found.append(_by_method(result, {"": slow}, words, _compared(result)))
    found += _sets_tables(result) if result.sets else []
    found += [_ood_table(result)] if result.ood else []
    return found + corruption_tables(result)


def corruption_tables(result: Measurements) -> list[Table]:
    """Return what is lost by corruption and severity; the redder, the more."""
    if not (corruptions := result.corruptions) or not result.gain:
        return []
    baseline = title(result.gain.baseline)
    note = (
        f"{corruptions.n} images, each paired with itself unchanged: there {result.model} has "
        f"{corruptions.hole_psnr.text(unit=' dB')}, {corruptions.gain.text(sign='+', unit=' dB')} "
        f"beside {baseline}. The redder, the more is lost."
    )
    tables = []
    losses = {"gain_loss": f"lost of what is gained over {baseline}", "loss": "lost in the hole"}
    for key, words in losses.items():
        most = max(1e-9, *(getattr(row, key).mean for row in corruptions.rows))
        cells: dict[str, dict[int, Cell]] = {}
        for row in corruptions.rows:
            loss = getattr(row, key)
            shown, heat = loss.cell(sign="+"), min(1.0, max(0.0, loss.mean / most))
            cells.setdefault(row.corruption, {})[row.severity] = Cell(
                shown.text, shown.detail, heat=heat
            )
        severities = sorted({row.severity for row in corruptions.rows})
        rows = [Row((name, *(of[one] for one in severities))) for name, of in cells.items()]
        heading = f"The same images, changed: dB {words}"
        tables.append(Table.of(["severity", *map(str, severities)], rows, heading, note))
    return tables


def knows_limits(result: Measurements) -> list[str]:
    """Return the methods that say how far they are to be trusted."""
    return [name for name, of in result.overall.methods.items() if "inside_percent" in of]


def limits_notes(result: Measurements) -> list[Note]:
    """Return a line for each model that knows its limits: what it refuses, and how intervals hold."""
    found = []
    for name in knows_limits(result):
        of = result.overall.methods[name]
        parts = {"these images": result.overall, **{one.data: one.summary for one in result.ood}}
        refused = [
            f"{figures['refused_percent'].text('.1f', unit=' %')} of {part}"
            for part, summary in parts.items()
            if "refused_percent" in (figures := summary.methods[name])
        ]
        inside = of["inside_percent"].text(".1f", unit=" %")
        line = f"{inside} of values lie in intervals made to hold 90 %"
        if refused:
            line = f"{', '.join(refused)} are unlike those of training; {line}"
        found.append(Note(f"{line}.", "quiet", head=f"Limits of {name}:"))
    return found


def limits_tables(result: Measurements) -> list[Table]:
    """Return what models say of fills beside what is true, and how that fares on changed images."""
    names = knows_limits(result)
    if not names:
        return []
    parts = {"all": result.overall, **(result.bins if len(result.bins) > 1 else {})}
    parts |= {of.data: of.summary for of in result.ood}
    shown = {name: result.figures[name] for name in (*OF_LIMITS, "hole_psnr") if name in result.figures}
    rows = [
        Row(
            (name, *(of[key].cell(figure.spec) if key in of else "–" for key, figure in shown.items())),
            group=f"{part}, n = {summary.n}",
        )
        for part, summary in parts.items()
        for name in names
        if (of := summary.methods[name])
    ]
    words = "What is stated, and what is true"
    return [
        Table.of(["method", *(figure.heading for figure in shown.values())], rows, words),
        *_corrupted_limits(result),
    ]


def _corrupted_limits(result: Measurements) -> list[Table]:
    """Return what the model refuses of changed images, and how often its intervals hold there."""
    if not result.corruptions:
        return []
    tables = []
    for key, words in {
        "refused": f"The same images, changed: % that {result.model} refuses",
        "inside": f"The same images, changed: % of values in the intervals of {result.model}",
    }.items():
        cells: dict[str, dict[int, Cell]] = {}
        for row in result.corruptions.rows:
            if interval := getattr(row, key):
                cells.setdefault(row.corruption, {})[row.severity] = interval.cell(".1f")
        rows = [Row((name, *of.values())) for name, of in cells.items()]
        if rows:
            severities = sorted({row.severity for row in result.corruptions.rows})
            tables.append(Table.of(["severity", *map(str, severities)], rows, words))
    return tables


def _by_method(
    result: Measurements, parts: Mapping[str, Summary], words: str, shown: Mapping[str, Figure]
) -> Table:
    # Figures that are not main go first where room is short, or else all but the first.
    all_main = all(figure.is_main for figure in shown.values())
    columns = [Column("method", text=True)]
    for place, figure in enumerate(shown.values()):
        columns.append(Column(figure.heading, optional=place > 0 if all_main else not figure.is_main))
    rows = []
    for name, part in parts.items():
        best = {
            key: max(
                (figure.score(of[key].mean) for of in part.methods.values() if key in of), default=0
            )
            for key, figure in shown.items()
        }
        for method, values in part.methods.items():
            cells = []
            for key, figure in shown.items():
                cell = values[key].cell(figure.spec) if key in values else Cell("–")
                is_best = key in values and figure.score(values[key].mean) == best[key]
                cells.append(Cell(cell.text, cell.detail, best=is_best))
            group = f"{name}, n = {part.n}" if name else ""
            rows.append(Row((title(method), *cells), strong=method == result.model, group=group))
    return Table.of(columns, rows, words)


def _part_table(words: str, heading: str, parts: Mapping[str, Summary]) -> Table:
    methods = next(iter(parts.values())).methods
    rows = [
        Row((name or "(top folder)", str(of.n), *(v["hole_psnr"].cell() for v in of.methods.values())))
        for name, of in parts.items()
    ]
    return Table.of([heading, "n", *map(title, methods)], rows, words)


def _sets_tables(result: Measurements) -> list[Table]:
    """Return a table for each network and what it looked at."""
    assert result.sets is not None
    names = next(iter(result.sets.overall.methods.values()))
    networks = dict.fromkeys(name.partition("-")[2] for name in names)
    return [
        _sets_table(result.sets, [of for of in names if of.partition("-")[2] == network], result.model)
        for network in networks
    ]


def _sets_table(sets: WholeSets, names: Sequence[str], model: str) -> Table:
    headings = [name if "std" in name else f"{name} {'↑' if name[1] == '_' else '↓'}" for name in names]
    rows = [
        Row(
            (title(method), *(f"{of[name]:.4g}" if name in of else "–" for name in names)),
            strong=method == model,
            group=f"{part}, n = {figures.n}",
        )
        for part, figures in {"all": sets.overall, **sets.bins}.items()
        for method, of in figures.methods.items()
    ]
    note = (
        "How far the set of filled images is from the set of true ones. Such figures have no interval "
        "here. Fréchet distances depend on n"
        + "".join(
            f"; in bins {name} is of {n} images each, and missing where there are fewer"
            for name, n in sets.equal_n.items()
            if name in names
        )
    )
    of_holes = "-holes" in names[0]
    words = "Holes with what is around them, as whole sets" if of_holes else "Whole sets of images"
    return Table.of(["method", *headings], rows, words, f"{note}.")


def _ood_table(result: Measurements) -> Table:
    assert result.gain is not None
    baseline = title(result.gain.baseline)
    rows = []
    for of in result.ood:
        psnr = [of.summary.methods[m]["hole_psnr"].cell() for m in (result.model, result.gain.baseline)]
        signed = [interval.cell(sign="+") for interval in (of.loss, of.gain, of.gain_loss)]
        rows.append(Row((of.data, str(of.summary.n), *psnr, *signed)))
    columns = ["images", "n", result.model, baseline, "lost", f"above {baseline}", "lost of that"]
    note = (
        "Hole PSNR in dB. Images differ in how hard they are for anything, so what is gained over "
        f"{baseline} says more."
    )
    return Table.of(columns, rows, "Out-of-distribution images", note)
