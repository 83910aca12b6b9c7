from ostinato_components.train_nodes.step import run

__all__ = ["run"]
