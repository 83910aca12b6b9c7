"""Any data set as a stream of Arrow batches: files by URI, tables and frames in memory.

    source = open_source("s3://bucket/folder/*.csv.gz")
    for batch in source.batches(["age", "income"], {"age": pa.float64()}): ...

CSV and TSV (comma, tab, semicolon or bar), JSON lines (also a JSON array), Parquet, Arrow IPC and Feather, ORC; CSV
and JSON also compressed by gzip. A file, a pattern or a folder; several files are one data set, in the order of their
names. Nothing is ever written beside them.
"""

from __future__ import annotations

import os
from collections import Counter

import pyarrow as pa

from ostinato import storage
from ostinato.errors import DataError, Problem, did_you_mean, listing
from ostinato.resources import usable_cores
from ostinato.sources.arrow import ORC, ArrowIPC, Parquet
from ostinato.sources.delimited import Delimited
from ostinato.sources.file import FileSource, Format
from ostinato.sources.json_lines import JSON, JSONLines
from ostinato.sources.source import Source
from ostinato.sources.table import TableSource, as_table

__all__ = ["Source", "as_table", "open_source"]

FORMATS: dict[str, Format] = {
    "csv": Delimited(None),
    "tsv": Delimited("\t"),
    "jsonl": JSONLines(),
    "json": JSON(),
    "parquet": Parquet(),
    "arrow": ArrowIPC(),
    "feather": ArrowIPC(),
    "orc": ORC(),
}
_ENDINGS = {
    "csv": "csv", "tsv": "tsv", "tab": "tsv", "txt": "csv", "data": "csv",
    "jsonl": "jsonl", "ndjson": "jsonl", "json": "json",
    "parquet": "parquet", "pq": "parquet",
    "arrow": "arrow", "arrows": "arrow", "ipc": "arrow", "feather": "arrow",
    "orc": "orc",
}  # fmt: skip
_COMPRESSED = ("csv", "tsv", "jsonl", "json")
_NOT_YET = frozenset({
    "xls", "xlsx", "xlsm", "xlsb", "odf", "ods", "odt", "excel", "hdf5", "h5", "html", "sas", "sas7bdat", "sav", "spss",
    "dta", "stata", "fwf", "avro", "zip", "bz2", "xz", "zst", "pickle", "pkl",
})  # fmt: skip
_IN_MEMORY = frozenset({"df", "dataframe", "dict", "dictionary"})


def open_source(dataset: object, data_format: str = "auto") -> Source:
    """The data set as a source of Arrow batches.

    Args:
        dataset: path or URI of a file, pattern or folder; Arrow table or batch, pandas or polars DataFrame, dict of
            lists, list of dicts; a `Source` is given back.
        data_format: `auto` tells it by the ending of the name; else one of FORMATS.

    Raises:
        DataError: there is no such file, or it is of no kind that can be read.
    """
    if isinstance(dataset, Source):
        return dataset
    if pa.cpu_count() > usable_cores():  # Arrow counts the cores of the host, not those of the container
        pa.set_cpu_count(usable_cores())
    if not isinstance(dataset, str | os.PathLike):
        return TableSource(as_table(dataset))
    uri = os.fspath(dataset)
    if not isinstance(uri, str) or not uri.strip():
        raise DataError(Problem("dataset", "the name of the data is empty", "a path or URI"))
    files = storage.find(uri)
    if data_format not in ("auto", *_IN_MEMORY):
        return FileSource(uri, files, _format_named(uri, data_format))
    if len(files) > 1:
        # A README in a folder of data is no data.
        files = [file for file in files if _ending(file.uri)[0] in _ENDINGS] or files
    kinds = Counter(_format_of(file.uri) for file in files)
    if len(kinds) > 1:
        found = listing(f"{count} of {kind}" for kind, count in kinds.items())
        raise DataError(Problem(uri, f"holds files of several formats: {found}", hint="use a pattern, such as *.csv"))
    return FileSource(uri, files, FORMATS[next(iter(kinds))])


def _format_named(uri: str, name: str) -> Format:
    if name in FORMATS:
        return FORMATS[name]
    what = "is not implemented yet" if name in _NOT_YET else "is not known"
    hint = did_you_mean(name, FORMATS)
    raise DataError(Problem(uri, f"the format '{name}' {what}", listing(["auto", *FORMATS]), hint))


def _ending(file: str) -> tuple[str, bool]:
    """The ending of a name in lower case, and whether .gz stood behind it."""
    # A web address may have a query; anywhere else a question mark is a part of the name.
    path = file.partition("?")[0] if storage.is_http(file) else file
    name = path.rpartition("/")[2].lower()
    packed = name.endswith(".gz")
    return name.removesuffix(".gz").rpartition(".")[2], packed


def _format_of(file: str) -> str:
    """Raises DataError where the ending tells no format that can be read."""
    ending, packed = _ending(file)
    name = _ENDINGS.get(ending, "")
    if name and not (packed and name not in _COMPRESSED):
        return name
    allowed = "CSV, TSV, JSON lines (each also .gz), JSON, Parquet, Arrow, Feather, ORC"
    if packed and name:
        raise DataError(Problem(file, f"{name} files are not read through gzip; they have a compression of their own"))
    if ending in _NOT_YET:
        raise DataError(Problem(file, f"the format .{ending} is not implemented yet", allowed, "convert it to one"))
    hint = f"name it with --data_format: {listing(FORMATS)}"
    raise DataError(Problem(file, "the name does not tell the format", allowed, hint))
