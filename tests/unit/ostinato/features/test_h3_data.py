"""Cells of the H3 grid: in whatever form, and what is none."""

import pyarrow as pa
import pytest
from columns import column, encode, fit

from ostinato.errors import DataError

NUMBER = 617700169958293503
PARTS = [9, 20, 0, 6, 0, 2, 4, 0, 2, 7, 7]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([NUMBER]),
        pa.array([NUMBER], pa.uint64()),
        pa.array([str(NUMBER)]),
        pa.array(["8928308280fffff"]),
        pa.array(["0x8928308280FFFFF "]),
        pa.array(["x", "8928308280fffff"]).slice(1),
    ],
)
def test_a_cell_is_read_from_numbers_and_texts(values):
    (found,) = encode(column("h3"), values).tolist()
    assert found[:2] == [9, 20]
    assert len(found) == 17
    assert all(0 <= cell < 7 for cell in found[2:11])
    assert found[11:] == [7] * 6


def test_cells_become_texts_again():
    source = column("h3")
    values = pa.array(["8928308280fffff", "832f5afffffffff", "8009fffffffffff"])
    assert source.decode(encode(source, values), fit(source, values)).to_pylist() == values.to_pylist()


@pytest.mark.parametrize(
    "bad",
    ["zzz", "89283", "8928308280ffff0", "1928308280fffff", "89f4308280fffff", "9928308280fffff", "12", "-5",
     "8928308280fffffffff", "9999999999999999999"],
)  # fmt: skip
def test_what_is_no_cell_is_unparsable(bad):
    parsed, unparsable = column("h3").parse(pa.array([bad, "8928308280fffff", None, ""]))
    assert parsed.to_pylist() == [None, NUMBER, None, None]
    assert unparsable.samples == (bad,)


def test_numbers_that_are_no_cells():
    parsed, unparsable = column("h3").parse(pa.array([0, -1, NUMBER, NUMBER + 1, None]))
    assert parsed.to_pylist() == [None, None, NUMBER, None, None]
    assert unparsable.count == 3


def test_floating_point_numbers_are_refused():
    with pytest.raises(DataError, match="can't hold all digits"):
        column("h3").parse(pa.array([6.177e17]))


def test_a_missing_cell_is_the_fill_value():
    values = pa.array(["8928308280fffff", None])
    assert encode(column("h3"), values)[1].tolist() == [0, 0] + [7] * 15
    filled = column("h3", preprocessing={"fill_value": NUMBER})
    found = encode(filled, values)
    assert found[0].tolist() == found[1].tolist()
    with pytest.raises(DataError, match="the number of a cell"):
        fit(column("h3", preprocessing={"fill_value": 5}), values)


def test_resolutions_are_those_of_all_parts():
    values = pa.array(["8928308280fffff", "832f5afffffffff", None, "832f5afffffffff"])
    assert fit(column("h3"), values, parts=4).resolutions == (3, 9)
