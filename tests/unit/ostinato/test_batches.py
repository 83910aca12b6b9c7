"""Reading: formats, folders, in-memory data, and everything that can be wrong with a file."""

import gzip
import json
import os

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.batches import open_source
from ostinato.errors import DataError
from ostinato.sources import blocks as blocks_module
from ostinato.sources.blocks import blocks, csv_cut
from ostinato.sources.delimited import sniff

FLOAT = pa.float64()
ROWS = {"x": [1.5, None, 3.0], "c": ["a", "b", None]}


def rows_of(source, *arguments):
    return [row for batch in open_source(source).batches(*arguments) for row in batch.to_pylist()]


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def message(path, *arguments):
    with pytest.raises(DataError) as error:
        rows_of(path, *arguments)
    return str(error.value)


@pytest.mark.parametrize("sign", list(",\t;|"))
def test_the_delimiter_is_found(tmp_path, sign):
    path = write(tmp_path, "a.csv", f"x{sign}c\n1.5{sign}a\n{sign}b\n3{sign}\n")
    assert rows_of(path, None, {"x": FLOAT}) == [{"x": x, "c": c} for x, c in zip(*ROWS.values(), strict=True)]


def test_a_comma_within_text_is_no_delimiter():
    assert sniff("name;remark\na;one, two, three\nb;four\n") == ";"


WRITERS = {
    "a.parquet": pq.write_table,
    "a.feather": pyarrow.feather.write_feather,
    "a.orc": pyarrow.orc.write_table,
    "a.jsonl": lambda table, path: path.write_text("\n".join(map(json.dumps, table.to_pylist()))),
    "a.json": lambda table, path: path.write_text(json.dumps(table.to_pylist(), indent=1)),
    "columns.json": lambda table, path: table.to_pandas().to_json(path),
    "a.csv": lambda table, path: table.to_pandas().to_csv(path, index=False),
    "a.csv.gz": lambda table, path: table.to_pandas().to_csv(path, index=False),
    "a.jsonl.gz": lambda table, path: path.write_bytes(gzip.compress(b'{"x":1.5,"c":"a"}\n{"c":"b"}\n{"x":3}\n')),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_rows(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](pa.table(ROWS), path)
    assert open_source(path).column_names() == ["x", "c"]
    assert rows_of(path, None, {"x": FLOAT}) == [{"x": x, "c": c} for x, c in zip(*ROWS.values(), strict=True)]
    assert [list(row) for row in rows_of(path, ["c"])] == [["c"]] * 3


def test_an_arrow_stream_is_read(tmp_path):
    table = pa.table(ROWS)
    with pa.ipc.new_stream(tmp_path / "a.arrows", table.schema) as writer:
        writer.write_table(table)
    assert len(rows_of(tmp_path / "a.arrows")) == 3


@pytest.mark.parametrize(
    "dataset",
    [pa.table(ROWS), pd.DataFrame(ROWS), ROWS, [{"x": 1.5, "c": "a"}, {"c": "b"}, {"x": 3.0}]],
    ids=["arrow", "pandas", "dict of lists", "list of dicts"],
)
def test_data_in_memory_is_read(dataset):
    assert rows_of(dataset) == [{"x": x, "c": c} for x, c in zip(*ROWS.values(), strict=True)]


def test_a_column_of_mixed_types_in_memory_comes_as_text():
    assert [row["m"] for row in rows_of({"m": [1, "a", 2.5, None, float("nan")]})] == ["1", "a", "2.5", None, None]


def test_frames_of_other_libraries_come_through_the_arrow_interface():
    class Frame:
        def __arrow_c_stream__(self, requested_schema=None):
            return pa.table(ROWS).__arrow_c_stream__(requested_schema)

    assert len(rows_of(Frame())) == 3


@pytest.mark.parametrize("dataset", [42, [], [1, 2], None, {"x": [1], "y": [1, 2]}, {"x": "text"}, {"x": 3}])
def test_what_has_no_columns_is_a_data_error(dataset):
    with pytest.raises(DataError):
        open_source(dataset)


def test_a_file_of_many_blocks_is_read_whole_and_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 1000)
    lines = [f'{number},"text, {number}\nwith a line end"' for number in range(2000)]
    path = write(tmp_path, "a.csv", "n,t\n" + "\n".join(lines))
    found = rows_of(path, None, {"n": FLOAT})
    assert [row["n"] for row in found] == list(range(2000))
    assert found[7]["t"] == "text, 7\nwith a line end"


