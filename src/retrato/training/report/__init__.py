"""`report.html`: what a training run did, on one page for people. Knows nothing of steps and models."""

from retrato.training.report.run_report import try_to_write_report, write_report

__all__ = ["try_to_write_report", "write_report"]
