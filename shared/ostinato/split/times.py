"""Points in time of any type as numbers that sort. N rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from ostinato.errors import DataError, Problem
from ostinato.labels import one_chunk

_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?$"
_ISO_ZONED = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})$"
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
# Where day and month could be either, a slash means month first and a point day first.
_FORMATS = (
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%d %b %Y",
    "%b %d, %Y",
    "%d-%b-%Y",
)


def times(raw: pa.Array | pa.ChunkedArray, name: str) -> np.ndarray:
    """[N] timestamps, dates, numbers or text -> [N] float64 that rise with time; NaN where there is none.

    Raises:
        DataError: the type holds no times.
    """
    array = one_chunk(raw)
    if pt.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    kind = array.type
    if pt.is_timestamp(kind):
        array = array.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64()).cast(pa.float64(), safe=False)
    elif pt.is_date(kind):
        array = array.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64(), safe=False)
    elif pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind) or pt.is_null(kind):
        array = array.cast(pa.float64(), safe=False)
    elif pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
        array = _from_text(pc.utf8_trim_whitespace(array.cast(pa.string())))
    else:
        raise DataError(Problem(name, f"holds values of type {kind}", "times, dates, numbers, or text with these"))
    values: np.ndarray = array.to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(values), values, np.nan)


def sortable(values: np.ndarray) -> np.ndarray:
    """[N] float64 -> [N] uint64 in the same order."""
    bits = (values + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    negative = bits >> np.uint64(63) == 1
    return np.where(negative, ~bits, bits | np.uint64(1 << 63))


def _from_text(texts: pa.Array) -> pa.Array:
    """[N] text -> [N] float64: microseconds, or the number that the text is."""
    found = _when(texts, _NUMBER).cast(pa.float64())
    for pattern, kind in ((_ISO, pa.timestamp("us")), (_ISO_ZONED, pa.timestamp("us", "UTC"))):
        found = pc.coalesce(found, _microseconds(_parsed(_when(texts, pattern), kind)))
    for pattern in _FORMATS:
        if not found.null_count:
            break
        rest = pc.if_else(found.is_null(), texts, pa.scalar(None, pa.string()))
        found = pc.coalesce(found, _microseconds(pc.strptime(rest, pattern, unit="us", error_is_null=True)))
    return found


def _when(texts: pa.Array, pattern: str) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(texts, pattern), texts, pa.scalar(None, pa.string()))


def _parsed(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Timestamps of texts that look like ISO 8601; where one does not exist, by the day alone."""
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        days = pc.utf8_slice_codeunits(texts, 0, 10)
        return pc.strptime(days, "%Y-%m-%d", unit="us", error_is_null=True)


def _microseconds(array: pa.Array) -> pa.Array:
    return array.cast(pa.int64()).cast(pa.float64(), safe=False)
