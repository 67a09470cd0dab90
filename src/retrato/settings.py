"""The only place where options are defined: names, bounds, defaults, one-line descriptions.

Each field is at once a parameter of the library, an option of the command line, a field of the REST schema
and a row of `docs/settings.md`. Values are checked once, here, and trusted afterwards. Knows no torch.
"""

import re
import unicodedata
from typing import Any, Literal, Self, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from retrato.errors import SettingsError

RecipeName = Literal["retrato", "a1111"]
MOST_STEPS = 1_000_000
MOST_CLIP_SKIP = 12
CLIP_SKIP = "text-encoder layers to stop before the end; 1 is the last"


def option(default: Any, description: str, *, flag: str | None = None, **bounds: Any) -> Any:
    """Gives a settings field: its default, its one-line description and, where it differs, its command-line flag."""
    return Field(default, description=description, json_schema_extra={"flag": flag} if flag else None, **bounds)


class Settings(BaseModel):
    """A frozen, validated set of options; unknown names and NaN are refused with a SettingsError."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            found = error.errors()
            field = next((str(detail["loc"][0]) for detail in found if detail["loc"]), "")
            raise SettingsError("; ".join(_sentence(detail) for detail in found), field=field) from None

    def changed(self, **values: Any) -> Self:
        """Gives a copy in which `values` are replaced, validated again."""
        return type(self)(**{**self.model_dump(), **values})


def _sentence(detail: Any) -> str:
    """Gives `steps is 0: input should be greater than or equal to 1` for one of pydantic's findings."""
    name = ".".join(str(part) for part in detail["loc"]) or "settings"
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        return f"there is no setting called {name}"
    if not detail["loc"]:
        return message
    return f"{name} is {_shown(detail.get('input'))}: {message[0].lower()}{message[1:]}"


def parse_size(text: str) -> tuple[int, int]:
    """Gives (width, height) of a text such as `512x768`; raises ValueError, with what to write."""
    found = re.fullmatch(r"\s*(\d{1,6})\s*[xX×]\s*(\d{1,6})\s*", text)
    if not found:
        raise ValueError("write width and height in pixels, such as 512x768")
    return int(found[1]), int(found[2])


