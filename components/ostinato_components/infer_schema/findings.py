"""What a person should know of the data before learning from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ostinato.report.page import percent, short
from ostinato.schema import ColumnSchema
from ostinato.statistics.column import ColumnStats
from ostinato.type_inference import Inferred
from ostinato_components.infer_schema.pairs import Relation

Level = Literal["bad", "weak", "note"]

LEAK = 0.98
_MANY_MISSING = 0.5
_RARE_CLASS = 0.05
_FEW_OF_A_CLASS = 10
_MANY_VALUES = 1000
_FAR_DEVIATIONS = 15
_MOST_RELATIONS = 10


@dataclass(frozen=True)
class Finding:
    """One thing to know."""

    level: Level
    column: str
    """Empty where it is about all of them."""
    text: str


def findings(
    columns: Sequence[ColumnSchema],
    stats: Mapping[str, ColumnStats],
    inferred: Mapping[str, Inferred],
    explained: Mapping[str, Mapping[str, float]],
    relations: Sequence[Relation],
) -> list[Finding]:
    """Everything noteworthy, what matters most first."""
    found = [*_of_all(max((one.rows for one in stats.values()), default=0), columns)]
    for column in columns:
        if column.role == "output":
            found += _of_target(column, stats[column.name])
        found += _of_column(column, stats[column.name], inferred[column.name])
    for target, shares in explained.items():
        found += [
            Finding(
                "bad", name, f"tells the target '{target}' almost alone ({percent(share)} of its variance): a leak?"
            )
            for name, share in shares.items()
            if share >= LEAK
        ]
    found += [_of_relation(relation) for relation in relations[:_MOST_RELATIONS]]
    if len(relations) > _MOST_RELATIONS:
        found.append(Finding("note", "", f"{len(relations) - _MOST_RELATIONS} more pairs of columns say the same"))
    order = {"bad": 0, "weak": 1, "note": 2}
    return sorted(found, key=lambda finding: order[finding.level])


def _of_all(rows: int, columns: Sequence[ColumnSchema]) -> Iterator[Finding]:
    if rows < 100:
        yield Finding("weak", "", f"only {rows:,} rows: what is measured on a part of them says little")
    unused = [column for column in columns if column.role == "unused"]
    if 0 < len(unused) < len(columns):
        names = ", ".join(column.name for column in unused[:8]) + (" …" if len(unused) > 8 else "")
        yield Finding("note", "", f"{len(unused)} of {len(columns)} columns are in no feature of the config: {names}")


def _of_target(column: ColumnSchema, stats: ColumnStats) -> Iterator[Finding]:
    if stats.missing:
        share = percent(stats.missing / stats.rows)
        yield Finding(
            "weak", column.name, f"the target is missing in {stats.missing:,} rows ({share}); they can't train"
        )
    if column.type not in ("binary", "category"):
        return
    counts = stats.frequencies.most_common()
    if len(counts) == 1:
        yield Finding("bad", column.name, f"the target has one value, '{counts[0][0]}': nothing to learn")
    elif len(counts) == 2 and counts[1][1] < _RARE_CLASS * stats.present:
        share = percent(counts[1][1] / stats.present)
        yield Finding("weak", column.name, f"imbalanced: '{counts[1][0]}' is the target of {share} of the rows")
    elif len(counts) > 2:
        rare = [value for value, count in counts if count < _FEW_OF_A_CLASS]
        if rare:
            shown = ", ".join(f"'{value}'" for value in rare[:5]) + (" …" if len(rare) > 5 else "")
            yield Finding("weak", column.name, f"{len(rare)} of {len(counts)} classes have fewer than 10 rows: {shown}")
        elif counts[0][1] > 20 * counts[-1][1]:
            text = f"imbalanced: {counts[0][1]:,} rows of '{counts[0][0]}', {counts[-1][1]:,} of '{counts[-1][0]}'"
            yield Finding("weak", column.name, text)


def _of_column(column: ColumnSchema, stats: ColumnStats, inferred: Inferred) -> Iterator[Finding]:
    is_used = column.role == "input"
    level: Level = "weak" if is_used else "note"
    if inferred.left_out and column.role != "output":
        yield Finding(level, column.name, inferred.left_out)
    if stats.present and stats.missing > _MANY_MISSING * stats.rows and column.role != "output":
        yield Finding(level, column.name, f"{percent(stats.missing / stats.rows)} of the values are missing")
    if column.type == "number" and stats.no_numbers:
        shown = ", ".join(f"'{sample}'" for sample in stats.no_number_samples[:3])
        many: Level = "bad" if stats.no_numbers > 0.01 * stats.present and column.role != "unused" else level
        yield Finding(many, column.name, f"{stats.no_numbers:,} values are no numbers, such as {shown}")
    if stats.infinite:
        yield Finding(level, column.name, f"{stats.infinite:,} values are infinite; they count as missing")
    if column.type == "category" and is_used and column.distinct > _MANY_VALUES and not inferred.left_out:
        yield Finding("note", column.name, f"{column.distinct:,} different values: many for a category")
    deviation = stats.numbers.deviation()
    if column.type == "number" and deviation > 0:
        far = max(stats.maximum - stats.numbers.mean(), stats.numbers.mean() - stats.minimum) / deviation
        if far > _FAR_DEVIATIONS:
            bounds = f"{short(stats.minimum)} to {short(stats.maximum)}"
            text = f"outliers: values from {bounds}, up to {far:.0f} standard deviations from the mean"
            yield Finding("note", column.name, text)


def _of_relation(relation: Relation) -> Finding:
    match relation.kind:
        case "equal":
            return Finding("weak", relation.second, f"is the same as '{relation.first}'")
        case "one-to-one":
            return Finding(
                "note", relation.second, f"says the same as '{relation.first}': each value of one has one of the other"
            )
        case _:
            return Finding(
                "note", relation.second, f"goes with '{relation.first}': correlation {relation.correlation:.3f}"
            )
