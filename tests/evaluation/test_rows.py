import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inpaintlab.errors import RunError
from inpaintlab.evaluation.rows import FACTS, Rows, read_rows
from inpaintlab.evaluation.statistics import Interval


def some_rows(rows=24, methods=("Telea", "ours"), seed=0):
    random = np.random.default_rng(seed)
    facts = {name: [f"{name}{row}" for row in range(rows)] for name in FACTS}
    facts |= {
        "ratio": random.random(rows).tolist(),
        "border": [bool(row % 2) for row in range(rows)],
        "bin": ["0–10 %" if row % 3 else "10–20 %" for row in range(rows)],
    }
    values = {m: {x: random.normal(20, 3, rows) for x in ("hole_psnr", "ssim")} for m in methods}
    return Rows(facts, values)


@given(
    values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=12, max_size=12),
    name=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\x00"), max_size=20),
)
@settings(max_examples=50)
def test_what_is_written_is_read_again_to_the_last_digit(tmp_path_factory, values, name):
    path = tmp_path_factory.mktemp("records") / "val.csv"
    written = some_rows(12)
    written.facts["image"][3] = name
    written.values["a/b, “c”"] = {"hole_psnr": np.array(values), "ssim": np.full(12, np.nan)}
    read = read_rows(path, written.write(path))
    assert read.facts == written.facts
    for method, metrics in written.values.items():
        for metric, column in metrics.items():
            assert np.array_equal(read.values[method][metric], column, equal_nan=True)


def test_an_edited_file_is_refused(tmp_path):
    path = tmp_path / "val.csv"
    digest = some_rows().write(path)
    path.write_text(path.read_text().replace("20.", "29.", 1))
    with pytest.raises(RunError, match="edited"):
        read_rows(path, digest)
    path.unlink()
    with pytest.raises(RunError, match="run inpaint evaluate again"):
        read_rows(path, digest)


def test_parts_of_rows():
    every = some_rows()
    few = every.take(every.where("bin", "10–20 %"))
    assert len(few) == 8
    assert few.kinds_of("bin") == ["10–20 %"]
    assert few.values["ours"]["ssim"][1] == every.values["ours"]["ssim"][3]
    assert list(every.only(["ours"]).values) == ["ours"]


def test_rows_that_a_slow_method_has_not_reached():
    every = some_rows()
    every.values["slow"] = {name: np.full(24, np.nan) for name in every.metrics}
    for column in every.values["slow"].values():
        column[:5] = 1.0
    assert every.measured().sum() == 5
    assert every.take(every.measured()).summary().methods["slow"]["ssim"].mean == 1


def test_differences_are_paired():
    """Two methods that go up and down together differ by far less than their own intervals."""
    every = some_rows(200)
    telea = every.values["Telea"]["hole_psnr"]
    every.values["ours"]["hole_psnr"] = telea + 0.1 + np.random.default_rng(1).normal(0, 0.2, 200)
    found = every.paired("ours", "Telea", "hole_psnr")
    assert found.is_clear
    assert found.mean == pytest.approx(0.1, abs=0.05)
    own = every.summary().methods["ours"]["hole_psnr"]
    assert own.high - own.low > 5 * (found.high - found.low)


def test_summary_counts_images_not_rows():
    every = some_rows()
    every.facts["sha256"] = [str(row // 6) for row in range(24)]
    every.facts["cluster"] = list(every.facts["sha256"])
    found = every.summary()
    assert (found.n, found.images) == (24, 4)
    # Four images are too few for an interval, however many masks each has.
    mean = pytest.approx(every.values["ours"]["ssim"].mean())
    assert found.methods["ours"]["ssim"] == Interval(mean)


def test_joined_are_the_metrics_that_all_parts_have():
    """A fold whose run does not know its limits lacks what the others say of them."""
    one, two = some_rows(6), some_rows(6, seed=1)
    for lacking, other in ((one, two), (two, one)):
        more = {name: {**of, "novelty": np.zeros(6)} for name, of in other.values.items()}
        joined = Rows.join([lacking, Rows(other.facts, more)])
        assert len(joined) == 12
        assert joined.metrics == ["hole_psnr", "ssim"]
        last = joined.values["ours"]["ssim"][6:]
        assert np.array_equal(last, other.values["ours"]["ssim"])
