from ostinato_components.resolve.step import Resolved, check_size, run

__all__ = ["Resolved", "check_size", "run"]
