from ostinato_components.register.step import run

__all__ = ["run"]
