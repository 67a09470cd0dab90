"""What the newcomer does not do: people blended, renamed and forgotten, styles, sheets, pictures dropped anywhere."""

import base64
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Studio, shot, tab, watched

PROMPT = "#draw-prompt textarea"
GIVEN = """([name, data]) => {
  const given = new DataTransfer(), bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
  given.items.add(new File([bytes], name));
  return given;
}"""


@pytest.fixture(scope="module")
def studio(make_filled: Callable[[], Studio]) -> Studio:
    """A studio of this file's own: what is drawn and kept here must not be seen elsewhere."""
    return make_filled()


def test_people_are_blended_renamed_and_forgotten(studio: Studio, visit: Callable[..., Page]) -> None:
    page = visit(studio.url)
    page.on("dialog", lambda asked: asked.accept())
    tab(page, "people")
    page.get_by_text("Blend people").click()
    page.click("#people-blend")
    expect(page.locator("#people-parts .problem")).to_contain_text("nobody is chosen")
    choose(page, "people-parts", "anabel", "bert")
    page.fill(field("people-weights"), "much, little")
    page.click("#people-blend")
    expect(page.locator("#people-weights .problem")).to_contain_text("weights are 'much, little'")
    page.fill(field("people-weights"), "0.7, 0.3")
    page.fill(field("people-mixed"), "bert")
    page.click("#people-blend")
    expect(page.locator("#people-mixed .problem")).to_contain_text("bert")
    page.fill(field("people-mixed"), "portrait")
    page.click("#people-blend")
    expect(page.locator("#people-mixed .problem")).to_contain_text("an ordinary word of")
    page.fill(field("people-mixed"), "anabert")
    page.click("#people-blend")
    names = page.locator("#people-cards .card h3")
    expect(names).to_have_text(["anabel", "anabert", "anatol", "bert"])
    page.get_by_text("Rename a person").click()
    page.locator("#people-rename").click()
    expect(page.locator("#people-old .problem")).to_contain_text("nobody is chosen")
    choose(page, "people-old", "anabert")
    page.fill(field("people-new"), "bert")
    page.locator("#people-rename").click()
    expect(page.locator("#people-new .problem")).to_contain_text("bert")
    page.fill(field("people-new"), "portrait")
    page.locator("#people-rename").click()
    expect(page.locator("#people-new .problem")).to_contain_text("an ordinary word of")
    page.fill(field("people-new"), "dora")
    page.locator("#people-rename").click()
    expect(names).to_have_text(["anabel", "anatol", "bert", "dora"])
    shot(page, "8-people")
    page.locator("#people-cards .card", has_text="dora").get_by_text("Forget").click()
    expect(names).to_have_text(["anabel", "anatol", "bert"])


def test_a_style_is_kept_chosen_and_drawn_with(studio: Studio, visit: Callable[..., Page]) -> None:
    page = visit(studio.url)
    page.get_by_text("Styles and variations").click()
    page.fill(field("draw-style_name"), "comic")
    page.click("#draw-style_keep")
    expect(page.locator("#draw-prompt .problem")).to_contain_text("prompt is empty")
    page.fill(PROMPT, "comic style")
    page.click("#draw-style_keep")
    expect(page.locator("#draw-style_said")).to_contain_text("comic is kept")
    page.fill(field("draw-style_name"), "comic")
    page.click("#draw-style_keep")
    expect(page.locator("#draw-style_name .problem")).to_contain_text("already")
    choose(page, "draw-styles", "comic")
    choose(page, "draw-wildcards", "each of them")
    page.fill(PROMPT, "a {red|old} hat")
    expect(draw(page)).to_have_count(2)
    page.click("#draw-style_remove")
    expect(page.locator("#draw-style_said")).to_contain_text("comic is removed. It said: comic style")
    expect(page.locator("#draw-styles .token")).to_have_count(0)
    tab(page, "gallery")
    captions = page.locator("#gallery-pictures figcaption")
    expect(captions.nth(0)).to_have_text("a old hat, comic style")
    expect(captions.nth(1)).to_have_text("a red hat, comic style")
    page.locator("#gallery-pictures button.picture").first.click()
    page.click(".opened button >> text=Draw it again")  # as it was drawn: the style is in its words
    expect(page.locator(PROMPT)).to_have_value("a old hat, comic style")
    expect(page.locator("#draw-styles .token")).to_have_count(0)


