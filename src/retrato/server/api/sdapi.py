"""A1111's txt2img and img2img, progress, interrupt and skip: same fields, same answers; errors are honest."""

import json
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from retrato.errors import JobError, QueueError, RetratoError, SettingsError, UnknownError
from retrato.generation.infotext import written_fields
from retrato.jobs import Job, JobQueue, order_drawing
from retrato.sampling.samplers import AUTOMATIC, find_sampler
from retrato.server.answers import answer_with
from retrato.server.api.jobs import PROBLEMS
from retrato.server.api.light import LightRoute
from retrato.server.api.sdapi_fields import (
    BOTH,
    IMG2IMG,
    OVERRIDES,
    TXT2IMG,
    Field,
    fill,
    from_infotext,
    joined_blur,
    joined_sizes,
    spelled,
)
from retrato.server.api.sdapi_lists import FIXED, apply_options
from retrato.server.api.sdapi_models import AnyObject, Asking, Drawing, Img2Img, Progress, Txt2Img
from retrato.server.pictures import store_upload
from retrato.server.service import Service
from retrato.server.waiting import finished
from retrato.settings import GenerateSettings

# They work out their steps themselves: A1111 sends them a schedule of which they take no notice.
OWN_STEPS = ("DDIM", "PLMS", "DPM fast", "DPM adaptive")

# A1111 reads `{a|b}` and `__word__` as they stand.
PLAIN: Mapping[str, Any] = {"wildcards": "off"}


def routes(service: Service) -> APIRouter:
    """Gives the endpoints that draw."""
    router = APIRouter(prefix="/sdapi/v1", tags=["sdapi"], responses=PROBLEMS, route_class=LightRoute)
    queue = service.queue

    @router.post("/txt2img", response_model=Drawing)
    async def txt2img(body: Annotated[Txt2Img, Body()], request: Request) -> Response:
        """Draws what a prompt says."""
        values, settings = await run_in_threadpool(_asked, service, body, (*BOTH, *TXT2IMG))
        return answer_with(await _draw(service, body, values, settings, request.state.user))

    @router.post("/img2img", response_model=Drawing)
    async def img2img(body: Annotated[Img2Img, Body()], request: Request) -> Response:
        """Draws over a picture, or with a mask over a part of it."""
        values, settings = await run_in_threadpool(_asked, service, body, (*BOTH, *IMG2IMG))
        pictures = values.get("init_images") or []
        if not pictures:
            raise HTTPException(404, "init_images is empty: send the picture to draw over in base64")
        if len(pictures) > 1:
            raise SettingsError(f"init_images holds {len(pictures)} pictures: send them one by one")
        sent = [("init_image", pictures[0], "init_images[0]"), ("mask", values.get("mask"), "mask")]
        for setting, picture, name in sent:
            if picture:
                settings[setting] = str(await run_in_threadpool(store_upload, service.home, picture, name))
        if not values.get("include_init_images"):
            # They are stored, and many may wait for their turn.
            sent.clear()
            del pictures, picture
            for name in ("init_images", "mask"):
                values[name] = None
                setattr(body, name, None)
                (await request.json()).pop(name, None)
        return answer_with(await _draw(service, body, values, settings, request.state.user))

    @router.get("/progress", response_model=Progress)
    def progress(request: Request, skip_current_image: Annotated[bool, Query()] = False) -> Response:
        """Says how far your running job is; 0 and no job when nothing of yours runs or waits."""
        said, picture = _progress(queue, request.state.user)
        return answer_with({**said.model_dump(), "current_image": None if skip_current_image else picture})

    @router.post("/interrupt")
    def interrupt(request: Request) -> AnyObject:
        """Ends your running job; what it drew or learned is kept."""
        for job in queue.jobs(owner=request.state.user, states=("running",)):
            with suppress(QueueError, UnknownError):  # it has just ended
                queue.cancel(job.id, owner=request.state.user)
        return {}

    @router.post("/skip")
    def skip(request: Request) -> None:
        """Leaves out the pictures that your running job is at."""
        for job in queue.jobs(owner=request.state.user, states=("running",)):
            with suppress(QueueError, UnknownError):
                queue.skip(job.id, owner=request.state.user)

    return router


