from ostinato_components.evaluate.evaluation import run
from ostinato_components.evaluate.raw import evaluate_source
from ostinato_components.evaluate.result import EvaluationResult, OutputResult

__all__ = ["EvaluationResult", "OutputResult", "evaluate_source", "run"]
