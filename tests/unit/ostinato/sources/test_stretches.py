"""Files cut into stretches: together they hold every row once, in order."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.batches import open_source
from ostinato.errors import DataError
from ostinato.sources.stretches import StretchSource, joined, pieces

ROWS = [{"a": str(number), "b": ["plain", 'a "quote"', "two\nlines", "a, comma"][number % 4]} for number in range(500)]


def as_csv(rows, newline="\n"):
    quoted = ['"{}"'.format(row["b"].replace('"', '""')) for row in rows]
    return newline.join(["a,b", *(f"{row['a']},{text}" for row, text in zip(rows, quoted, strict=True))]) + newline


def table(source, columns=("a", "b")):
    batches = list(source.batches(columns, dict.fromkeys(columns, pa.string())))
    return [{name: row[name] for name in columns} for batch in batches for row in batch.to_pylist()]


def in_parts(source, count, at_least=30):
    found = list(pieces(source, at_least))
    parts = [[piece for piece in found if int(piece.begins * count) == number] for number in range(count)]
    rows = []
    for part in parts:
        read = table(StretchSource(source, joined([piece.stretch for piece in part])))
        assert len(read) == sum(piece.rows for piece in part)
        rows += read
    return found, rows


@pytest.mark.parametrize("count", [1, 2, 7, 40])
@pytest.mark.parametrize(("start", "newline"), [("", "\n"), ("\ufeff", "\n"), ("\n\n", "\n"), ("", "\r\n")])
def test_csv_is_cut_between_records(tmp_path, count, start, newline):
    path = tmp_path / "data.csv"
    path.write_bytes((start + as_csv(ROWS, newline)).encode())
    found, rows = in_parts(open_source(path), count)
    assert rows == ROWS
    assert len(found) >= 15
    assert found[0].begins < 0.01


@given(st.lists(st.text(st.sampled_from('ab"\n, ;'), max_size=6), min_size=1, max_size=60))
def test_whatever_is_in_quotes_csv_is_cut_between_records(tmp_path_factory, values):
    rows = [{"a": str(number), "b": value.strip() or "x"} for number, value in enumerate(values)]
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    path.write_bytes(as_csv(rows).encode())
    source = open_source(path)
    assert in_parts(source, 4)[1] == table(source)


def test_empty_lines_are_no_rows(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,x\n\n\n2,y\n\n3,z")
    _, rows = in_parts(open_source(path), 3)
    assert [row["a"] for row in rows] == ["1", "2", "3"]


def test_a_message_about_a_line_in_the_middle_has_its_number(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,b\n" + "1,x\n" * 100 + "1,x,too many\n")
    source = open_source(path)
    good = "a,b\n" + "1,x\n" * 101
    other = tmp_path / "good.csv"
    other.write_text(good)
    last = list(pieces(open_source(other), 30))[-1].stretch
    wrong = last.model_copy(update={"file": str(path), "stop": path.stat().st_size})
    with pytest.raises(DataError, match=r"data\.csv:102"):
        table(StretchSource(source, [wrong]))


@pytest.mark.parametrize("count", [1, 3])
def test_json_lines_are_cut_between_lines(tmp_path, count):
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    _, rows = in_parts(open_source(path), count)
    assert rows == ROWS


@pytest.mark.parametrize("count", [1, 3])
def test_parquet_is_cut_between_row_groups(tmp_path, count):
    path = tmp_path / "data.parquet"
    pyarrow.parquet.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=70)
    found, rows = in_parts(open_source(path), count)
    assert rows == ROWS
    assert [piece.rows for piece in found] == [70] * 7 + [10]


def test_what_cant_be_cut_is_one_stretch_a_file(tmp_path):
    with gzip.open(tmp_path / "data.csv.gz", "wt") as file:
        file.write(as_csv(ROWS))
    pyarrow.feather.write_feather(pa.Table.from_pylist(ROWS), tmp_path / "data.feather")
    (tmp_path / "data.json").write_text(json.dumps(ROWS))
    for name in ("data.csv.gz", "data.feather", "data.json"):
        found, rows = in_parts(open_source(tmp_path / name), 3)
        assert rows == ROWS
        assert [(piece.stretch.stop, piece.rows) for piece in found] == [(None, 500)]


def test_several_files_are_one_data_set(tmp_path):
    for number, rows in enumerate(np.array_split(np.arange(500), 5)):
        (tmp_path / f"part{number}.csv").write_text(as_csv([ROWS[row] for row in rows]))
    found, rows = in_parts(open_source(tmp_path), 2)
    assert rows == ROWS
    assert sum(piece.begins < 0.5 for piece in found) == pytest.approx(len(found) / 2, abs=2)


def test_a_file_with_other_columns_is_refused(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,c\n1,2\n")
    with pytest.raises(DataError, match=r"other columns"):
        list(pieces(open_source(tmp_path), 1))


def test_stretches_of_an_object_in_a_bucket_are_read_from_the_middle(s3):
    s3.pipe_file("warehouse/data.csv", as_csv(ROWS).encode())
    _, rows = in_parts(open_source("s3://warehouse/data.csv"), 4)
    assert rows == ROWS
