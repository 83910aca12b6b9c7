"""The end of a run that a step before has refused.

A task of Kubeflow that fails uploads nothing but its log. So who refuses data or a model ends well, with its report,
and this step fails in its place.
"""

from __future__ import annotations

from ostinato_components.task import from_json


def run(refusal: str) -> None:
    """Nothing where there is no refusal.

    Raises:
        OstinatoError: the one that was refused with, of its class: DataError (exit code 3), GateError (5).
    """
    if refusal:
        raise from_json(refusal)
