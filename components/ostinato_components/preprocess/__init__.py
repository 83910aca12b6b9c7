from ostinato_components.preprocess.preprocessing import run

__all__ = ["run"]
