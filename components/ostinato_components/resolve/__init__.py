from ostinato_components.resolve.step import Resolved, run

__all__ = ["Resolved", "run"]
