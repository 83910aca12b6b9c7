from ostinato_components.train.step import TrainResult, checkpoint_folder, checkpointing, run

__all__ = ["TrainResult", "checkpoint_folder", "checkpointing", "run"]