def _values(body: Asking) -> dict[str, Any]:
    """Gives what a request says, and what the picture's text that came with it says of what it leaves open.

    Fields that A1111 does not have are none of it: it passes them over (see `_left_out`). Raises RequestValidationError
    for values of the text that the request itself may not say.
    """
    values = body.model_dump(exclude_unset=True, exclude=set(body.model_extra or ()))
    said = from_infotext(body.infotext) if body.infotext else {}
    said = {name: value for name, value in said.items() if name in type(body).model_fields and name not in values}
    try:
        type(body)(**said)
    except ValidationError as error:
        raise RequestValidationError([{**each, "loc": ("infotext", *each["loc"])} for each in error.errors()]) from None
    return {**said, **values}


def _asked(service: Service, body: Asking, fields: tuple[Field, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Gives what a request says, and the settings that it asks for; raises as `_settings` does."""
    values = _values(body)
    return values, _settings(values, fields, service.overrides())


def _settings(values: Mapping[str, Any], fields: tuple[Field, ...], options: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Gives the settings that a request asks for, on top of the server's `options`.

    Raises SettingsError for what nothing here can do, and A1111's status for a sampler that there is not.
    """
    values = joined_blur(joined_sizes(values))
    if values.get("script_name"):
        raise SettingsError(f"script_name is {values['script_name'][:60]!r}: there are no scripts here, leave it out")
    scripts = [name for name, said in (values.get("alwayson_scripts") or {}).items() if _is_asked(name, said)]
    if scripts:
        raise SettingsError(f"alwayson_scripts asks for {scripts[0][:60]!r}: there are no scripts here, leave it out")
    settings = fill(
        values, fields, {name: value for name, value in PLAIN.items() if name in GenerateSettings.model_fields}
    )
    settings["sampler"] = spelled(values.get("sampler_name") or values.get("sampler_index") or "Euler")
    settings["batch_size"] = values.get("batch_size", 1)
    settings["count"] = values.get("batch_size", 1) * values.get("n_iter", 1)
    try:
        sampler, _ = find_sampler(settings["sampler"])
        if sampler.name in OWN_STEPS:
            find_sampler("Euler", settings.pop("schedule", AUTOMATIC))  # so that a misspelt one is said
        find_sampler(settings["sampler"], settings.get("schedule", AUTOMATIC))
    except SettingsError as error:
        raise HTTPException(400, str(error)) from None
    settings |= _second_schedule(values, settings)
    if settings.get("eta") in (0, 1) and sampler.eta is None:
        del settings["eta"]  # clients send A1111's default, or none, along with samplers that take none
    overrides = {**options, **(values.get("override_settings") or {})}
    for name in ("sd_model_checkpoint", "sd_vae"):
        overrides.pop(name, None)
    return fill(_known_options(overrides), OVERRIDES, settings)


def _second_schedule(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, str]:
    """Gives the second pass' sampler with the schedule that `hr_scheduler` names, where that is another one."""
    asked = str(values.get("hr_scheduler") or "")
    if not values.get("enable_hr") or asked.casefold() in ("", "use same scheduler"):
        return {}
    sampler = str(settings.get("hires_sampler") or settings["sampler"])
    first = find_sampler("Euler", settings.get("schedule", AUTOMATIC))[1]
    second = find_sampler("Euler", spelled(asked))[1]
    if second == first or find_sampler(sampler)[0].name in OWN_STEPS:
        return {}
    if second == AUTOMATIC:
        raise SettingsError(f"hr_scheduler is {asked!r}, but the first pass has {first!r}: name the schedule")
    return {"hires_sampler": f"{sampler} {second}"}


def _is_asked(name: str, said: Any) -> bool:
    """Says whether an always-on script gets anything to do.

    Clients send `[]`, a first argument of false or `{"enabled": false}` for nothing; two of A1111's own repeat fields.
    """
    arguments = said.get("args", []) if isinstance(said, Mapping) else said
    if name.casefold() in ("sampler", "seed") or not arguments:
        return False
    if not isinstance(arguments, list):
        return True
    is_off = all(isinstance(each, Mapping) and each.get("enabled") is False for each in arguments)
    return not (is_off or arguments[0] is False)


def _left_out(body: Asking) -> list[str]:
    """Gives the fields of a request that A1111 passes over, as it has no such ones, where they ask for anything."""
    return [name for name, value in (body.model_extra or {}).items() if value not in (None, "", [], {}, False)]


def _not_drawn(infotext: str, info: Mapping[str, Any]) -> list[str]:
    """Gives the fields of a picture's text, of those that are no settings, by which the pictures were not drawn.

    A1111 passes over the model too, by default.
    """
    said = written_fields(infotext) if infotext else {}
    drawn = {"Model hash": info["sd_model_hash"], "VAE": info["sd_vae_name"], "ENSD": "0"}
    return [f"infotext: {name}" for name, value in drawn.items() if said.get(name) not in (None, "", value)]


def _known_options(overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    known = {field.name for field in OVERRIDES} | {"samples_format"}
    unknown = [name for name, value in overrides.items() if name not in known and value not in (None, FIXED.get(name))]
    if unknown:
        raise SettingsError(f"override_settings has {unknown[0][:60]!r}, which retrato does not know: leave it out")
    if overrides.get("samples_format") not in (None, "png"):
        raise SettingsError(
            f"samples_format is {overrides['samples_format']!r}: pictures are sent as png, leave it out"
        )
    return overrides


async def _draw(
    service: Service, body: Asking, values: Mapping[str, Any], settings: Mapping[str, Any], user: str
) -> dict[str, Any]:
    """Queues the pictures, waits for them, and gives what A1111 answers: a `Drawing` whose pictures are bytes.

    It says all of the request's fields.
    """
    job = await run_in_threadpool(_order, service, values, settings, user)
    keep = bool(job.options["keep"])
    try:
        job = await finished(service.queue, job.id)
        if job.state == "failed":
            raise failure(job)
        if job.state == "paused":
            raise QueueError(f"job {job.id} was paused: resume it and take its pictures from /api/v1/jobs/{job.id}")
        drawn = await run_in_threadpool(service.queue.events, job.id, kinds=("drawn",), limit=1000)
        images = [event.data for event in drawn]
        files = [image["file"] for image in images] or [file for file in [(job.result or {}).get("unfinished")] if file]
        said = {**body.model_dump(exclude=set(body.model_extra or ())), **values}
        info = await run_in_threadpool(_info, service, job, images)
        left_out = [*_left_out(body), *_not_drawn(body.infotext or "", info)]
        wanted = files if values.get("send_images", True) else []
        return {
            "images": [await run_in_threadpool((service.home / file).read_bytes) for file in wanted],
            "parameters": said,
            "info": json.dumps(info),
            **({"left_out": left_out} if left_out else {}),
        }
    finally:
        if not keep and not job.is_open:
            await run_in_threadpool(shutil.rmtree, service.home / "jobs" / job.id, ignore_errors=True)


def _order(service: Service, values: Mapping[str, Any], settings: Mapping[str, Any], user: str) -> Job:
    """Queues the pictures that a request asks for; raises what can be refused now."""
    overrides = values.get("override_settings") or {}
    checkpoint, vae = overrides.get("sd_model_checkpoint"), overrides.get("sd_vae")
    model = service.find_model(str(checkpoint)).source if checkpoint else service.model
    vae_file = str(service.find_vae(str(vae)) or "") if vae else None
    keep = bool(values.get("save_images", False))
    asked = GenerateSettings(**settings)
    service.check_drawing(asked, model)
    if not values.get("override_settings_restore_afterwards", True):
        apply_options(service, overrides)
    return order_drawing(
        service.queue, asked, owner=user, model=model, vae=vae_file, keep=keep, task=values.get("force_task_id")
    )


async def done(service: Service, job: Job) -> Job:
    """Gives a job once something has come of it; raises the error of one that failed, QueueError where nothing has."""
    found = await finished(service.queue, job.id)
    if found.state == "failed":
        raise failure(found)
    if found.state == "paused" or (found.state == "cancelled" and not found.result):
        raise QueueError(f"job {job.id} was {found.state}, nothing came of it yet: resume it at /api/v1/jobs/{job.id}")
    return found


def failure(job: Job) -> RetratoError:
    """Gives the error to raise for a job that failed: the sender's, or ours."""
    sentence = job.error or f"job {job.id} failed"
    return SettingsError(sentence) if (job.result or {}).get("input_is_wrong") else JobError(sentence)


def _info(service: Service, job: Job, images: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Gives A1111's `info`: what was drawn, picture by picture."""
    settings = job.settings
    infotexts = [image["infotext"] for image in images]
    seeds = [image["seed"] for image in images]
    read = [written_fields(text) for text in infotexts]
    fields = read[0] if read else {}
    prompts = [each.get("Prompt", "") if settings.get("styles") else settings["prompt"] for each in read]
    negatives = [
        each.get("Negative prompt", "") if settings.get("styles") else settings["negative_prompt"] for each in read
    ]
    subseeds = [int(each.get("Variation seed", settings.get("variation_seed", -1))) for each in read]
    return {
        "prompt": prompts[0] if prompts else settings["prompt"],
        "all_prompts": prompts,
        "negative_prompt": negatives[0] if negatives else settings["negative_prompt"],
        "all_negative_prompts": negatives,
        "seed": settings["seed"],
        "all_seeds": seeds,
        "subseed": settings.get("variation_seed", -1),
        "all_subseeds": subseeds,
        "subseed_strength": settings.get("variation_strength", 0),
        "width": int(fields.get("Size-1", settings["width"] or 0)),
        "height": int(fields.get("Size-2", settings["height"] or 0)),
        "sampler_name": fields.get("Sampler", settings["sampler"]),
        "cfg_scale": float(fields.get("CFG scale", settings["guidance_scale"] or 7)),
        "steps": settings["steps"],
        "batch_size": settings["batch_size"],
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": fields.get("Model", ""),
        "sd_model_hash": fields.get("Model hash", ""),
        "sd_vae_name": fields.get("VAE"),
        "sd_vae_hash": fields.get("VAE hash"),
        "seed_resize_from_w": -1,
        "seed_resize_from_h": -1,
        "denoising_strength": float(fields["Denoising strength"]) if "Denoising strength" in fields else None,
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": infotexts,
        "styles": list(settings.get("styles") or []),
        "job_timestamp": _timestamp(job.created),
        "clip_skip": settings["clip_skip"],
        "is_using_inpainting_conditioning": False,
        "version": fields.get("Version", ""),
    }


def _progress(queue: JobQueue, user: str) -> tuple[Progress, bytes | None]:
    """Gives how far the job is that runs or waits next, without its picture, and that picture's file."""
    jobs = queue.jobs(owner=user, states=("running", "queued"), limit=1)
    if not jobs:
        return Progress.idle(), None
    job = jobs[0]
    latest = queue.latest(job.id, ("sampled", "stepped"))
    data = latest.data if latest else {}
    is_training = job.kind == "train"
    number, count = (data.get("step", 0), data.get("steps", 1)) if is_training else (data.get("index", 0), _count(job))
    said = Progress.running(
        progress=max(job.progress, 0.01),
        eta=queue.seconds_left(job) or 0.0,
        job=f"{job.kind} {job.id}",
        numbers=(number, count),
        steps=(0 if is_training else data.get("step", 0), 0 if is_training else data.get("steps", 0)),
        timestamp=_timestamp(job.created),
        said=f"step {number} of {count}" if is_training else None,
        is_interrupted=queue.wish(job.id) == "cancel",
        is_skipped=queue.wish(job.id) == "skip",
        task=str(job.options.get("task") or job.id),
    )
    return said, queue.preview(job.id) if job.state == "running" else None


def _count(job: Job) -> int:
    return int(job.settings.get("count", 1))


def _timestamp(at: float) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.localtime(at))
