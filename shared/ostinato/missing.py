"""Filling gaps of a column from the rows before or behind (`ffill`, `bfill`), batch after batch. N rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Gaps:
    """Which rows of a batch are filled from a neighbour, and which can be that neighbour."""

    usable: np.ndarray
    """[N] bool: rows whose value may be copied."""
    forward: np.ndarray
    """[N] bool: rows that take the last usable value before them."""
    backward: np.ndarray
    """[N] bool: rows that take the next usable value behind them."""


def missing(column: pa.Array) -> np.ndarray:
    """[N] bool, true where the value is null."""
    mask: np.ndarray = column.is_null().to_numpy(zero_copy_only=False)
    return mask


def gaps_of_missing(column: pa.Array, strategy: str) -> Gaps | None:
    """The gaps that missing values leave, None where the strategy is neither `ffill` nor `bfill`."""
    if strategy not in ("ffill", "bfill"):
        return None
    gap = missing(column)
    nothing = np.zeros(len(column), bool)
    return Gaps(~gap, gap, nothing) if strategy == "ffill" else Gaps(~gap, nothing, gap)


def fill_gaps(column: pa.Array, gaps: Gaps, before: pa.Array, behind: pa.Array) -> pa.Array:
    """[N] with the gaps filled; where one direction has no value, from the other; null where neither has.

    `before` and `behind` hold the nearest usable value outside the batch, or nothing.
    """
    if not (gaps.forward.any() or gaps.backward.any()):
        return column
    whole = pa.concat_arrays([before, column, behind]) if len(before) + len(behind) else column
    usable = np.concatenate([np.ones(len(before), bool), gaps.usable, np.ones(len(behind), bool)])
    places = np.arange(len(whole))
    last = np.maximum.accumulate(np.where(usable, places, -1))
    following = np.minimum.accumulate(np.where(usable, places, len(whole))[::-1])[::-1]
    here = slice(len(before), len(before) + len(column))
    last, following, own = last[here], following[here], places[here]
    has_last, has_following = last >= 0, following < len(whole)
    source = np.where(gaps.forward, np.where(has_last, last, following), own)
    source = np.where(gaps.backward, np.where(has_following, following, last), source)
    nowhere = (gaps.forward | gaps.backward) & ~has_last & ~has_following
    return whole.take(pa.array(source, mask=nowhere))


def last_usable(column: pa.Array, gaps: Gaps, before: pa.Array) -> pa.Array:
    """The last usable value up to the end of this batch, or nothing."""
    places = np.flatnonzero(gaps.usable)
    return column.slice(int(places[-1]), 1) if len(places) else before


def first_usable(column: pa.Array, gaps: Gaps) -> pa.Array:
    """The first usable value of this batch, or nothing."""
    places = np.flatnonzero(gaps.usable)
    return column.slice(int(places[0]) if len(places) else 0, min(1, len(places)))
