"""How well people are learned: trained anew, judged by photos that were never seen, with intervals and curves."""

from retrato.evaluation.measured import Compared, Measured, Point, Started
from retrato.evaluation.protocol import evaluate

__all__ = ["Compared", "Measured", "Point", "Started", "evaluate"]
