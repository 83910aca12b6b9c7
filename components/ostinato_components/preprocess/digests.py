"""Names of contents: what of a config and of the data decides on the result."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future

from ostinato.batches import Source
from ostinato.config import Config


def config_digest(config: Config, seed: int) -> str:
    """Digest of all that preprocessing reads of a config."""
    kept = {"name", "type", "column", "tied", "preprocessing"}
    specs = (*config.input_features, *config.output_features)
    features = [spec.model_dump(mode="json", include=kept) for spec in specs]
    read = {"features": features, "preprocessing": config.preprocessing.model_dump(mode="json"), "seed": seed}
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def source_digest(sources: Mapping[str, Source]) -> str:
    """Digest of the content of all sources."""
    digests = [source.digest() for source in sources.values()]
    return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()


def source_digest_meanwhile(sources: Mapping[str, Source]) -> Future[str]:
    """The same, while other work is done."""
    found: Future[str] = Future()

    def work() -> None:
        try:
            found.set_result(source_digest(sources))
        except BaseException as error:  # noqa: BLE001 (it is raised where the result is asked for)
            found.set_exception(error)

    # A daemon, unlike the threads of a pool: nobody waits for it who wants to end, and it may take minutes.
    threading.Thread(target=work, daemon=True).start()
    return found
