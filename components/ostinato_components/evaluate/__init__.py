from typing import TYPE_CHECKING

from ostinato_components.lazily import exports

if TYPE_CHECKING:
    from ostinato_components.evaluate.evaluation import run
    from ostinato_components.evaluate.raw import evaluate_source
    from ostinato_components.evaluate.result import EvaluationResult, OutputResult

__all__ = ["EvaluationResult", "OutputResult", "evaluate_source", "run"]
__getattr__ = exports(
    __name__, run="evaluation", evaluate_source="raw", EvaluationResult="result", OutputResult="result"
)