def test_a_sheet_is_drawn(studio: Studio, visit: Callable[..., Page]) -> None:
    page = visit(studio.url)
    page.fill(PROMPT, "a portrait of bert")
    page.get_by_text("Comparison sheet").click()
    choose(page, "draw-x", "Embedding checkpoint")
    expect(page.locator(field("draw-x_values"))).to_have_attribute("placeholder", "bert-10, bert-20")
    page.fill(field("draw-x_values"), "bert-10, bert-30")
    choose(page, "draw-y", "Steps")
    page.fill(field("draw-y_values"), "1, many")
    page.click("#draw-start")
    expect(page.locator("#draw-x_values .problem")).to_contain_text("there is no checkpoint 'bert-30'")
    page.fill(field("draw-x_values"), "bert-10, bert-20")
    page.click("#draw-start")
    expect(page.locator("#draw-y_values .problem")).to_contain_text("axis Steps has the value 'many'")
    page.fill(field("draw-y_values"), "1, 2")
    expect(draw(page)).to_have_count(4)
    expect(page.locator("#draw-stage .compared img")).to_be_visible()
    expect(page.locator("#draw-stage figcaption").last).to_have_text("bert-20 · 2")
    shot(page, "9-sheet")
    tab(page, "gallery")
    expect(page.locator("#gallery-pictures figure").first).to_be_visible()  # words typed before are not heard
    page.fill(field("gallery-words"), "bert")
    expect(page.locator("#gallery-pictures figure")).to_have_count(5)


def test_a_matrix_is_drawn_on_a_sheet(studio: Studio, visit: Callable[..., Page]) -> None:
    page = visit(studio.url)
    page.fill(PROMPT, "a cat|red")
    page.get_by_text("Styles and variations").click()
    page.get_by_text("Comparison sheet").click()
    choose(page, "draw-matrix", "of the prompt")
    page.get_by_label("All of it on one sheet").check()
    choose(page, "draw-x", "Seed")
    page.click("#draw-start")
    expect(page.locator("#draw-x .problem")).to_contain_text("takes both sides")
    choose(page, "draw-x", "nothing")
    expect(draw(page)).to_have_count(2)
    expect(page.locator("#draw-stage figcaption")).to_have_text(["nothing", "red"])


def test_what_goes_on_under_queue_goes_on_under_draw(studio: Studio, visit: Callable[..., Page]) -> None:
    page = visit(studio.url)
    page.fill(PROMPT, "a hat that takes long")
    page.fill(field("draw-count"), "60")
    page.fill("#draw-steps input[type=number]", "150")  # it must not be over before it is stopped
    for side in ("draw-width", "draw-height"):
        page.fill(field(side), "192")
    page.click("#draw-start")
    expect(page.locator("#draw-stage figcaption").first).to_be_visible()
    tab(page, "queue")
    here = page.locator("#queue-jobs li").first
    here.get_by_text("Pause", exact=True).click()
    expect(here.get_by_text("Go on")).to_be_visible()
    tab(page, "draw")
    expect(page.locator("#draw-stage .state")).to_contain_text("paused")
    tab(page, "queue")
    here.get_by_text("Go on").click()
    tab(page, "draw")
    expect(page.locator("#draw-stage .state")).not_to_contain_text("paused")
    page.click("#draw-stop")
    expect(page.locator("#draw-stage .state")).to_contain_text("stopped")


def test_a_picture_dropped_anywhere_says_how_it_was_drawn(studio: Studio, visit: Callable[..., Page]) -> None:
    page = visit(studio.url)
    second = "Hires upscale: 1.5, Hires steps: 3, Hires upscaler: Lanczos, Denoising strength: 0.4, Tiling: True"
    drop(page, "body", "elsewhere.png", picture(f"a hat\nSteps: 7, Sampler: Euler a, Seed: 42, {second}"))
    expect(page.locator(".opened dd").first).to_have_text("a hat")
    page.click(".opened button >> text=Begin with it")
    expect(page.locator(".easel img")).to_be_visible()
    expect(page.locator(PROMPT)).to_have_value("a hat")
    expect(page.locator("#draw-seed input")).to_have_value("42")
    expect(page.locator("#draw-source, #draw-mask").first).to_be_hidden()
    page.get_by_label("words only").check()
    page.get_by_text("More options").first.click()
    page.get_by_text("Large and detailed").click()
    expect(page.locator("#draw-tiling input")).to_be_checked()  # folded away when it was filled in
    expect(page.locator("#draw-hires input")).to_be_checked()
    expect(page.locator("#draw-hires_scale input").first).to_have_value("1.5")
    expect(page.locator("#draw-hires_upscaler input")).to_have_value("Lanczos")
    expect(page.locator("#draw-hires_denoise input[type=number]")).to_have_value("0.4")
    tab(page, "about")
    drop(page, ".prose-like", "mute.png", picture(None))
    expect(page.locator(".opened")).to_contain_text("says nothing about how it was drawn")
    page.click(".opened button >> text=Repaint a part")
    expect(page.locator(".easel canvas")).to_be_visible()
    tab(page, "gallery")
    page.get_by_text("from elsewhere").click()
    drop(
        page,
        "#gallery-opened ~ .block .label-wrap",
        "beside.png",
        picture("a coat\nSteps: 7, Sampler: Euler a, Seed: 4"),
    )
    expect(page.locator(".opened dd").first).to_have_text("a coat")  # beside the field, on its title
    drop(page, "#draw-stage", "letter.txt", b"dear all")
    expect(page.locator("#gallery-opened .problem")).to_contain_text("cannot be read")


