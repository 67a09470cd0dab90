"""A1111's Extras tab, PNG info and Interrogate: what can be done with pictures that come with the request."""

import html
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from PIL import Image, ImageOps
from pydantic import Field

from retrato.errors import PhotoError, SettingsError
from retrato.generation import parse_infotext
from retrato.jobs import order_captions
from retrato.photos.encode import encode
from retrato.photos.measure import scaled_size
from retrato.server.answers import answer_with
from retrato.server.api.jobs import PROBLEMS
from retrato.server.api.light import LightRoute
from retrato.server.api.sdapi import done
from retrato.server.api.sdapi_models import AnyObject, Picture
from retrato.server.api.sdapi_models import Request as Body_
from retrato.server.pictures import FEW_AT_ONCE, read_base64, read_image, store_upload, stored_text
from retrato.server.service import Service

RESAMPLING = {"Lanczos": Image.Resampling.LANCZOS, "Nearest": Image.Resampling.NEAREST}
LARGEST = 8192  # pixels on one side of an enlarged picture
MOST_TOGETHER = 4 * LARGEST * LARGEST  # pixels of all enlarged pictures of a request


class Extras(Body_):
    """A1111's fields for enlarging."""

    resize_mode: int = Field(0, ge=0, le=1)
    show_extras_results: bool = True
    gfpgan_visibility: float = Field(0, ge=0, le=1)
    codeformer_visibility: float = Field(0, ge=0, le=1)
    codeformer_weight: float = Field(0, ge=0, le=1)
    upscaling_resize: float = Field(2, gt=0, le=8)
    upscaling_resize_w: int = Field(512, ge=1, le=LARGEST)
    upscaling_resize_h: int = Field(512, ge=1, le=LARGEST)
    upscaling_crop: bool = True
    upscaler_1: str = Field("None", max_length=100)
    upscaler_2: str = Field("None", max_length=100)
    extras_upscaler_2_visibility: float = Field(0, ge=0, le=1)
    upscale_first: bool = False


class ExtraSingle(Extras):
    """One picture to enlarge."""

    image: Picture


class NamedPicture(Body_):
    """A picture and what to call it."""

    data: Picture
    name: str = Field(max_length=300)


class ExtraBatch(Extras):
    """Pictures to enlarge."""

    imageList: Annotated[list[NamedPicture], Field(min_length=1, max_length=200)]


class PngInfo(Body_):
    """A picture whose text is asked for."""

    image: Picture


class Interrogate(Body_):
    """A picture to describe."""

    image: Picture
    model: str = Field("clip", max_length=100)


def routes(service: Service) -> APIRouter:
    """Gives the endpoints about pictures that come with the request."""
    router = APIRouter(prefix="/sdapi/v1", tags=["sdapi"], responses=PROBLEMS, route_class=LightRoute)

    @router.post("/extra-single-image", response_model=AnyObject)
    def extra_single_image(body: Annotated[ExtraSingle, Body()]) -> Response:
        """Enlarges a picture."""
        (image,) = _enlarged_all([(body.image, "image")], body)
        return answer_with({"html_info": _said(body), "image": image})

    @router.post("/extra-batch-images", response_model=AnyObject)
    def extra_batch_images(body: Annotated[ExtraBatch, Body()]) -> Response:
        """Enlarges pictures."""
        sent = [(each.data, f"imageList[{at}]") for at, each in enumerate(body.imageList)]
        return answer_with({"html_info": _said(body), "images": _enlarged_all(sent, body)})

    @router.post("/png-info")
    def png_info(body: Annotated[PngInfo, Body()]) -> AnyObject:
        """Gives the text that a picture carries, and what it says."""
        content = read_base64(body.image, "image")
        infotext = stored_text(content)
        parameters = parse_infotext(infotext) if infotext else {}
        return {"info": infotext, "items": {"parameters": infotext} if infotext else {}, "parameters": parameters}

    @router.post("/interrogate")
    async def interrogate(body: Annotated[Interrogate, Body()], request: Request) -> AnyObject:
        """Says in words what is on a picture."""
        file = await run_in_threadpool(store_upload, service.home, body.image, "image")
        if body.model not in ("clip", "blip"):
            raise HTTPException(404, f"model is {body.model!r}: this server has its own captioner, ask for clip")
        body.image = (await request.json())["image"] = ""  # it is stored, and many may wait for their turn
        job = await run_in_threadpool(
            order_captions, service.queue, [file], owner=request.state.user, model=service.model
        )
        job = await done(service, job)
        return {"caption": (job.result or {})["captions"][0]["caption"]}

    return router


def _enlarged_all(sent: Iterable[tuple[str, str]], asked: Extras) -> list[bytes]:
    """Gives files of the pictures, each sent in base64 with what to call it, as large as asked for.

    The answer holds all of them: together they may have `MOST_TOGETHER` pixels. Raises PhotoError and SettingsError.
    """
    enlarged, pixels = [], 0
    for picture, name in sent:
        with FEW_AT_ONCE:
            image = _enlarged(read_image(picture, name), asked)
            pixels += image.width * image.height
            if pixels > MOST_TOGETHER:
                raise PhotoError(
                    f"the pictures up to {name} would have {pixels // 1_000_000} million pixels, "
                    f"{MOST_TOGETHER // 1_000_000} million together are the most: send fewer at a time"
                )
            enlarged.append(encode(image))
    return enlarged


def _enlarged(image: Image.Image, asked: Extras) -> Image.Image:
    """Gives the picture as large as asked for; raises SettingsError for what would need a model that is not here."""
    if asked.gfpgan_visibility or asked.codeformer_visibility:
        raise SettingsError("there is no face restorer here: leave gfpgan_visibility and codeformer_visibility at 0")
    if asked.upscaler_1 in ("None", ""):
        return image  # as in A1111, whatever the second one is
    first = _resized(image, asked, asked.upscaler_1)
    if asked.upscaler_2 in ("None", "") or not asked.extras_upscaler_2_visibility:
        return first
    return Image.blend(first, _resized(image, asked, asked.upscaler_2), asked.extras_upscaler_2_visibility)


def _resized(image: Image.Image, asked: Extras, upscaler: str) -> Image.Image:
    resampling = RESAMPLING.get(upscaler)
    if resampling is None:
        raise SettingsError(f"there is no upscaler {upscaler!r} here: take {' or '.join(RESAMPLING)}")
    if asked.resize_mode == 1:
        size = (asked.upscaling_resize_w, asked.upscaling_resize_h)
        if asked.upscaling_crop:
            return ImageOps.fit(image, size, method=resampling)
        scale = min(size[0] / image.width, size[1] / image.height)
        return image.resize(scaled_size(image, scale), resampling)
    width, height = scaled_size(image, asked.upscaling_resize)
    if max(width, height) > LARGEST:
        raise PhotoError(
            f"the picture would be {width}x{height}, {LARGEST} pixels a side are the most: enlarge it less"
        )
    return image.resize((width, height), resampling)


def _said(asked: Extras) -> str:
    said: dict[str, Any] = {"Postprocess upscale by": asked.upscaling_resize, "Postprocess upscaler": asked.upscaler_1}
    if asked.upscaler_1 in ("None", ""):
        return "<div></div>"
    return f"<div>{html.escape(', '.join(f'{name}: {value}' for name, value in said.items()))}</div>"
