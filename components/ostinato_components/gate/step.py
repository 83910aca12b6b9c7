"""A new model and the one in use -> whether the new one takes its place."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from ostinato import storage
from ostinato.artifacts import BUNDLE
from ostinato.batches import Source, open_source
from ostinato.errors import OstinatoError, Problem
from ostinato.gate.spec import GateSpec
from ostinato.predictor import Predictor
from ostinato_components.gate.champion import Champion, load
from ostinato_components.gate.decision import Decision, decide
from ostinato_components.gate.report import render_report
from ostinato_components.gate.scoring import score

_ATTEMPTS = 5

log = logging.getLogger("ostinato.gate")


@dataclass(frozen=True)
class Rival:
    """The model in use, as far as it can be compared with."""

    predictor: Predictor | None = None
    description: dict[str, str] | None = None
    obstacle: str = ""
    """Why the new model must be refused without a comparison."""
    note: str = ""
    """Why there is none, where that is no obstacle; or what one should know of it."""


def run(dataset: str, bundle: str, config: str, report_path: str, decision_path: str) -> Decision:
    """Measures both models, decides, moves the champion where the new model passes, writes report and decision.

    Args:
        dataset: URI of the data that the new model was made of.
        bundle: path or URI of the new model, as the step export wrote it.
        config: the section `gate` as JSON.
        report_path: where the report goes (HTML).
        decision_path: where the decision goes (JSON).

    Raises:
        DataError: the data can't be read or are others, or a bundle or store can't be read.
    """
    spec = GateSpec.model_validate_json(config, strict=False)
    source = open_source(dataset)
    challenger = load(bundle)
    for _ in range(_ATTEMPTS):
        champion = Champion(spec.champion) if spec.champion else None
        decision = _judge(spec, source, challenger, bundle, champion)
        _write(decision, report_path, decision_path)
        if champion is None or decision.verdict == "refused" or not spec.promote:
            return decision
        if place := champion.promote(bundle):
            decision = replace(decision, promoted=place)
            _write(decision, report_path, decision_path)
            log.info("the champion is now %s", place)
            return decision
        log.warning("another run has promoted its model meanwhile: comparing with that one")
    hint = "run again when fewer runs promote at the same time"
    raise OstinatoError(
        Problem(spec.champion or "", "the champion changed each time a model was to take its place", hint=hint)
    )


def _judge(spec: GateSpec, source: Source, challenger: Predictor, bundle: str, champion: Champion | None) -> Decision:
    rival = _rival(spec, challenger, source, champion)
    models = [challenger] if rival.predictor is None else [challenger, rival.predictor]
    rows = score(source, models, spec.slices)
    obstacles = [rival.obstacle] if rival.obstacle else []
    decision = decide(spec, rows, obstacles, [rival.note] if rival.note else [])
    decision = replace(decision, challenger=_described(bundle, challenger), champion=rival.description or {})
    log.info("%s, on %s test rows", decision.verdict, f"{decision.rows:,}")
    for reason in decision.reasons:
        log.info("  %s", reason)
    for note in decision.notes:
        log.info("  note: %s", note)
    return decision


def _rival(spec: GateSpec, challenger: Predictor, source: Source, champion: Champion | None) -> Rival:
    """The model in use; every way in which there is none to compare with is told by name."""
    if champion is None:
        return Rival(note="no champion is configured: only minimum and maximum decide")
    if champion.pointer is None:
        return Rival(note=f"{champion.folder} has no champion yet: only minimum and maximum decide")
    described = _described(champion.bundle, None)
    if not storage.exists(f"{champion.bundle}/{BUNDLE}"):
        message = f"the champion is missing: {champion.uri} names {champion.bundle}, where there is no bundle"
        return _without(message, spec.on_missing_champion, described)
    try:
        predictor = load(champion.bundle)
    except OstinatoError as error:
        message = f"the champion can't be read: {'; '.join(problem.message for problem in error.problems)}"
        is_damaged = any("checksum" in problem.message or "is missing" in problem.message for problem in error.problems)
        return _without(message, spec.on_missing_champion if is_damaged else spec.on_incompatible_champion, described)
    differences = list(_incompatible(spec, challenger, predictor, source.column_names()))
    if differences:
        message = f"the champion can't be compared: {'; '.join(differences)}"
        return _without(message, spec.on_incompatible_champion, described)
    return Rival(predictor, _described(champion.bundle, predictor), note=_seen(predictor, challenger))


def _described(bundle: str, predictor: Predictor | None) -> dict[str, str]:
    """What people know a model by; the version that made it is empty where it can't be read."""
    version = predictor.manifest.ostinato_version if predictor is not None and predictor.manifest else ""
    return {"bundle": bundle, "ostinato_version": version}


def _without(message: str, choice: str, described: dict[str, str]) -> Rival:
    if choice == "refuse":
        return Rival(description=described, obstacle=message)
    return Rival(description=described, note=f"{message}; only minimum and maximum decide")


def _incompatible(spec: GateSpec, challenger: Predictor, champion: Predictor, columns: list[str]) -> Iterator[str]:
    gone = [name for name in champion.columns() if name not in columns]
    if gone:
        yield "it needs columns that the data do not have: " + ", ".join(gone)
    for output in challenger.config.output_features:
        others = {other.name: other for other in champion.config.output_features}
        other = others.get(output.name)
        if other is None:
            yield f"it does not predict '{output.name}'"
        elif (other.type, other.source) != (output.type, output.source):
            theirs, ours = (f"{one.type} of column '{one.source}'" for one in (other, output))
            yield f"its '{output.name}' is a {theirs}, not a {ours}"
        elif output.type == "binary" and _classes(champion, output.name) != _classes(challenger, output.name):
            yield f"its '{output.name}' takes {' for false, '.join(_classes(champion, output.name))} for true"


def _classes(predictor: Predictor, name: str) -> tuple[str, ...]:
    return predictor.outputs[name].shape(predictor.fitted[name]).classes


def _seen(champion: Predictor, challenger: Predictor) -> str:
    """Whether the champion may have learned from rows that are test rows today."""
    theirs, ours = champion.manifest, challenger.manifest
    if theirs is None or ours is None or (theirs.source_digest, theirs.split, theirs.seed) == (
        ours.source_digest, ours.split, ours.seed,
    ):  # fmt: skip
        return ""
    kind = (ours.split or {}).get("type")
    if kind in ("hash", "fixed", "datetime"):
        return ""
    return (
        "the champion may have been trained on rows that are test rows today, and look better than it is: "
        "the splits hash, datetime and fixed keep rows in their part as the data grow"
    )


def _write(decision: Decision, report_path: str, decision_path: str) -> None:
    value = asdict(decision)
    for shown, one in zip(value["comparisons"], decision.comparisons, strict=True):
        shown["improvement"] = one.improvement
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    storage.write_bytes_atomic(decision_path, text.encode())
    storage.write_bytes_atomic(report_path, render_report(decision).encode())
