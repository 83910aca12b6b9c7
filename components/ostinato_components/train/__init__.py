from ostinato_components.train.step import TrainResult, run

__all__ = ["TrainResult", "run"]
