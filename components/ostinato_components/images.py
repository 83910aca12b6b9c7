"""The images that the steps run in by default. `images/` makes them; `ostinato compile --image_data` names others."""

from __future__ import annotations

from ostinato import __version__

REGISTRY = "ghcr.io/ostinato"
DATA_IMAGE = f"{REGISTRY}/ostinato-data:{__version__}"
"""Resolve, infer_schema, validate_data, preprocess, verdict, notify, and train_nodes, which only waits: no torch."""
TRAIN_IMAGE = f"{REGISTRY}/ostinato-train:{__version__}"
"""Train, evaluate, export, gate, register, and the nodes of train_nodes."""