def _shown(value: object) -> str:
    """Gives the value as Python writes it, a long one cut: nobody needs to read 100 kB in an error."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}… ({len(text)} characters)"


class PhotoSettings(Settings):
    """How photos become training pictures."""

    size: int = option(
        512, "side of the square working copies in pixels, a multiple of 8", ge=64, le=2048, multiple_of=8
    )
    crop: Literal["face", "focal", "center", "none"] = option(
        "center", "what to crop around: the face, what draws the eye, the centre, or nothing"
    )
    face_share: float = option(
        0.0, "with crop face: cut closer, until the face has that part of the height; 0 cuts no closer", ge=0, le=0.9
    )
    shape: Literal["square", "bucket", "keep"] = option(
        "square", "square copies, the nearest of a grid of sizes with about as many pixels, or each photo's own shape"
    )
    caption: Literal["blip", "filename", "none"] = option("none", "where captions come from")
    existing_caption: Literal["ignore", "copy", "prepend", "append"] = option(
        "copy", "what becomes of a .txt beside a photo: nothing, the caption, or put before or after the new one"
    )
    framing_words: bool = option(True, "begin captions by blip with how much of the person shows, such as close-up")
    caption_in: Literal["txt", "name"] = option("txt", "write captions beside the copies, or as their names")
    flip: bool = option(False, "add mirrored copies (a face is not symmetrical: rarely a good idea)")
    split: bool = option(False, "cut pictures much longer than wide into several")
    mask: bool = option(False, "write a mask of the subject beside each picture, which training then goes by")
    mask_folder: str | None = option(None, "folder of masks with the photos' names, white where the subject is")


class LearnSettings(Settings):
    """How one person is learned, whatever it is that learns. None means: the recipe's own value."""

    name: str = option(..., "the word the embedding answers to, and its file name", min_length=1, max_length=64)
    initializer_text: str = option("person", "the words the vectors start from", flag="--init", max_length=500)
    recipe: RecipeName = option("retrato", "complete set of training choices")
    steps: int | None = option(None, "most optimizer steps; training may stop earlier by itself", ge=1, le=MOST_STEPS)
    learning_rate: str | None = option(None, "rate, or a schedule such as `0.005:100, 1e-3:1000, 1e-5`", max_length=500)
    batch_size: int | None = option(None, "photos per step", ge=1, le=256)
    gradient_accumulation: int = option(1, "batches added up before a step", ge=1, le=256)
    gradient_clip: str | None = option(
        None,
        "largest norm (or value) of the gradient, or a schedule such as `1:100, 0.1`; none is no limit",
        max_length=500,
        coerce_numbers_to_str=True,
    )
    gradient_clip_by: Literal["norm", "value"] = option(
        "norm", "clip the gradient as a whole by its norm, or each of its numbers by value"
    )
    width: int | None = option(None, "width of the training pictures in pixels; the model's own", ge=64, le=2048)
    height: int | None = option(None, "height of the training pictures in pixels; the model's own", ge=64, le=2048)
    buckets: bool = option(
        False, "learn from each photo's own shape, the nearest of a grid with as many pixels, instead of squares"
    )
    use_mask: bool = option(
        True, "weigh the loss by a photo's mask (name.mask.png beside it, or its opacity): the rest teaches nothing"
    )
    template: str | None = option(None, "prompt template file, or the name of a built-in one")
    caption: Literal["auto", "file", "none"] = option(
        "auto", "what [filewords] says: a .txt beside the photo, else the captioner; only the .txt; nothing"
    )
    shuffle_tags: bool = option(False, "shuffle the comma-separated parts of a caption at each step")
    tag_dropout: float = option(0.0, "share of caption parts left out at each step", ge=0, le=1)
    latent_sampling: Literal["once", "deterministic", "random"] = option(
        "deterministic", "draw a photo's latents once, take their mean, or draw anew at each step"
    )
    clip_skip: int = option(1, CLIP_SKIP, ge=1, le=MOST_CLIP_SKIP)
    held_out: int | None = option(None, "photos kept for evaluation only; by default a fifth of them", ge=0, le=100)
    evaluate_every: int | None = option(None, "steps between deterministic evaluations", ge=1, le=MOST_STEPS)
    save_every: int | None = option(None, "steps between saved candidates", ge=1, le=MOST_STEPS)
    preview_every: int | None = option(None, "steps between preview pictures; 0 for none", ge=0, le=MOST_STEPS)
    preview_prompt: str | None = option(None, "prompt of the previews; [name] stands for the person", max_length=16000)
    track: Literal["none", "tensorboard", "wandb"] = option(
        "none", "write the figures for TensorBoard or Weights & Biases (kept offline) too, where that is installed"
    )
    overwrite: bool = option(False, "replace an embedding of the same name")
    seed: int = option(0, "seed of everything random", ge=0, le=2**63 - 1)

    @field_validator("name", mode="before")
    @classmethod
    def _has_composed_letters(cls, name: object) -> object:
        """What is learned is called in Unicode's NFC form; a folder's name from a Mac comes in another one."""
        return unicodedata.normalize("NFC", name) if isinstance(name, str) else name

    @model_validator(mode="after")
    def _have_one_shape(self) -> Self:
        if self.buckets and (self.width or self.height):
            raise ValueError(
                "buckets were given together with width or height: either each photo's shape or one for all"
            )
        return self

    @model_validator(mode="after")
    def _do_something(self) -> Self:
        for name in ("preview_prompt", "preview_cards"):
            if (said := getattr(self, name, None)) and not self.preview_every:
                raise ValueError(f"{name} is {_shown(said)}, but there are no previews: add --preview-every")
        if self.gradient_clip_by == "value" and self.gradient_clip is None:
            raise ValueError("gradient_clip_by is 'value', but the gradient has no limit: add --gradient-clip")
        return self


