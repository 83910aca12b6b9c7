from typing import TYPE_CHECKING

from ostinato_components.lazily import exports

if TYPE_CHECKING:
    from ostinato_components.preprocess.preprocessing import run

__all__ = ["run"]
__getattr__ = exports(__name__, run="preprocessing")
