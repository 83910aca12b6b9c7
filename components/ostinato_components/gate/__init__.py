from typing import TYPE_CHECKING

from ostinato_components.lazily import exports

if TYPE_CHECKING:
    from ostinato_components.gate.decision import Decision
    from ostinato_components.gate.step import run

__all__ = ["Decision", "run"]
__getattr__ = exports(__name__, Decision="decision", run="step")
