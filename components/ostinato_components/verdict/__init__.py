from ostinato_components.verdict.step import run

__all__ = ["run"]
