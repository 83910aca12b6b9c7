"""A config as it travels from step to step: one text, compressed where it is large.

KFP hands it on as an argument, of which Linux takes 128 KiB, and writes it into the workflow several times, its quotes
escaped again each time. Compressed it has no quotes.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib

from ostinato.errors import ConfigError, Problem

MOST_PLAIN_BYTES = 10_000
"""As much as every backend carries as a parameter."""
MOST_BYTES = 60_000
"""Four tasks have the config, the workflow has it three times for each, and may have 1.5 MiB."""
_MOST_UNPACKED_BYTES = 50_000_000
_HEAD = "zlib:"


def packed(text: str) -> str:
    """The text, or where it is large `zlib:` and its base64; always the same for the same text."""
    content = text.encode()
    if len(content) <= MOST_PLAIN_BYTES:
        return text
    return _HEAD + base64.b64encode(zlib.compress(content, 9)).decode()


def unpacked(text: str) -> str:
    """The text that was packed, or one that never was.

    Raises:
        ConfigError: it is broken.
    """
    if not text.startswith(_HEAD):
        return text
    try:
        unpack = zlib.decompressobj()
        content = unpack.decompress(base64.b64decode(text[len(_HEAD) :], validate=True), _MOST_UNPACKED_BYTES)
        if unpack.eof:
            return content.decode()
        problem = "ends too early, or is too large"
    except (binascii.Error, zlib.error, UnicodeDecodeError) as error:
        problem = str(error)
    raise ConfigError(Problem("config", f"is no whole compressed text: {problem}"))


def check_size(text: str) -> None:
    """Raises ConfigError where a packed config can't travel through a pipeline."""
    size = len(json.dumps(text).encode())
    if size > MOST_BYTES:
        message = f"has {size:,} bytes, compressed, and a pipeline can carry {MOST_BYTES:,}"
        hint = (
            "say once, under `defaults`, what many features have in common; or use `ostinato train`, which has no limit"
        )
        raise ConfigError(Problem("config", message, hint=hint))
