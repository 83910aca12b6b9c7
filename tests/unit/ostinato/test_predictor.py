"""Raw rows through real columns around a network that is a formula, so that scores can be checked by hand."""

import contextlib
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.batches import open_source
from ostinato.column import column_of
from ostinato.config import Config
from ostinato.errors import DataError
from ostinato.predictor import Predictor

CONFIG = Config.model_validate(
    {
        "input_features": [
            {"type": "number", "name": "size", "column": "size (m²)"},
            {"type": "category", "name": "kind"},
        ],
        "output_features": [{"type": "number", "name": "price"}, {"type": "category", "name": "class.of it"}],
    }
)
TRAINING = pa.table(
    {
        "size (m²)": [1.0, 3.0, 1.0, 3.0],
        "kind": ["flat", "flat", "house", "flat"],
        "price": [10.0, 30.0, 10.0, 30.0],
        "class.of it": ["a", "b", "a", "a"],
    }
)


class Formula:
    """price = size + kind's code, on normalized scales; class: the kind's code decides."""

    most_rows = 0

    def scores(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        size, kind = inputs["size"], inputs["kind"]
        self.most_rows = max(self.most_rows, len(size))
        second = np.clip(kind / 2, 0, 1).astype(np.float32)
        return {"price": size + kind.astype(np.float32), "class.of it": np.stack([1 - second, second], axis=1)}

    def side_by_side(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


def fit(spec, table):
    column = column_of(spec)
    return column.fit(column.analyze(column.parse(table.column(spec.source))[0], 0))


@pytest.fixture(scope="module")
def predictor():
    specs = (*CONFIG.input_features, *CONFIG.output_features)
    return Predictor(CONFIG, {spec.name: fit(spec, TRAINING) for spec in specs}, Formula())


def raw(size=(1.0, 3.0), kind=("flat", "house")):
    return pa.table({"size (m²)": pa.array(size), "kind": pa.array(kind)})


def test_raw_rows_become_predictions_in_units(predictor):
    table = predictor.predict(raw())
    # size: mean 2, deviation 1; price: mean 20, deviation 10; codes of kind: flat 1, house 2
    assert table.column("price_predictions").to_pylist() == pytest.approx([20, 50])
    assert table.column("class.of it_predictions").to_pylist() == ["a", "b"]
    assert table.column("class.of it_probabilities_b").to_pylist() == [0.5, 1]


def test_columns_that_are_no_inputs_are_ignored(predictor):
    more = raw().append_column("price", pa.array(["?", "?"])).append_column("id", pa.array([1, 2]))
    assert predictor.predict(more).equals(predictor.predict(raw()))


def test_all_missing_columns_are_named_with_what_may_be_meant(predictor):
    with pytest.raises(DataError) as caught:
        predictor.predict(pa.table({"size (m2)": [1.0], "Kindd": ["flat"]}))
    assert [problem.where for problem in caught.value.problems] == ["size", "kind"]
    assert "did you mean 'size (m2)'?" in str(caught.value)
    assert "did you mean 'Kindd'?" in str(caught.value)


def test_unseen_categories_are_counted_and_missing_ones_are_not(predictor):
    table = predictor.predict(raw([1.0, 1.0, 1.0], ["castle", None, "flat"]))
    assert table.column("price_predictions").to_pylist() == pytest.approx([10, 10, 20])
    assert predictor.report.unseen == {"kind": 1}
    assert predictor.warnings() == ["kind: 1 of 3 values are unknown to the model (none, or too rare, in training)"]


def test_text_in_a_number_column_counts_as_missing_and_is_reported(predictor):
    table = predictor.predict(raw(["1,000", "abc", "3"], ["flat"] * 3))
    assert table.column("price_predictions").to_pylist() == pytest.approx([10_010, 30, 40])
    assert predictor.report.unparsable == {"size": 1}
    assert "such as 'abc'" in predictor.warnings()[0]


def test_every_call_has_its_own_report(predictor):
    predictor.predict(raw([1.0], ["castle"]))
    predictor.predict(raw([1.0], ["flat"]))
    assert predictor.report.rows == 1
    assert predictor.warnings() == []


def test_an_empty_table_gives_the_same_columns(predictor):
    empty = predictor.predict(raw().slice(0, 0))
    assert empty.num_rows == 0
    assert empty.schema == predictor.predict(raw()).schema


def test_an_empty_stream_gives_the_same_columns(predictor):
    class Nothing:
        uri = "nowhere"

        def column_names(self):
            return ["size (m²)", "kind"]

        def batches(self, columns, types):
            return iter(())

    (table,) = predictor.predict_stream(Nothing())
    assert table.schema == predictor.predict(raw()).schema


rows = st.lists(
    st.tuples(st.one_of(st.none(), st.floats(-9, 9)), st.sampled_from(["flat", "house", "castle", None])), min_size=1
)


@given(rows, st.integers(1, 7))
def test_batches_do_not_change_predictions(predictor, pairs, batch_size):
    size, kind = zip(*pairs, strict=True)
    table = pa.table({"size (m²)": pa.array(size, pa.float64()), "kind": pa.array(kind, pa.string())})
    whole = predictor.predict(table)
    assert predictor.predict(table, batch_size=batch_size).combine_chunks().equals(whole.combine_chunks())
    parts = list(predictor.predict_stream(open_source(table), batch_size=batch_size))
    assert pa.concat_tables(parts).combine_chunks().equals(whole.combine_chunks())


def test_the_network_gets_no_more_rows_at_once_than_asked_for(predictor):
    predictor.network.most_rows = 0
    predictor.predict(raw([1.0] * 100, ["flat"] * 100), batch_size=7)
    assert predictor.network.most_rows == 7


def test_rows_that_several_threads_predict_come_in_order_and_are_counted_once(predictor):
    sizes = np.arange(300_000, dtype=float)
    kinds = pa.array(["flat", "castle", None]).take(pa.array(np.arange(300_000) % 3))
    table = pa.table({"size (m²)": sizes, "kind": kinds})
    found = predictor.predict(table).column("price_predictions").to_numpy()
    # size: mean 2, deviation 1; price: mean 20, deviation 10; codes: flat 1, castle and nothing 0
    assert found == pytest.approx(20 + 10 * (sizes - 2 + (np.arange(300_000) % 3 == 0)), rel=1e-6)
    assert (predictor.report.rows, predictor.report.unseen) == (300_000, {"kind": 100_000})


def test_a_stream_reads_only_as_far_ahead_as_it_has_threads_for(predictor):
    read = []

    class Endless:
        uri = "endless"

        def column_names(self):
            return ["size (m²)", "kind"]

        def batches(self, columns, types):
            while True:
                read.append(1)
                yield raw()

    stream = predictor.predict_stream(Endless())
    for _ in range(3):
        next(stream)
    stream.close()
    assert len(read) < 12