class TrainSettings(LearnSettings):
    """How one person is learned. None means: the recipe's own value (see `retrato.training.recipes`)."""

    vectors_per_token: int = option(3, "vectors learned for the name", flag="--vectors", ge=1, le=75)
    preview_cards: bool = option(False, "write each preview as a picture card too, which carries the embedding")


class HypernetworkSettings(LearnSettings):
    """How one person is learned by a hypernetwork. None means: the recipe's own value."""

    name: str = option(..., "what the hypernetwork is called, and its file name", min_length=1, max_length=64)
    initializer_text: str = option(
        "person", "the word that draws the person while it is on", flag="--subject", max_length=500
    )
    sizes: str | None = option(
        None, "widths of the attention layers to change, such as `768, 320`; all that the model has", max_length=200
    )
    layer_structure: str = option(
        "1, 2, 1", "widths within each network, in multiples of the layer's", flag="--layers", max_length=200
    )
    activation: str = option("linear", "activation between layers, by A1111's name, such as relu", max_length=40)
    weight_init: Literal["Normal", "XavierUniform", "XavierNormal", "KaimingUniform", "KaimingNormal"] = option(
        "Normal", "how weights start; the normal one changes almost nothing at first"
    )
    layer_norm: bool = option(False, "put a layer norm after each layer")
    activate_output: bool = option(False, "put the activation after the last layer too")
    dropout: str | None = option(
        None, "share left out after each layer, such as `0, 0.3, 0`: as many as layers, 0 at both ends", max_length=200
    )


