"""The bodies of A1111's requests and answers, with their types and defaults as A1111's own documentation shows them."""

import math
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

AnyObject = dict[str, Any]
Picture = Annotated[str, Field(description="a picture file in base64, with or without data:image/png;base64,")]
Text = Annotated[str, Field(max_length=16_000)]


class Request(BaseModel):
    """What requests have in common: fields that A1111 does not have are looked at by hand, to say so.

    A field that is null was not sent: clients send all of theirs, and A1111 takes its default.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, said: Any) -> Any:
        return {name: value for name, value in said.items() if value is not None} if isinstance(said, dict) else said


def _cut(said: Any) -> Any:
    """Cuts the fraction off a number, as A1111's API does; clients halve and scale sides and steps."""
    return int(said) if isinstance(said, float) and math.isfinite(said) else said


def _in_eights(said: Any) -> Any:
    """Gives the pixels that A1111 draws for a side: a multiple of eight, as latents have one cell for eight of them."""
    whole = _cut(said)
    return whole // 8 * 8 if isinstance(whole, int) and not isinstance(whole, bool) else whole


Whole = Annotated[int, BeforeValidator(_cut)]
Side = Annotated[int, BeforeValidator(_in_eights)]


Name = Annotated[str, Field(max_length=300)]


class Asking(Request):
    """A1111's fields for drawing. What retrato cannot do is refused by name, unless the value asks for nothing."""

    prompt: Text = ""
    negative_prompt: Text = ""
    styles: list[str] | None = Field(None, max_length=100)
    seed: Whole = -1
    subseed: Whole = -1
    subseed_strength: float = 0
    seed_resize_from_h: Whole = -1
    seed_resize_from_w: Whole = -1
    sampler_name: str | None = Field(None, max_length=100)
    sampler_index: str | None = Field("Euler", max_length=100, description="sampler_name, where that is not said")
    scheduler: str | None = Field(None, max_length=100)
    batch_size: Whole = Field(1, ge=1, le=8)
    n_iter: Whole = Field(1, ge=1, le=100)
    steps: Whole = Field(50, ge=1, le=150)
    cfg_scale: float = 7.0
    width: Side = Field(512, ge=64, le=2048)
    height: Side = Field(512, ge=64, le=2048)
    restore_faces: bool | None = None
    tiling: bool | None = None
    eta: float | None = None
    s_min_uncond: float | None = None
    s_churn: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    s_noise: float | None = None
    denoising_strength: float | None = Field(None, ge=0, le=1)
    override_settings: AnyObject | None = None
    override_settings_restore_afterwards: bool = True
    refiner_checkpoint: Name | None = None
    refiner_switch_at: float | None = None
    disable_extra_networks: bool = False
    comments: AnyObject | None = None
    script_name: str | None = Field(None, max_length=200)
    script_args: list[Any] | None = Field(default_factory=list)
    alwayson_scripts: AnyObject | None = Field(default_factory=dict)
    send_images: bool = True
    save_images: bool = False
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    force_task_id: str | None = Field(None, max_length=200)
    infotext: Text | None = Field(None, description="a picture's text; it fills in the fields that are not sent")


class Txt2Img(Asking):
    """A1111's fields for txt2img."""

    enable_hr: bool = False
    firstphase_width: Whole = 0
    firstphase_height: Whole = 0
    firstpass_image: Any = None
    hr_scale: float = 2.0
    hr_upscaler: Name | None = None
    hr_second_pass_steps: Whole = 0
    hr_resize_x: Whole = 0
    hr_resize_y: Whole = 0
    hr_checkpoint_name: Name | None = None
    hr_sampler_name: Name | None = None
    hr_scheduler: Name | None = None
    hr_prompt: Text = ""
    hr_negative_prompt: Text = ""


class Img2Img(Asking):
    """A1111's fields for img2img."""

    init_images: list[Picture] | None = Field(None, max_length=16)
    include_init_images: bool = False
    resize_mode: Whole = 0
    image_cfg_scale: float | None = None
    mask: Picture | None = None
    latent_mask: Any = None
    mask_blur: Whole | None = None
    mask_blur_x: Whole = 4
    mask_blur_y: Whole = 4
    mask_round: bool = True
    inpainting_fill: Whole = 0
    inpaint_full_res: bool = True
    inpaint_full_res_padding: Whole = 0
    inpainting_mask_invert: Whole = 0
    initial_noise_multiplier: float | None = None


