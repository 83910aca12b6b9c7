"""Points in time of any type. N rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from dateutil import parser as dateutil

from ostinato.errors import DataError, Problem
from ostinato.labels import one_chunk

WALL_TIME = pa.timestamp("s")
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?$"
_ISO_ZONED = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})$"
_ZONE = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"
_TIME = r" [0-9:]+$"
_LATE_DAY = r"(^|[^0-9])(29|30|31)([^0-9]|$)"
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
# Where day and month could be either, a slash means month first and a point day first.
_FORMATS = (
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%d %b %Y",
    "%b %d, %Y",
    "%d-%b-%Y",
)
_UNITS = ((1e8, 1e11, 1.0), (1e11, 1e14, 1e3), (1e14, 1e17, 1e6), (1e17, 1e20, 1e9))
"""From, to: numbers of that size count so many parts of a second since 1970."""
_LATEST = 253402300800
"""Seconds from 1970 to the year 10000; no value is later."""
_EARLIEST = -62135596800
"""Seconds from 1970 to the year 1; no value is earlier."""


def times(raw: pa.Array | pa.ChunkedArray, name: str) -> np.ndarray:
    """[N] timestamps, dates, numbers or text -> [N] float64 that rise with time; NaN where there is none.

    Raises:
        DataError: the type holds no times.
    """
    array = _plain(raw)
    kind = array.type
    if pt.is_timestamp(kind):
        array = array.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64()).cast(pa.float64(), safe=False)
    elif pt.is_date(kind):
        array = array.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64(), safe=False)
    elif _is_number(kind):
        array = array.cast(pa.float64(), safe=False)
    elif _is_text(kind):
        texts = pc.utf8_trim_whitespace(array.cast(pa.string()))
        numbers = _when(texts, _NUMBER).cast(pa.float64())
        array = pc.coalesce(numbers, _microseconds(_instants(_without(texts, numbers))))
    else:
        raise _no_times(name, kind)
    values: np.ndarray = array.to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(values), values, np.nan)


def wall_times(raw: pa.Array | pa.ChunkedArray, name: str, form: str | None = None) -> pa.TimestampArray:
    """[N] timestamps, dates, numbers or text -> [N] what a clock on the wall shows, to the second; null where unknown.

    A time with a zone is that of its own zone. Numbers are years, days such as 20240131, or seconds, milliseconds,
    micro- or nanoseconds since 1970, by their size. Texts in another form than `form`, as Python's strptime knows it,
    are unknown; without it the usual ones are understood.

    Raises:
        DataError: the type holds no times.
    """
    array = _plain(raw)
    kind = array.type
    if pt.is_timestamp(kind):
        array = pc.local_timestamp(array) if kind.tz else array
        seconds = _floor_seconds(array)
    elif pt.is_date(kind):
        seconds = array.cast(pa.timestamp("ms")).cast(WALL_TIME, safe=False)
    elif _is_number(kind):
        seconds = _of_numbers(array.cast(pa.float64(), safe=False))
    elif _is_text(kind):
        seconds = _of_texts(pc.utf8_trim_whitespace(array.cast(pa.string())), form)
    else:
        raise _no_times(name, kind)
    numbers = seconds.cast(pa.int64())
    possible = pc.and_(pc.greater_equal(numbers, _EARLIEST), pc.less(numbers, _LATEST))
    return pc.if_else(possible, seconds, pa.scalar(None, WALL_TIME))


def _plain(raw: pa.Array | pa.ChunkedArray) -> pa.Array:
    array = one_chunk(raw)
    return array.cast(array.type.value_type) if pt.is_dictionary(array.type) else array


def _is_number(kind: pa.DataType) -> bool:
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind) or pt.is_null(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def _no_times(name: str, kind: pa.DataType) -> DataError:
    return DataError(Problem(name, f"holds values of type {kind}", "times, dates, numbers, or text with these"))


def _of_texts(texts: pa.Array, form: str | None) -> pa.Array:
    """[N] texts -> [N] seconds on the wall."""
    if form is not None:
        try:
            found = _strptime(texts, form).cast(WALL_TIME)
        except pa.ArrowInvalid:  # a directive that only Python knows
            found = pa.nulls(len(texts), WALL_TIME)
        return _coalesced(found, texts, lambda text: datetime.strptime(text, form))
    numbers = _when(texts, _NUMBER).cast(pa.float64())
    local = pc.replace_substring_regex(_when(texts, _ISO_ZONED), _ZONE, "")
    others = pc.coalesce(local, texts)
    found = pc.coalesce(_of_numbers(numbers), _floor_seconds(_instants(_without(others, numbers))))
    return _coalesced(found, _without(texts, numbers), _understood)


def _coalesced(found: pa.Array, texts: pa.Array, read: Callable[[str], datetime]) -> pa.Array:
    """What is not found yet, read from the distinct texts one by one."""
    rest = pc.if_else(found.is_null(), texts, pa.scalar(None, pa.string()))
    if rest.null_count == len(rest):
        return found
    encoded = rest.dictionary_encode()
    seconds: list[int | None] = []
    for text in encoded.dictionary.to_pylist():
        try:
            moment = read(text).replace(tzinfo=None) - datetime(1970, 1, 1)
            seconds.append(moment.days * 86400 + moment.seconds)
        except (ValueError, OverflowError):
            seconds.append(None)
    return pc.coalesce(found, pa.array(seconds, pa.int64()).cast(WALL_TIME).take(encoded.indices))


def _understood(text: str) -> datetime:
    """A text in any of the forms that people use; a month or day that it leaves out is the first.

    Raises:
        ValueError: it is none, or says no year.
    """
    first, second = (dateutil.parse(text, default=datetime(year, 1, 1)) for year in (1, 2))
    if first.year != second.year:
        raise ValueError("no year")
    return first


def _of_numbers(numbers: pa.Array) -> pa.Array:
    """[N] float64 -> [N] seconds on the wall."""
    values = numbers.to_numpy(zero_copy_only=False)
    whole = np.where(np.isfinite(values) & (values == np.trunc(values)), values, 0).astype(np.int64)
    seconds = np.full(len(values), np.datetime64("NaT", "s"))
    years = (whole >= 1000) & (whole < 3000)
    seconds[years] = (whole[years] - 1970).astype("datetime64[Y]").astype("datetime64[s]")
    year, month, day = whole // 10000, whole // 100 % 100, whole % 100
    days = (year >= 1000) & (year < 3000) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    start = (year[days] - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month[days] - 1)
    dates = start.astype("datetime64[D]") + (day[days] - 1)
    seconds[days] = np.where(dates.astype("datetime64[M]") == start, dates, np.datetime64("NaT"))
    for low, high, parts in _UNITS:
        inside = (np.abs(values) >= low) & (np.abs(values) < high)
        seconds[inside] = np.floor(values[inside] / parts).astype(np.int64).astype("datetime64[s]")
    return pa.array(seconds)


def _floor_seconds(array: pa.Array) -> pa.Array:
    """[N] timestamps -> [N] of the whole second before."""
    if array.type.unit == "s":
        return array
    parts = {"ms": 10**3, "us": 10**6, "ns": 10**9}[array.type.unit]
    numbers = array.cast(pa.int64()).fill_null(0).to_numpy() // parts
    return pa.array(numbers, mask=array.is_null().to_numpy(zero_copy_only=False)).cast(WALL_TIME)


def _instants(texts: pa.Array) -> pa.Array:
    """[N] text -> [N] timestamps of microseconds; a zone is taken off."""
    found = pa.nulls(len(texts), pa.timestamp("us"))
    for pattern, kind in ((_ISO, pa.timestamp("us")), (_ISO_ZONED, pa.timestamp("us", "UTC"))):
        found = pc.coalesce(found, _parsed(_when(texts, pattern), kind).cast(pa.int64()).cast(pa.timestamp("us")))
    for pattern in _FORMATS:
        rest = _without(texts, found)
        if rest.null_count == len(rest):
            break
        found = pc.coalesce(found, _strptime(rest, pattern))
    return found


def _when(texts: pa.Array, pattern: str) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(texts, pattern), texts, pa.scalar(None, pa.string()))


def _without(texts: pa.Array, found: pa.Array) -> pa.Array:
    return pc.if_else(found.is_null(), texts, pa.scalar(None, pa.string()))


def _parsed(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Timestamps of texts that look like ISO 8601; where one does not exist, by the day alone."""
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        days = pc.utf8_slice_codeunits(texts, 0, 10)
        return _strptime(days, "%Y-%m-%d")


def _strptime(texts: pa.Array, form: str) -> pa.Array:
    """[N] texts -> [N] timestamps of microseconds; null where a text has another form, or says no day that there is.

    Arrow (26) takes 31 February for 2 March.
    """
    found = pc.strptime(texts, form, unit="us", error_is_null=True)
    dates = pc.replace_substring_regex(texts, _TIME, "")
    rolled = pc.and_(pc.match_substring_regex(dates, _LATE_DAY), pc.less_equal(pc.day(found), 3))
    return pc.if_else(rolled, pa.scalar(None, found.type), found)


def _microseconds(array: pa.Array) -> pa.Array:
    return array.cast(pa.int64()).cast(pa.float64(), safe=False)
