from ostinato_components.notify.step import run

__all__ = ["run"]
