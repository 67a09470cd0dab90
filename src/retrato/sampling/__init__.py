"""Samplers, per-image noise, guidance and the denoising loop. Knows no prompts and no files."""

from retrato.sampling.course import Start, begin
from retrato.sampling.denoise import Denoised, denoise
from retrato.sampling.guidance import Guidance, predict
from retrato.sampling.noise import noise_for
from retrato.sampling.samplers import SAMPLERS, SCHEDULES, Sampler, find_sampler, make_scheduler

__all__ = [
    "SAMPLERS",
    "SCHEDULES",
    "Denoised",
    "Guidance",
    "Sampler",
    "Start",
    "begin",
    "denoise",
    "find_sampler",
    "make_scheduler",
    "noise_for",
    "predict",
]
