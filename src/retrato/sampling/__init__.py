"""Samplers, per-image noise, guidance and the denoising loop. Knows no prompts and no files.

The names here need no torch; what computes is in the modules `course`, `denoise`, `guidance`, `noise`, `schedulers`.
"""

from retrato.sampling.samplers import SAMPLERS, SCHEDULES, Sampler, find_sampler

__all__ = ["SAMPLERS", "SCHEDULES", "Sampler", "find_sampler"]
