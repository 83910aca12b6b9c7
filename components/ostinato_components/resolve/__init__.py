from ostinato_components.resolve.step import MOST_CONFIG_BYTES, Resolved, check_size, run

__all__ = ["MOST_CONFIG_BYTES", "Resolved", "check_size", "run"]
