import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ostinato import counts
from ostinato.counts import Counts

words = st.lists(st.sampled_from("abcdefgh"), max_size=40)


def of(values):
    return Counts.of(pa.array(values, pa.string()).dictionary_encode())


def test_the_most_frequent_come_first_ties_by_name():
    assert of(["b", "a", "c", "b", None, "é", "Z"]).most_common() == (["b", "Z", "a", "c", "é"], [2, 1, 1, 1, 1])


@given(words, words, words)
def test_merging_is_counting_together(first, second, third):
    whole = of([*first, *second, *third]).to_json()
    assert of(first).merge(of(second)).merge(of(third)).to_json() == whole
    assert of(third).merge(of(first).merge(of(second))).to_json() == whole
    assert Counts().merge(of(first)).to_json() == of(first).to_json()


@given(words)
def test_json_brings_counts_back(values):
    assert Counts.from_json(of(values).to_json()).to_json() == of(values).to_json()


def test_unused_dictionary_entries_do_not_count():
    array = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), pa.array(["a", "b"]))
    assert Counts.of(array).most_common() == (["a"], [2])


def test_beyond_the_bound_counts_are_too_low_by_the_stated_error_at_most(monkeypatch):
    monkeypatch.setattr(counts, "MAX_DISTINCT", 10)
    whole = Counts()
    for start in range(0, 100, 10):
        whole = whole.merge(of(["often"] * 20 + [f"rare {start + i}" for i in range(10)])).settled()
    values, numbers = whole.most_common()
    assert values[0] == "often"
    assert 200 - whole.error <= numbers[0] <= 200
    assert len(values) <= 10


def test_a_hundred_thousand_values_are_counted_exactly():
    names = [f"name {i}" for i in range(100_000)]
    whole = Counts()
    for start in range(0, 100_000, 30_000):
        whole = whole.merge(of(names[start : start + 30_000]))
    whole = whole.merge(of(names))
    assert len(whole.settled().values) == 100_000
    assert whole.total() == 200_000
    assert whole.error == 0
