"""Dates: in whatever form, before 1970, with zones."""

from datetime import date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from columns import column, encode, fit

from ostinato.errors import DataError

ZONE = timezone(timedelta(hours=2))
MOMENT = [2024, 2, 29, 3, 60, 13, 5, 7, 47107]
DAY = [2024, 2, 29, 3, 60, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-02-29 13:05:07", MOMENT),
        ("2024-02-29T13:05:07.999", MOMENT),
        ("2024-02-29T13:05:07Z", MOMENT),
        ("2024-02-29T13:05:07+05:30", MOMENT),
        ("02/29/2024 13:05:07", MOMENT),
        ("29.02.2024 13:05:07", MOMENT),
        ("Thu, 29 Feb 2024 13:05:07 +0000", MOMENT),
        ("Feb 29 2024 1:05:07 PM", MOMENT),
        (1709211907, MOMENT),
        (1709211907000, MOMENT),
        ("1709211907", MOMENT),
        (datetime(2024, 2, 29, 13, 5, 7, 900), MOMENT),
        (datetime(2024, 2, 29, 13, 5, 7, tzinfo=ZONE), MOMENT),
        ("2024-02-29", DAY),
        ("29/02/2024", DAY),
        ("2024/02/29", DAY),
        ("29 Feb 2024", DAY),
        ("February 29, 2024", DAY),
        ("20240229", DAY),
        (20240229, DAY),
        (date(2024, 2, 29), DAY),
        ("2024", [2024, 1, 1, 0, 1, 0, 0, 0, 0]),
        (2024, [2024, 1, 1, 0, 1, 0, 0, 0, 0]),
        ("1969-12-31 23:59:59", [1969, 12, 31, 2, 365, 23, 59, 59, 86399]),
        (-100000000, [1966, 10, 31, 0, 304, 14, 13, 20, 51200]),
        ("0001-01-01", [1, 1, 1, 0, 1, 0, 0, 0, 0]),
    ],
)
def test_a_date_is_read_in_many_forms(value, expected):
    assert encode(column("date"), pa.array([value])).tolist() == [expected]


def test_mixed_forms_in_one_column():
    values = pa.array(["2024-02-29", "02/29/2024", "Feb 29, 2024", "never", None, "", "12:30", "5", "2024-02-31"])
    parsed, unparsable = column("date").parse(values)
    assert parsed.to_pylist()[:3] == [datetime(2024, 2, 29)] * 3
    assert parsed.null_count == 6
    assert unparsable.samples == ("never", "12:30", "5", "2024-02-31")
    assert unparsable.count == 4


def test_a_zone_of_a_column_gives_the_time_on_the_wall_there():
    values = pa.array([datetime(2024, 2, 29, 12, 5, 7)], pa.timestamp("us", "Europe/Berlin"))
    assert encode(column("date"), values).tolist() == [MOMENT]


def test_a_format_is_the_only_one_that_counts():
    own = column("date", preprocessing={"datetime_format": "%d/%m/%y"})
    parsed, unparsable = own.parse(pa.array(["03/02/24", "2024-02-03"]))
    assert parsed.to_pylist() == [datetime(2024, 2, 3), None]
    assert unparsable.samples == ("2024-02-03",)
    fraction = column("date", preprocessing={"datetime_format": "%Y-%m-%d %H:%M:%S.%f"})
    assert fraction.parse(pa.array(["2024-02-29 13:05:07.123456"]))[0].to_pylist() == [datetime(2024, 2, 29, 13, 5, 7)]


def test_a_missing_date_is_all_zeros_or_the_fill_value():
    values = pa.array(["2024-02-29", None])
    assert encode(column("date"), values)[1].tolist() == [0] * 9
    assert encode(column("date", preprocessing={"fill_value": "2024-02-29"}), values)[1].tolist() == DAY
    with pytest.raises(DataError, match="found 'soon'"):
        fit(column("date", preprocessing={"fill_value": "soon"}), values)


def test_dates_become_dates_again():
    source = column("date")
    values = pa.array(["1969-12-31 23:59:59", None, "2024-02-29"])
    found = source.decode(encode(source, values), fit(source, values))
    assert found.to_pylist() == [datetime(1969, 12, 31, 23, 59, 59), None, datetime(2024, 2, 29)]


def test_the_span_is_that_of_all_parts():
    fitted = fit(column("date"), pa.array(["2024-02-29", None, "1969-12-31 10:00:00", "2000-01-01"]), parts=4)
    assert (fitted.first, fitted.last, fitted.missing) == ("1969-12-31 10:00:00", "2024-02-29", 1)


def test_a_time_of_the_day_is_no_date():
    with pytest.raises(DataError, match="times, dates, numbers"):
        column("date").parse(pa.array([1], pa.time32("s")))