@given(
    st.lists(
        st.lists(st.text(alphabet='ab",\n; 5', max_size=6), min_size=2, max_size=2),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 40),
)
def test_blocks_end_where_records_end(records, size):
    import csv
    import io

    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(records)
    whole = text.getvalue().encode()
    pieces = list(blocks(io.BytesIO(whole), csv_cut(","), size=size))
    assert b"".join(piece.data for piece in pieces) == whole
    parsed = [row for piece in pieces for row in csv.reader(io.StringIO(piece.data.decode(), newline=""))]
    assert parsed == list(csv.reader(io.StringIO(whole.decode(), newline="")))
    before = b""
    for piece in pieces:
        assert piece.first_line == 1 + before.count(b"\n")
        before += piece.data


def test_a_quote_within_a_value_does_not_shift_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 64)
    lines = [f'{number},{number}" pipe' if number % 3 else f'{number},"a\n""b"""' for number in range(300)]
    found = rows_of(write(tmp_path, "a.csv", "n,t\n" + "\n".join(lines) + "\n"), None, {"n": FLOAT})
    assert [row["n"] for row in found] == list(range(300))
    assert found[1]["t"] == '1" pipe'
    assert found[3]["t"] == 'a\n"b"'


def test_a_value_that_does_not_convert_makes_its_column_text(tmp_path):
    path = write(tmp_path, "a.csv", "x,y\n1,2\nabc,3\n")
    assert rows_of(path, None, {"x": FLOAT, "y": FLOAT}) == [{"x": "1", "y": 2.0}, {"x": "abc", "y": 3.0}]


def test_many_columns_that_do_not_convert_cost_a_few_readings_only(tmp_path):
    names = [f"c{number}" for number in range(300)]
    path = write(tmp_path, "a.csv", ",".join(names) + "\n" + ",".join(["x"] * 300) + "\n")
    assert set(rows_of(path, None, dict.fromkeys(names, FLOAT))[0].values()) == {"x"}


@pytest.mark.parametrize("word", ["", "NA", "N/A", "NaN", "null", "None", '"NA"'])
def test_words_for_missing_values_are_missing(tmp_path, word):
    path = write(tmp_path, "a.csv", f"x,c\n1,{word}\n{word},b\n")
    assert rows_of(path, None, {"x": FLOAT}) == [{"x": 1.0, "c": None}, {"x": None, "c": "b"}]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_mark_empty_lines_and_line_ends_do_not_matter(tmp_path, end):
    text = end.join(["", "naïve Größe,b.c", "1,2", "", "3,4", ""])
    path = write(tmp_path, "a.csv", b"\xef\xbb\xbf" + text.encode())
    assert [list(row.values()) for row in rows_of(path)] == [["1", "2"], ["3", "4"]]
    assert open_source(path).column_names() == ["naïve Größe", "b.c"]


