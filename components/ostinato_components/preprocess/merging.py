"""Between the passes: what the parts found becomes one, and every column is fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ostinato.artifacts import SPLIT_NAMES, SplitName
from ostinato.column import Fitted, Stats, read_fitted
from ostinato.config import Config
from ostinato.errors import DataError, Problem
from ostinato.split.data import RESERVE, RESERVE_SHARE, TRAINING, VALIDATION
from ostinato_components.preprocess.analysis import Analyzed
from ostinato_components.preprocess.plan import Plan
from ostinato_components.preprocess.rows import Feature, Findings, check_unparsable, features_of
from ostinato_components.preprocess.spill import Spill


@dataclass(frozen=True)
class Merged:
    """All that encoding needs besides the rows."""

    fitted: dict[str, Fitted]
    """By feature."""
    spills: dict[SplitName, tuple[Spill, ...]]
    """Where the rows of each split lie, in their order."""
    findings: Findings
    """Of all rows."""
    warnings: tuple[str, ...]
    """What a person should know of the data."""

    def to_json(self) -> dict[str, Any]:
        """A value that `json` can write and `from_json` reads back exactly."""
        return {
            "fitted": {name: fitted.model_dump(mode="json") for name, fitted in self.fitted.items()},
            "spills": {
                split: [spill.model_dump(mode="json") for spill in spills] for split, spills in self.spills.items()
            },
            "findings": self.findings.to_json(),
            "warnings": self.warnings,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], config: Config) -> Merged:
        """The inverse of `to_json`."""
        specs = (*config.input_features, *config.output_features)
        return cls(
            {spec.name: read_fitted(spec, value["fitted"][spec.name]) for spec in specs},
            {
                split: tuple(Spill.model_validate(spill, strict=False) for spill in value["spills"][split])
                for split in SPLIT_NAMES
            },
            Findings.from_json(value["findings"]),
            tuple(value["warnings"]),
        )


def merge(plan: Plan, config: Config, parts: Sequence[Analyzed]) -> Merged:
    """What all parts found, in their order; decides what becomes of the rows in reserve.

    Raises:
        DataError: there are no training rows; too many values can't be read; nothing can be learned from some
            columns, all of which are named.
    """
    features = features_of(config)
    findings = sum((part.findings for part in parts), Findings())
    kinds = [tuple(part.spills[kind] for part in parts) for kind in (*range(len(SPLIT_NAMES)), RESERVE)]
    rows = [sum(spill.rows for spill in spills) for spills in kinds]
    warnings = list(plan.warnings)
    analyzed = [part.stats[TRAINING] for part in parts]
    # The reserve comes last, so that the rows of a file keep their order as far as can be.
    if rows[VALIDATION]:
        kinds[TRAINING] += kinds[RESERVE]
        analyzed += [part.stats[RESERVE] for part in parts]
    else:
        kinds[VALIDATION] += kinds[RESERVE]
        if rows[RESERVE]:
            warnings.append(
                f"no validation rows given: {RESERVE_SHARE:.0%} of the training rows "
                f"({rows[RESERVE]:,}) were set aside for validation"
            )
    if not findings.read:
        raise DataError(Problem("dataset", "has no rows: a header and nothing behind it"))
    if not sum(spill.rows for spill in kinds[TRAINING]):
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in findings.dropped.items() if count)
        found = f"{findings.read:,} rows were read" + (f", left out: {reasons}" if reasons else "")
        raise DataError(Problem("", f"no training rows: {found}", hint="check the split and the targets"))
    warnings += check_unparsable(features, config, findings)
    stats = [feature.column.stats_type() for feature in features]
    for mine in analyzed:
        stats = [one.merge(other) for one, other in zip(stats, mine, strict=True)]
    return Merged(_fit(features, stats), dict(zip(SPLIT_NAMES, kinds, strict=False)), findings, tuple(warnings))


def _fit(features: Sequence[Feature], stats: Sequence[Stats]) -> dict[str, Fitted]:
    """By feature, what encoding needs; tied inputs share the statistics of all of them.

    Raises:
        DataError: nothing can be learned from some columns; all of them are named.
    """
    groups: dict[str, list[int]] = {}
    roots = {feature.name: feature.tied for feature in features}
    for index, feature in enumerate(features):
        root = feature.name
        while (further := roots.get(root)) is not None:
            root = further
        groups.setdefault(root, []).append(index)
    fitted: dict[str, Fitted] = {}
    problems: list[Problem] = []
    for indices in groups.values():
        merged = stats[indices[0]]
        for index in indices[1:]:
            merged = merged.merge(stats[index])
        for index in indices:
            feature = features[index]
            try:
                fitted[feature.name] = feature.column.fit(merged)
            except DataError as error:
                problems.extend(error.problems)
    if problems:
        raise DataError(problems)
    return {feature.name: fitted[feature.name] for feature in features}
