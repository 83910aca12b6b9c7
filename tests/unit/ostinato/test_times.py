import datetime

import numpy as np
import pyarrow as pa
import pytest

from ostinato.errors import DataError
from ostinato.sample import sortable
from ostinato.times import times

DAY = 86_400_000_000


@pytest.mark.parametrize(
    "values",
    [
        ["2020-01-02", "2020-01-03"],
        ["2020-01-02 00:00", "2020-01-03T00:00:00"],
        ["2020-01-02T00:00:00.000001Z", "2020-01-03T02:00:00+02:00"],
        ["01/02/2020", "01/03/2020"],
        ["02.01.2020", "03.01.2020"],
        ["2 Jan 2020", "Jan 3, 2020"],
        [datetime.date(2020, 1, 2), datetime.date(2020, 1, 3)],
        [datetime.datetime(2020, 1, 2), datetime.datetime(2020, 1, 3)],
    ],
)
def test_a_day_is_a_day_however_it_is_written(values):
    first, second = times(pa.array(values), "t")
    assert second - first == pytest.approx(DAY, abs=1)
    assert first == pytest.approx(18_263 * DAY, abs=1)


def test_numbers_stand_for_themselves():
    assert times(pa.array([3, None, 1]), "t").tolist()[::2] == [3.0, 1.0]
    assert times(pa.array(["1577923200", "5.5"]), "t").tolist() == [1577923200.0, 5.5]


def test_what_is_no_time_is_missing():
    assert np.isnan(times(pa.array(["soon", None, ""]), "t")).all()
    assert np.isnan(times(pa.array(["2020-13-45", "2020-01-02"]), "t")).tolist() == [True, False]


def test_other_types_are_an_error():
    with pytest.raises(DataError, match="t: holds values of type bool"):
        times(pa.array([True]), "t")


def test_sortable_keeps_the_order():
    values = np.array([-1e300, -1.0, -0.0, 0.0, 1e-300, 2.0, 1e300])
    keys = sortable(values)
    assert (np.diff(keys.astype(object)) >= 0).all()
    assert keys[2] == keys[3]
