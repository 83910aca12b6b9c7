"""What tests of columns share."""

from ostinato.column import column_of
from ostinato.features.spec import INPUTS, OUTPUTS


def column(kind, *, is_output=False, **parts):
    """The column of a feature of that type; `parts` are its keys."""
    spec = (OUTPUTS if is_output else INPUTS).get(kind)
    return column_of(spec.model_validate({"name": "x", "type": kind, **parts}))


def fit(column, values, parts=1):
    """What the column learns of values, taken in so many parts."""
    parsed, _ = column.parse(values)
    step = -(-len(parsed) // parts)
    stats = column.stats_type()
    for start in range(0, len(parsed), step):
        stats = stats.merge(column.analyze(parsed.slice(start, step), start))
    assert column.stats_type.from_json(stats.to_json()).to_json() == stats.to_json()
    return column.fit(stats)


def encode(column, values, training=None):
    """[N] values as the network sees them, fitted to `training` or to themselves."""
    return column.encode(column.parse(values)[0], fit(column, values if training is None else training))
