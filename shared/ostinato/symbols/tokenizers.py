"""Values cut into symbols, column by column. N rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ostinato.symbols.spec import Tokenizer

# Letters, digits and the underscore make words, everything else but space stands alone; RE2's \w knows only ASCII.
_SPACE = r"\s\p{Z}\v\x{1c}-\x{1f}\x{85}"
_PUNCTUATION = rf"([^\p{{L}}\p{{M}}\p{{N}}_{_SPACE}])"
_BLANK = rf"^[{_SPACE}]*$"
BREAK = "\x00"
"""Stands between symbols where they are joined to one text."""


def is_blank(texts: pa.Array) -> pa.BooleanArray:
    """[N] bool, true where a text is nothing but space; null stays null."""
    return pc.match_substring_regex(texts, _BLANK)


def cut(texts: pa.Array, tokenizer: Tokenizer, *, lowercase: bool) -> pa.ListArray:
    """[N] texts -> [N] lists of symbols; no symbol is empty, a missing text has none."""
    texts = pc.fill_null(texts, "") if texts.null_count else texts
    if lowercase:
        texts = pc.ascii_lower(texts) if _is_plain(texts) else pc.utf8_lower(texts)
    return without(_TOKENIZERS[tokenizer](texts), lambda symbols: pc.binary_length(symbols).to_numpy() > 0)


def without(lists: pa.ListArray, is_kept: Callable[[pa.Array], np.ndarray]) -> pa.ListArray:
    """[N] lists without the elements for which `is_kept` ([M] -> [M] bool) says no; null is the list of none."""
    elements, offsets = lists.flatten(), np.concatenate([[0], np.cumsum(lengths(lists))])
    kept = is_kept(elements)
    if not kept.all():
        offsets = np.concatenate([[0], np.cumsum(kept)])[offsets]
        elements = elements.filter(pa.array(kept))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements)


def lengths(lists: pa.ListArray) -> np.ndarray:
    """[N] elements of each list; a missing one has none."""
    found: np.ndarray = pc.list_value_length(lists).fill_null(0).to_numpy()
    return found


def _split_whitespace(texts: pa.Array) -> pa.ListArray:
    # In plain text the fast function finds the same.
    if _is_plain(texts):
        return pc.ascii_split_whitespace(texts)
    # Arrow (26) reads behind the end of a text that ends with several spaces, and finds one more symbol or not.
    return pc.utf8_split_whitespace(pc.utf8_rtrim_whitespace(texts))


def _is_plain(texts: pa.Array) -> bool:
    """Whether there is ASCII only, and no separator of files or records, which Unicode takes for space."""
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[[texts.offset, texts.offset + len(texts)]]
    letters = np.frombuffer(data or b"", np.uint8)[bounds[0] : bounds[1]]
    return not len(letters) or bool(letters.max() < 128 and not (letters - np.uint8(0x1C) < 4).any())


_TOKENIZERS: dict[Tokenizer, Callable[[pa.Array], pa.ListArray]] = {
    "space": _split_whitespace,
    "space_punct": lambda t: _split_whitespace(pc.replace_substring_regex(t, _PUNCTUATION, r" \1 ")),
    "characters": lambda t: pc.split_pattern(pc.replace_substring_regex(t, "(?s)(.)", rf"\1{BREAK}"), BREAK),
    "underscore": lambda t: pc.split_pattern(t, "_"),
    "comma": lambda t: pc.split_pattern_regex(pc.utf8_trim_whitespace(t), r"\s*,\s*"),
    "untokenized": lambda t: pc.split_pattern(t, BREAK),
    "stripped": lambda t: pc.split_pattern(pc.utf8_trim_whitespace(t), BREAK),
}