class GenerateSettings(Settings):
    """What to draw. None means: the model's own default (for Stable Diffusion 1.x: 512x512, CFG scale 7)."""

    prompt: str = option(..., "what to draw", max_length=16000)
    negative_prompt: str = option("", "what to avoid", flag="--negative", max_length=16000)
    sampler: str = option("Euler a", "sampling method, by A1111's name")
    schedule: str = option("Automatic", "noise schedule, by A1111's name")
    steps: int = option(20, "sampling steps", ge=1, le=150)
    guidance_scale: float | None = option(
        None, "CFG scale: how strictly the prompt is followed", flag="--cfg", ge=0, le=100
    )
    seed: int = option(-1, "seed of the first image, image i uses seed + i; -1 draws one", ge=-1, le=2**63 - 1)
    width: int | None = option(None, "width in pixels, a multiple of 8", ge=64, le=2048, multiple_of=8)
    height: int | None = option(None, "height in pixels, a multiple of 8", ge=64, le=2048, multiple_of=8)
    count: int = option(1, "images to draw", ge=1, le=1000)
    batch_size: int = option(4, "images drawn at once; does not change them", ge=1, le=64)
    clip_skip: int = option(1, CLIP_SKIP, ge=1, le=MOST_CLIP_SKIP)
    emphasis: Literal["Original", "No norm", "Ignore", "None"] = option(
        "Original", "how (word:1.3) weights are applied"
    )
    hypernetwork: str | None = option(None, "hypernetwork to apply; the prompt may ask for more", max_length=64)
    hypernetwork_strength: float = option(1.0, "strength of that hypernetwork; 0 is without it", ge=-10, le=10)
    schedule_rules: Literal["1.6", "2022"] = option("1.6", "meaning of numbers in [from:to:when]")
    styles: tuple[str, ...] = option((), "names from styles.csv whose words are added to the prompts", flag="--style")
    matrix: Literal["off", "prompt", "negative"] = option(
        "off", "draw a prompt with | once for each combination of its parts: the prompt's, or the negative prompt's"
    )
    prompt_comments: bool = option(True, "leave out of prompts what stands from a # to the end of its line")
    wildcards: Literal["random", "all", "off"] = option(
        "random", "what {a|b} and __name__ become: one of their words, each of them, or plain text"
    )
    picture_format: Literal["png", "jpg", "webp"] = option("png", "file format of the pictures", flag="--format")
    eta: float | None = option(None, "fresh noise at each step: 0 is none; by default the sampler's own", ge=0, le=1)
    guidance_rescale: float = option(0.0, "how much of the contrast that the CFG scale adds is taken back", ge=0, le=1)
    guidance_min_sigma: float = option(
        0.0, "noise level below which the negative prompt has no say: faster", flag="--ngms", ge=0, le=100
    )
    fast: bool = option(False, "DPM++ 2M Karras, at most 12 steps, no negative prompt below noise level 1")
    engine: Literal["torch", "openvino"] = option(
        "torch", "what computes the U-Net: torch, or OpenVINO, which is faster on a CPU and an extra to install"
    )
    variation_seed: int = option(-1, "seed of the noise that is mixed in; -1 draws one", ge=-1, le=2**63 - 1)
    variation_strength: float = option(0.0, "how much of that noise: 0 is none, 1 nothing else", ge=0, le=1)
    seed_resize_from: str | None = option(None, "WxH: the composition that the seed has at this size")
    tiling: bool = option(False, "draw a picture whose edges continue each other")
    restore_faces: bool = option(False, "mend faces with a model for it: not available, see docs/drawing.md")
    init_image: str | None = option(None, "picture file to start from", max_length=4096)
    denoising_strength: float | None = option(
        None,
        "how much of it is drawn anew, 0 to 1; by default 0.75, for the second pass of --hires 0.7",
        flag="--denoise",
        ge=0,
        le=1,
    )
    resize_mode: Literal["just resize", "crop and resize", "resize and fill", "latent upscale"] = option(
        "just resize", "how the picture to start from gets its size"
    )
    mask: str | None = option(None, "picture file that is white where to repaint", max_length=4096)
    mask_blur: int = option(4, "softness of the mask's edge in pixels", ge=0, le=64)
    mask_invert: bool = option(False, "repaint what is black in the mask")
    masked_content: Literal["fill", "original", "latent noise", "latent nothing"] = option(
        "original", "what repainting starts from"
    )
    inpaint_area: Literal["whole picture", "only masked"] = option(
        "whole picture", "what is drawn: all, or the masked part at full size"
    )
    mask_padding: int = option(32, "pixels around the masked part that are drawn with it", ge=0, le=256)
    hires: bool = option(False, "draw small, enlarge, and draw the details in a second pass")
    hires_scale: float = option(2.0, "how much larger", ge=1, le=4)
    hires_resize: str | None = option(None, "WxH instead of a scale, up to 4096 on a side; what is over is cut")
    hires_steps: int = option(0, "steps of the second pass; 0 for as many as the first", ge=0, le=150)
    hires_upscaler: str = option("Latent", "how it is enlarged, by A1111's name")
    hires_sampler: str | None = option(None, "sampler of the second pass, if another one")
    hires_prompt: str | None = option(None, "prompt of the second pass, if another one", max_length=16000)
    hires_negative_prompt: str | None = option(
        None, "what to avoid in the second pass, if something else", flag="--hires-negative", max_length=16000
    )

    @field_validator("seed_resize_from", "hires_resize")
    @classmethod
    def _is_a_size(cls, text: str | None) -> str | None:
        """A size in either spelling is kept as `512x768`."""
        if text is None:
            return None
        width, height = parse_size(text)
        if not all(10 <= side < 10_000 for side in (width, height)):
            raise ValueError("width and height must be 10 to 9999 pixels")
        return f"{width}x{height}"

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.hires and self.init_image:
            raise ValueError("hires and init_image were given together: hires is for pictures that start from nothing")
        if self.mask and not self.init_image:
            raise ValueError(f"mask is {self.mask!r}, but there is no picture to repaint: give it with --init-image")
        for name in ("hires_resize", "hires_sampler", "hires_prompt", "hires_negative_prompt"):
            if getattr(self, name) and not self.hires:
                raise ValueError(f"{name} is {_shown(getattr(self, name))}, but there is no second pass: add --hires")
        if self.tiling and self.engine == "openvino":
            raise ValueError("tiling and engine openvino were given together: tiles are drawn by torch alone")
        if self.variation_seed + self.count > 2**63 - 1:
            raise ValueError(f"variation_seed {self.variation_seed} with {self.count} images goes beyond 2**63 - 1")
        return self

    @model_validator(mode="after")
    def _fits_the_format(self) -> Self:
        length = len(self.prompt) + len(self.negative_prompt) + len(self.hires_prompt or "")
        if self.picture_format == "jpg" and length > 30_000:
            raise ValueError(f"the prompts have {length} characters and a JPEG carries 30000: use --format png")
        return self

    @model_validator(mode="after")
    def _seeds_fit(self) -> Self:
        if self.seed + self.count > 2**63 - 1:
            raise ValueError(f"seed {self.seed} with {self.count} images goes beyond 2**63 - 1")
        return self


