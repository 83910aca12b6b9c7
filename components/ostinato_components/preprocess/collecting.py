"""The end of preprocessing: what the folder tells of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ostinato import __version__
from ostinato.artifacts import SPLIT_NAMES, Manifest, SplitName
from ostinato.config import Config
from ostinato.errors import DataError, Problem
from ostinato_components.preprocess.data_folder import Content
from ostinato_components.preprocess.encoding import Encoded, SplitFound
from ostinato_components.preprocess.merging import Merged
from ostinato_components.preprocess.plan import Plan
from ostinato_components.preprocess.rows import features_of

_FEW_ROWS = 20


def collect(plan: Plan, config: Config, merged: Merged, encoded: Encoded, digest_now: str) -> Content:
    """Manifest, metadata and statistics.

    Raises:
        DataError: the data have changed since their digest was taken, so nobody knows what was read.
    """
    if digest_now != plan.source_digest:
        message = "has changed while it was read"
        raise DataError(Problem(plan.uri, message, hint="run it again when nobody writes to it"))
    rows = {split: sum(shard.rows for shard in encoded.shards.get(split, ())) for split in SPLIT_NAMES}
    found = {split: encoded.found.get(split, SplitFound()) for split in SPLIT_NAMES}
    dropped = Counter(merged.findings.dropped) + Counter(found["training"].dropped)
    unknown = [
        f"{name}: {count:,} {split} rows have a class that no training row has; they count as wrong"
        for split in SPLIT_NAMES
        for name, count in found[split].unknown.items()
        if count
    ]
    manifest = Manifest(
        ostinato_version=__version__,
        source=plan.uri,
        source_digest=plan.source_digest,
        config_digest=plan.config_digest,
        seed=plan.seed,
        split=plan.split,
        splits={split: shards for split, shards in encoded.shards.items() if shards},
        dropped_rows=dict(sorted(dropped.items())),
        unparsable={
            name: {"count": one.count, "samples": list(one.samples), "infinite": one.infinite}
            for name, one in merged.findings.unparsable.items()
            if one.count or one.infinite
        },
        warnings=(*merged.warnings, *unknown, *_oddities(config, merged, rows)),
    )
    statistics: dict[str, object] = {
        split: {"rows": rows[split], "missing": found[split].missing, "unknown_targets": found[split].unknown}
        for split in SPLIT_NAMES
    }
    metadata = {name: fitted.model_dump(mode="json") for name, fitted in merged.fitted.items()}
    return Content(manifest, metadata, statistics)


def _oddities(config: Config, merged: Merged, rows: Mapping[SplitName, int]) -> list[str]:
    """What a person should know of columns, targets and splits."""
    features, findings = features_of(config), merged.findings
    warnings = [text for feature in features for text in feature.column.warnings(merged.fitted[feature.name])]
    for reason, count in findings.dropped.items():
        if reason.startswith("missing") and count > 0.05 * findings.read:
            warnings.append(f"{count:,} of {findings.read:,} rows were left out: {reason}")
    for split, count in rows.items():
        if count < _FEW_ROWS and (count or split == "validation"):
            warnings.append(f"only {count:,} {split} rows: what is measured on them says little")
    return warnings
