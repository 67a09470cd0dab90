"""`report.html`: what a training run did, on one page for people. Knows nothing of steps and models."""

from retrato.training.report.run_report import write_report

__all__ = ["write_report"]