ODD = ["with space", "dotted.name", "naïve Größe 数", 'quo"te', "it's", "a,b", "line\nend", "a/b", "[x]", "dotted"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_odd_column_names_work(tmp_path, ending):
    frame = pd.DataFrame({name: [f"{place}"] for place, name in enumerate(ODD)})
    path = tmp_path / f"a.{ending}"
    if ending == "csv":
        frame.to_csv(path, index=False)
    elif ending == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    assert open_source(path).column_names() == ODD
    assert rows_of(path, ["dotted", "a,b"]) == [{"dotted": "9", "a,b": "5"}]


def test_the_nameless_index_column_of_pandas_has_a_name(tmp_path):
    assert open_source(write(tmp_path, "a.csv", ",x\n0,1\n")).column_names() == ["Unnamed: 0", "x"]


def test_one_column_without_any_delimiter_is_read(tmp_path):
    assert rows_of(write(tmp_path, "a.csv", "x\n1\n2")) == [{"x": "1"}, {"x": "2"}]


def test_duplicate_names_are_listed(tmp_path):
    found = message(write(tmp_path, "a.csv", "x,y,x,z,z\n1,2,3,4,5\n"))
    assert "'x', 'z'" in found
    with pytest.raises(DataError, match="duplicate"):
        open_source(pa.table([[1], [2]], names=["x", "x"])).column_names()
    with pytest.raises(DataError, match="duplicate"):
        open_source(pd.DataFrame([[1, 2]], columns=["x", "x"]))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.parquet", "a.arrow", "a.csv.gz"])
def test_an_empty_file_is_a_data_error(tmp_path, name):
    content = gzip.compress(b"") if name.endswith("gz") else b""
    assert "empty" in message(write(tmp_path, name, content))


def test_a_header_without_rows_has_no_batches(tmp_path):
    assert rows_of(write(tmp_path, "a.csv", "x,y\n")) == []
    assert rows_of(pa.table({"x": pa.array([], FLOAT)})) == []


def test_ragged_rows_are_found_with_their_lines(tmp_path):
    lines = [f'{number},"two\nlines",c' for number in range(10)]
    lines[4] += ",extra"
    lines[6] = "6,short"
    found = message(write(tmp_path, "a.csv", "x,y,z\n" + "\n".join(lines) + "\n"))
    assert "a.csv:10: the row has 4 values" in found
    assert "a.csv:14: the row has 2 values" in found
    assert "allowed: 3" in found


def test_many_ragged_rows_are_counted(tmp_path):
    found = message(write(tmp_path, "a.csv", "x,y\n" + "1,2\n" * 60 + "1,2,3\n" * 500))
    assert found.count("the row has") == 5
    assert "495 more" in found


def test_a_quote_that_is_never_closed_is_a_data_error(tmp_path):
    found = message(write(tmp_path, "a.csv", 'x,y\n1,2\n3,"4\n5,6\n'))
    assert "a.csv:3" in found


@pytest.mark.parametrize(("encoding", "line"), [("latin-1", 3), ("cp1252", 3)])
def test_a_wrong_encoding_is_found_with_its_line_and_the_way_out(tmp_path, encoding, line):
    found = message(write(tmp_path, "a.csv", "x,c\n1,a\n2,Größe\n".encode(encoding)))
    assert f"a.csv:{line}" in found
    assert "Größe" in found
    assert "iconv -f WINDOWS-1252 -t UTF-8" in found


def test_a_wrong_encoding_of_a_name_is_found(tmp_path):
    assert "iconv" in message(write(tmp_path, "a.csv", "Größe,c\n1,a\n".encode("latin-1")))


def test_utf16_is_named(tmp_path):
    assert "iconv -f UTF-16" in message(write(tmp_path, "a.csv", "x,c\n1,a\n".encode("utf-16")))


def test_bytes_that_are_no_text_are_a_data_error(tmp_path):
    assert "no text" in message(write(tmp_path, "a.csv", b"PK\x03\x04\x00\x00\x00\x00x,y\n"))


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.orc", "a.csv.gz"])
def test_broken_files_are_a_data_error(tmp_path, name):
    content = (
        gzip.compress(os.urandom(5000))[:2000] if name.endswith("gz") else b"ARROW1 and nothing that follows from it"
    )
    found = message(write(tmp_path, name, content))
    assert name in found


@pytest.mark.parametrize(
    ("text", "place"), [('{"x": 1}\n{"x": \n', "a.jsonl:2"), ('{"x": 1}\n[2]\n', "a.jsonl:2"), ("x,y\n", "a.jsonl:1")]
)
def test_broken_json_lines_are_found_with_their_line(tmp_path, text, place):
    assert place in message(write(tmp_path, "a.jsonl", text))


def test_json_lines_of_mixed_types_come_as_text(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"x": 1, "d": "2024-01-01"}\n{"x": "a", "d": "2024-01-02"}\n')
    assert rows_of(path) == [{"x": "1", "d": "2024-01-01"}, {"x": "a", "d": "2024-01-02"}]


def test_columns_that_are_not_there_are_all_named(tmp_path):
    path = write(tmp_path, "a.csv", "age,income\n1,2\n")
    with pytest.raises(DataError) as error:
        open_source(path).batches(["agee", "nothing", "income"])
    assert "did you mean 'age'?" in str(error.value)
    assert "'nothing'" in str(error.value)


def test_a_folder_and_a_pattern_are_one_data_set(tmp_path):
    for number in range(3):
        write(tmp_path, f"part-{number}.csv", f"x,y\n{number},a\n" if number != 1 else "y,x\na,1\n")
    write(tmp_path, "_SUCCESS", "")
    write(tmp_path, "README.md", "about")
    write(tmp_path, ".hidden.csv", "z\n1\n")
    for dataset in (tmp_path, f"{tmp_path}/part-*.csv", f"{tmp_path}/"):
        assert [row["x"] for row in rows_of(dataset)] == ["0", "1", "2"]
    assert open_source(tmp_path).digest() != open_source(f"{tmp_path}/part-[01].csv").digest()


def test_files_of_other_columns_are_a_data_error(tmp_path):
    write(tmp_path, "1.csv", "x,y\n1,2\n")
    write(tmp_path, "2.csv", "x,z\n1,2\n")
    found = message(tmp_path)
    assert "2.csv" in found
    assert "lacks y" in found
    assert "adds z" in found


def test_a_folder_of_several_formats_is_a_data_error(tmp_path):
    write(tmp_path, "1.csv", "x\n1\n")
    write(tmp_path, "2.jsonl", '{"x": 1}\n')
    assert "several formats" in message(tmp_path)


@pytest.mark.parametrize(
    ("name", "data_format", "words"),
    [
        ("a.xlsx", "auto", "not implemented yet"),
        ("a.what", "auto", "--data_format"),
        ("a.csv", "excel", "not implemented yet"),
        ("a.csv", "cvs", "did you mean 'csv'?"),
        ("a.parquet.gz", "auto", "compression of their own"),
    ],
)
def test_formats_that_are_not_read_are_named(tmp_path, name, data_format, words):
    with pytest.raises(DataError) as error:
        open_source(write(tmp_path, name, "x\n1\n"), data_format)
    assert words in str(error.value)


def test_a_format_may_be_named(tmp_path):
    assert [batch.num_rows for batch in open_source(write(tmp_path, "a.what", "x\n1\n"), "csv").batches()] == [1]


def test_a_file_that_does_not_exist_is_a_data_error(tmp_path):
    write(tmp_path, "train.csv", "x\n1\n")
    assert "did you mean 'train.csv'?" in message(tmp_path / "trian.csv")
    assert "nearest folder" in message(tmp_path / "no" / "where" / "a.csv")
    assert "no file matches" in message(f"{tmp_path}/*.parquet")
    (tmp_path / "hollow").mkdir()
    assert "holds no file" in message(tmp_path / "hollow")
    assert "empty" in message("")


def test_a_file_that_may_not_be_read_is_a_data_error(open_folder, nobody):
    path = write(open_folder, "a.csv", "x\n1\n")
    assert open_source(path).column_names() == ["x"]
    path.chmod(0)
    nobody()
    assert "permission denied" in message(path)


def test_the_digest_tells_content_not_names(tmp_path):
    first, second = write(tmp_path, "a.csv", "x\n1\n"), write(tmp_path, "b.csv", "x\n1\n")
    before = open_source(first).digest()
    assert before == open_source(second).digest()
    write(tmp_path, "a.csv", "x\n2\n")
    assert open_source(first).digest() != before


@given(st.lists(st.tuples(st.none() | st.integers(-9, 9), st.none() | st.text(max_size=3), st.booleans())), st.data())
def test_the_digest_of_a_table_does_not_depend_on_its_pieces(rows, data):
    schema = pa.schema([("i", pa.int64()), ("s", pa.string()), ("b", pa.bool_())])
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    table = pa.table(dict(zip("isb", columns, strict=True)), schema)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    pieces = [table.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    assert open_source(pa.concat_tables(pieces)).digest() == open_source(table).digest()
    as_dictionary = table.set_column(1, "s", pa.chunked_array([table["s"].combine_chunks().dictionary_encode()]))
    assert open_source(as_dictionary).digest() == open_source(table).digest()
    if rows:
        changed = table.set_column(0, "i", pa.array([77, *columns[0][1:]], pa.int64()))
        assert open_source(changed).digest() != open_source(table).digest()


def test_nothing_is_written_beside_the_data(tmp_path):
    path = write(tmp_path, "a.csv", "x\n1\n")
    rows_of(path)
    open_source(path).digest()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]


def test_text_of_parquet_comes_as_a_dictionary_where_one_is_wished(tmp_path):
    pq.write_table(pa.table({"c": ["a", "b"] * 10, "n": list(range(20))}), tmp_path / "a.parquet")
    wished = {"c": pa.dictionary(pa.int32(), pa.string()), "n": pa.dictionary(pa.int32(), pa.string())}
    (batch,) = open_source(tmp_path / "a.parquet").batches(types=wished)
    assert pa.types.is_dictionary(batch.column("c").type)
    assert batch.column("n").type == pa.int64()


def test_stopping_early_ends_the_readers_threads(tmp_path):
    import threading

    path = write(tmp_path, "a.csv", "x,y\n" + "1,2\n" * 3_000_000)
    batches = open_source(path).batches()
    assert next(batches).num_rows > 1000
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reader")]


def test_long_texts_come_in_smaller_batches(tmp_path):
    pq.write_table(pa.table({"t": [f"{number}" + "x" * 50_000 for number in range(6000)]}), tmp_path / "a.parquet")
    sizes = [batch.num_rows for batch in open_source(tmp_path / "a.parquet").batches()]
    assert sum(sizes) == 6000
    assert max(sizes) < 3000


def test_a_file_that_changes_while_it_is_read_is_named(tmp_path):
    path = write(tmp_path, "a.csv", "x,y\n" + "1,2\n" * 20_000_000)
    batches = open_source(path).batches()
    next(batches)
    with path.open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"3,4\n")
    with pytest.raises(DataError, match=r"a\.csv: has changed while it was read"):
        list(batches)