class EvaluateSettings(Settings):
    """How people are learned and judged to see how well that works. The protocol stands in `docs/evaluate.md`."""

    recipes: str = option("retrato", "recipes to compare, the first against the others, such as `retrato,a1111`")
    script: str | None = option(
        None, "diffusers' textual_inversion.py, to be run on the same photos as one more contender"
    )
    samples: int | None = option(
        None, "most photo passes of each training, whatever the batch; by default each recipe's own", ge=1
    )
    initializer_text: str = option("person", "the words the vectors start from", flag="--init", max_length=500)
    vectors_per_token: int = option(3, "vectors learned for each person", flag="--vectors", ge=1, le=75)
    held_out: int | None = option(
        None, "photos of each person kept from training and picking; by default a quarter", ge=1, le=100
    )
    pictures_per_prompt: int = option(
        1, "pictures of each prompt, each with its own seed; 4 for a claim", flag="--per-prompt", ge=1, le=100
    )
    prompts: str | None = option(None, "file of prompts to judge by, one `group: prompt` a line")
    quick: bool = option(False, "judge the picked checkpoint only: no curves")
    quality: float = option(0.9, "share of the reference's likeness at which quality counts as reached", gt=0, le=1)
    trainings: int = option(1, "trainings of each person by each recipe, with seeds in a row", ge=1, le=100)
    seed: int = option(0, "seed of the first training and of what is held out", ge=0, le=2**62)

    @property
    def recipe_names(self) -> tuple[RecipeName, ...]:
        """Gives the recipes one by one."""
        return tuple(cast("RecipeName", name.strip()) for name in self.recipes.split(","))

    @property
    def contenders(self) -> tuple[str, ...]:
        """Gives the recipes and, where its script is named, `diffusers`."""
        return (*self.recipe_names, *(("diffusers",) if self.script else ()))

    @model_validator(mode="after")
    def _recipes_exist(self) -> Self:
        known = get_args(RecipeName)
        names = self.recipe_names
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"there is no recipe {unknown[0]!r}: take {' or '.join(known)}")
        if len(set(names)) < len(names):
            raise ValueError(f"recipes is {self.recipes!r}: name each recipe once")
        return self


class ServerSettings(Settings):
    """Who may come in to the studio in the browser and how much they may ask for at once."""

    host: str = option("127.0.0.1", "address to listen at; another one than this machine's own needs --listen")
    port: int = option(7860, "port to listen at; 0 takes any free one", ge=0, le=65535)
    listen: bool = option(False, "let other machines in; they must say who they are")
    auth: str | None = option(
        None, "who may come in, as USER:PASSWORD, several with commas between; RETRATO_AUTH keeps it off the screen"
    )
    allow_host: str | None = option(
        None, "further names that this server is called by, with commas between", max_length=2000
    )
    photos: str | None = option(None, "a folder whose folders of photos may be learned from", max_length=4000)
    queue_length: int = option(1000, "jobs that may wait, an equal share for each account", ge=1, le=100_000)
    job_hours: float = option(24.0, "longest time for one job, in hours; then it is paused", gt=0, le=1000)
    megabytes: int = option(64, "largest request, and largest file dropped on the page, in megabytes", ge=1, le=1024)
    gigabytes: float | None = option(
        None, "most that photos, pictures and trainings of one account may take, in gigabytes", gt=0, le=1_000_000
    )