class Training(Request):
    """A1111's fields for training. All may be left out but the name and `data_root`; the recipe is `a1111`."""

    id_task: Name | None = None
    learn_rate: str | float | None = Field(None, description="a rate, or a schedule such as 0.005:100, 0.001")
    batch_size: int | None = None
    gradient_step: int | None = None
    data_root: Name = Field("", description="a set of photos, see /api/v1/photos")
    log_directory: Name | None = Field(None, description="not looked at: runs lie in the home folder")
    training_width: int | None = None
    training_height: int | None = None
    varsize: bool | None = Field(
        None, description="each photo in its own shape, the nearest of a grid; no width, height"
    )
    steps: int | None = None
    clip_grad_mode: Name | None = Field(None, description="disabled, value or norm")
    clip_grad_value: str | float | None = Field(None, description="a number, or a schedule")
    shuffle_tags: bool | None = None
    tag_drop_out: float | None = None
    latent_sampling_method: Name | None = Field(None, description="once, deterministic or random")
    use_weight: bool | None = None
    create_image_every: int | None = None
    template_filename: Name | None = Field(None, description="a built-in template, such as subject_filewords.txt")
    preview_from_txt2img: bool | None = Field(None, description="whether preview_prompt counts")
    preview_prompt: Text | None = None
    preview_negative_prompt: Text | None = None
    preview_steps: int | None = None
    preview_sampler_name: Name | None = None
    preview_sampler_index: Any = None
    preview_cfg_scale: float | None = None
    preview_seed: int | None = None
    preview_width: int | None = None
    preview_height: int | None = None


class TrainEmbedding(Training):
    """A1111's fields for training an embedding that was created before; the recipe is `a1111`."""

    embedding_name: Name = ""
    save_embedding_every: int | None = None
    save_image_with_stored_embedding: bool | None = None


class TrainHypernetwork(Training):
    """A1111's fields for training a hypernetwork that was created before; the recipe is `a1111`."""

    hypernetwork_name: Name = ""
    save_hypernetwork_every: int | None = None


class Preprocess(Request):
    """A1111 1.6's fields for making training pictures; those of its focal crop and multicrop only as they are there."""

    id_task: Name | None = None
    process_src: Name = Field("", description="a set of photos, see /api/v1/photos")
    process_dst: Name = Field("", description="the set to make")
    process_width: int = 512
    process_height: int = 512
    preprocess_txt_action: Name = Field("ignore", description="ignore, copy, prepend or append")
    process_keep_original_size: bool = False
    process_flip: bool = False
    process_split: bool = False
    process_caption: bool = False
    process_caption_deepbooru: bool = False
    split_threshold: float = 0.5
    overlap_ratio: float = 0.2
    process_focal_crop: bool = False
    process_multicrop: bool | None = None


LEFT_OUT = "what was sent that nothing was drawn by; absent where there is nothing"


class Drawing(BaseModel):
    """What txt2img and img2img answer; `info` is JSON in a text."""

    images: list[str]
    parameters: AnyObject
    info: str
    left_out: list[str] = Field([], description=LEFT_OUT)


class ProgressState(BaseModel):
    """A1111's state of the running job."""

    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    job: str = ""
    job_count: int = 0
    job_timestamp: str = "0"
    job_no: int = 0
    sampling_step: int = 0
    sampling_steps: int = 0


class Progress(BaseModel):
    """What GET progress answers."""

    progress: float
    eta_relative: float
    state: ProgressState
    current_image: str | None = None
    textinfo: str | None = None
    current_task: str | None = None

    @classmethod
    def idle(cls) -> Self:
        """Gives the answer when nothing runs."""
        return cls(progress=0.0, eta_relative=0.0, state=ProgressState())

    @classmethod
    def running(
        cls,
        *,
        progress: float,
        eta: float,
        job: str,
        numbers: tuple[int, int],
        steps: tuple[int, int],
        timestamp: str,
        said: str | None,
        is_interrupted: bool,
        is_skipped: bool,
        task: str,
    ) -> Self:
        """Gives the answer while a job runs or waits, without its picture.

        `numbers` and `steps` are how many are done, and of how many.
        """
        state = ProgressState(
            skipped=is_skipped,
            interrupted=is_interrupted,
            job=job,
            job_no=numbers[0],
            job_count=numbers[1],
            job_timestamp=timestamp,
            sampling_step=steps[0],
            sampling_steps=steps[1],
        )
        return cls(progress=progress, eta_relative=eta, state=state, textinfo=said, current_task=task)