def test_a_file_that_changed_since_it_was_listed_is_named_also_where_it_is_broken_now(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [1, 2]}), path)
    source = open_source(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"a\.parquet: has changed while it was read"):
        list(source.batches())
    with pytest.raises(DataError, match="has changed"):
        source.digest()


def test_a_file_that_is_gone_since_it_was_listed_is_named(tmp_path):
    for number in range(3):
        write(tmp_path, f"{number}.csv", "x\n1\n")
    source = open_source(tmp_path)
    (tmp_path / "1.csv").unlink()
    with pytest.raises(DataError, match=r"1\.csv: was there when the data were listed, and is gone"):
        list(source.batches())


def test_a_pipe_is_read_though_reading_changes_it(tmp_path):
    import threading

    os.mkfifo(tmp_path / "a.csv")
    writer = threading.Thread(target=lambda: (tmp_path / "a.csv").write_text("x\n1\n"))
    writer.start()
    names = open_source(tmp_path / "a.csv").column_names()
    writer.join()
    assert names == ["x"]


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.98])
def test_truncated_parquet_is_a_data_error_that_says_its_end_is_missing(tmp_path, kept):
    pq.write_table(pa.table({"x": list(range(10_000))}), tmp_path / "whole.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    found = message(write(tmp_path, "a.parquet", content[: int(len(content) * kept)]))
    assert "a.parquet" in found
    assert "end is missing" in found


def test_parquet_that_is_broken_within_is_a_data_error(tmp_path):
    pq.write_table(pa.table({"x": list(range(100_000))}), tmp_path / "a.parquet", use_dictionary=False)
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[1000:60_000] = bytes(59_000)
    assert "a.parquet" in message(write(tmp_path, "a.parquet", bytes(content)))


def zigzag(number):
    """A number as Thrift's compact protocol writes an i64 in a field behind its neighbour."""
    number, parts = number * 2, [0x16]
    while number > 127:
        parts.append(number % 128 + 128)
        number //= 128
    return bytes([*parts, number])


def with_sizes(path, row_group_bytes):
    """The Parquet file, with a footer that claims another size of its only row group and column."""
    metadata = pq.read_metadata(path)
    group, chunk = metadata.row_group(0), metadata.row_group(0).column(0)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    footer, new = content[-8 - length : -8], zigzag(row_group_bytes)
    for old, behind in (
        (group.total_byte_size, zigzag(group.num_rows)),
        (chunk.total_uncompressed_size, zigzag(chunk.total_compressed_size)),
    ):
        assert footer.count(zigzag(old) + behind) == 1
        footer = footer.replace(zigzag(old) + behind, new + behind)
    path.write_bytes(content[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def test_a_row_group_of_50_gb_is_refused_with_advice_before_it_is_read(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [f"word {number}" for number in range(1000)]}), path, compression="gzip")
    with_sizes(path, 50_000_000_000)
    assert pq.read_metadata(path).row_group(0).total_byte_size == 50_000_000_000
    found = message(path)
    assert "row group 0 has 50 GB in the 1 columns" in found
    assert "at most 9 GB" in found
    assert "row_group_size" in found


def test_row_groups_are_read_together_up_to_a_size(tmp_path):
    table = pa.table({"x": list(range(10_000)), "y": [f"{number}" for number in range(10_000)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=100)
    batches = list(open_source(tmp_path / "a.parquet").batches())
    assert len(batches) == 1
    assert batches[0].to_pydict() == table.to_pydict()


def test_memory_does_not_grow_with_the_row_groups_of_a_file(tmp_path):
    """A process of its own: the peak of this one is whatever other tests needed."""
    import subprocess
    import sys

    code = """
import resource, sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from ostinato.batches import open_source
path, groups = sys.argv[1], int(sys.argv[2])
with pq.ParquetWriter(path, pa.schema([("x", pa.float64())]), use_dictionary=False, compression="none") as writer:
    for number in range(groups):
        writer.write_table(pa.table({"x": np.random.default_rng(number).random(1_000_000)}))
print(sum(batch.num_rows for batch in open_source(path).batches()))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

    def peak(groups):
        command = [sys.executable, "-c", code, str(tmp_path / "a.parquet"), str(groups)]
        rows, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert int(rows) == groups * 1_000_000
        return int(kilobytes)

    assert peak(80) < 1.25 * peak(10)


def test_small_files_come_as_few_batches(tmp_path):
    for number in range(300):
        write(tmp_path, f"{number:03d}.csv", f"x,c\n{number},{'a' if number % 2 else 'b'}\n")
    wished = {"x": FLOAT, "c": pa.dictionary(pa.int32(), pa.string())}
    (batch,) = open_source(tmp_path).batches(types=wished)
    assert batch.column("x").to_pylist() == list(range(300))
    assert batch.column("c").to_pylist() == ["b", "a"] * 150


def test_files_whose_values_do_not_all_convert_come_in_batches_of_one_type_each(tmp_path):
    for number, value in enumerate(["1", "2", "x", "4"]):
        write(tmp_path, f"{number}.csv", f"x\n{value}\n")
    batches = list(open_source(tmp_path).batches(types={"x": FLOAT}))
    assert [batch.column("x").to_pylist() for batch in batches] == [[1, 2], ["x"], [4]]


@pytest.mark.slow
def test_100_000_small_files_are_read_in_bounded_memory_and_with_few_open_files(tmp_path):
    """In a process that may have 40 files open; 0.7 ms of CPU a file, of which Arrow needs most."""
    import subprocess
    import sys

    for number in range(100_000):
        write(tmp_path, f"{number:06d}.csv", f"x,word\n{number},a\n{number},b\n")
    code = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
import pyarrow as pa
from ostinato.batches import open_source
source = open_source(sys.argv[1])
source.digest()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
counts = [batch.num_rows for batch in source.batches(types={"x": pa.float64()})]
used = resource.getrusage(resource.RUSAGE_SELF)
print(sum(counts), len(counts), used.ru_maxrss - before, used.ru_utime + used.ru_stime)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    rows, batches, kilobytes, seconds = map(float, done.stdout.split())
    assert rows == 200_000
    assert batches < 10
    assert kilobytes < 100_000
    assert seconds < 300, "a file costs more than 3 ms"