def test_photos_dropped_beside_their_field_are_photos(studio: Studio, visit: Callable[..., Page]) -> None:
    page = visit(studio.url)
    tab(page, "photos")
    page.fill("#photos-set input", "somebody")
    page.keyboard.press("Enter")
    drop(page, "#photos-sheet", "one.png", picture(None))
    expect(page.locator("#photos-sheet figure")).to_have_count(1)
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#photos-sheet button >> text=Delete these photos")
    expect(page.locator("#photos-sheet")).to_contain_text("No photos here yet")
    page.click("#photos-set input")
    expect(page.locator("#photos-set [role=option]", has_text="somebody")).to_have_count(0)


def test_a_photo_that_is_too_large_is_not_sent(studio: Studio, visit: Callable[..., Page]) -> None:
    """The server would stop listening, which looks like a lost connection, and Gradio's words are English."""
    page = visit(studio.url, language="pt-BR")
    tab(page, "photos")
    page.eval_on_selector("[data-most]", "header => { header.dataset.most = 1000; header.dataset.mostTogether = 3000 }")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/upload?" in request.url else None)
    photos = [{"name": f"{size}.png", "mimeType": "image/png", "buffer": b"x" * size} for size in (900, 2000, 999, 998)]
    said = page.locator("#photos-drop + .problem")
    page.set_input_files("#photos-drop input[type=file]", photos[:2])
    expect(said).to_have_text("2000.png: mais de 64 MB, o máximo aceito aqui. Salve menor, ou solte só as outras.")
    page.set_input_files("#photos-drop input[type=file]", [*photos[2:], *photos[2:]])
    expect(said).to_contain_text("mais de 1280 MB, o máximo aceito de uma vez")
    assert sent == []
    page.set_input_files("#photos-drop input[type=file]", photos[:1])
    expect(said).to_have_count(0)


def test_a_look_up_would_be_seen(tmp_path: Path, studio: Studio) -> None:
    """That no studio looked up a name is said when they end; here, that it would have been written down."""
    asking = "import socket\ntry: socket.getaddrinfo('retrato.invalid', 80)\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", asking], check=True, env=watched({}, tmp_path / "lookups"))
    assert (tmp_path / "lookups").read_text() == "socket.getaddrinfo retrato.invalid\n"
    assert studio.lookups == ""


def field(name: str) -> str:
    return f"#{name} :is(input, textarea)"


def choose(page: Page, name: str, *options: str) -> None:
    """Chooses from a list by what it shows."""
    page.click(f"#{name} input")
    for option in options:
        page.get_by_role("option", name=option, exact=True).click()
    page.press(f"#{name} input", "Escape")
    expect(page.get_by_role("option")).to_have_count(0)


def draw(page: Page) -> Locator:
    """Draws with one step, waits for the end, and gives the pictures."""
    page.fill("#draw-count input", "1")
    page.fill("#draw-steps input[type=number]", "1")
    page.click("#draw-start")
    expect(page.locator("#draw-stage .state")).to_contain_text("kept in the gallery")
    return page.locator("#draw-stage figure")


def picture(text: str | None) -> bytes:
    notes, buffer = PngInfo(), io.BytesIO()
    if text:
        notes.add_text("parameters", text)
    Image.new("RGB", (64, 64), "teal").save(buffer, "PNG", pnginfo=notes)
    return buffer.getvalue()


def drop(page: Page, where: str, name: str, content: bytes) -> None:
    """Drops a file as the desktop does."""
    given = page.evaluate_handle(GIVEN, [name, base64.b64encode(content).decode()])
    page.dispatch_event(where, "dragover", {"dataTransfer": given})
    expect(page.locator(".veil")).to_be_visible()
    page.dispatch_event(where, "drop", {"dataTransfer": given})
    expect(page.locator(".veil")).to_have_count(0)
