"""Values of any type as text, so that 1, 1.0, "1" and "1.0" are the same value wherever they come from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from ostinato.errors import DataError, Problem

DICTIONARY = pa.dictionary(pa.int32(), pa.string())


def labels(raw: pa.Array | pa.ChunkedArray, name: str, lowercase: bool = False) -> pa.DictionaryArray:
    """[N] of any simple type -> [N] dictionary of text without spaces around; empty text and NaN are null.

    Whole numbers have no point: 1.0 and "1.0" are "1". Booleans are "True" and "False", as pandas writes them.
    Only the distinct values are looked at, so the cost is that of the dictionary.

    Raises:
        DataError: lists, structs and other types that are no single value.
    """
    array = one_chunk(raw)
    if pt.is_null(array.type):
        return pa.DictionaryArray.from_arrays(pa.nulls(len(array), pa.int32()), pa.array([], pa.string()))
    if pt.is_nested(array.type):
        raise DataError(Problem(name, f"holds values of type {array.type}", "text, numbers, booleans or times"))
    if not pt.is_dictionary(array.type):
        array = array.dictionary_encode()
    texts = _texts(array.dictionary)
    if lowercase:
        texts = pc.utf8_lower(texts)
    indices = array.indices.cast(pa.int32())
    encoded = texts.dictionary_encode()
    if len(encoded.dictionary) < len(texts):  # values that became equal, or null
        return pa.DictionaryArray.from_arrays(encoded.indices.take(indices), encoded.dictionary)
    return pa.DictionaryArray.from_arrays(indices, texts)


def label(value: str | int | float | bool) -> str:
    """Text of one value, as `labels` gives it; empty where that is null."""
    text = labels(pa.array([value]), "")[0].as_py()
    return text or ""


def one_chunk(raw: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The same values in one piece."""
    if not isinstance(raw, pa.ChunkedArray):
        return raw
    if raw.num_chunks == 1:
        return raw.chunk(0)
    combined = raw.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined


def _texts(values: pa.Array) -> pa.Array:
    """Distinct values of any simple type -> text; empty and NaN become null."""
    kind = values.type
    if pt.is_boolean(kind):
        return pc.if_else(values, "True", "False")
    if pt.is_floating(kind):
        return _float_texts(values.cast(pa.float64()))
    texts = values.cast(pa.string())
    if pt.is_integer(kind):
        return texts
    texts = pc.utf8_trim_whitespace(texts)
    texts = pc.replace_substring_regex(texts, r"^([+-]?[0-9]+)\.0+$", r"\1")
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _float_texts(values: pa.Array) -> pa.Array:
    numbers = values.to_numpy(zero_copy_only=False)
    whole = (np.abs(numbers) < 2.0**53) & (np.trunc(numbers) == numbers)  # NaN and inf are not whole
    as_whole = pa.array(np.where(whole, numbers, 0.0).astype(np.int64)).cast(pa.string())
    texts = pc.if_else(pa.array(whole), as_whole, values.cast(pa.string()))
    return pc.if_else(pa.array(np.isnan(numbers)), pa.scalar(None, pa.string()), texts)
