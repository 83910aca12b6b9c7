from typing import TYPE_CHECKING

from ostinato_components.lazily import exports

if TYPE_CHECKING:
    from ostinato_components.validate_data.step import Validation, run, validate

__all__ = ["Validation", "run", "validate"]
__getattr__ = exports(__name__, Validation="step", run="step", validate="step")
