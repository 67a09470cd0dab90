"""Who is drawn and in which scene: identities, scenes, their vocabularies, and the split that holds people back.

An *identity* is what stays the same in all pictures of a person; a *scene* is what changes. Knows nothing of how
either is drawn (`renders.py`) or said (`captions.py`).
"""

import colorsys
import hashlib
import random
from dataclasses import dataclass

SKIN = {"pale": "ffdcc2", "light": "f0c49a", "tan": "d49a63", "brown": "a0602f", "dark": "633c22"}
HAIR_COLOUR = {
    "black": "211d26", "brown": "6b4226", "blonde": "e9c658", "red": "c8401c", "grey": "93939c",
    "white": "efeff2", "blue": "3b6be0", "pink": "f07fb4", "green": "3dac58", "purple": "8646cf",
}  # fmt: skip
HAIR = ("bald", "short", "bob", "long", "bun", "afro", "mohawk")
BEARD = ("none", "beard", "moustache")
GLASSES = ("none", "round glasses", "square glasses", "sunglasses")
CLOTHES = {
    "red": "d8343c", "orange": "f28a2e", "yellow": "f5cf3c", "green": "3da856", "blue": "386dd8",
    "purple": "8852cc", "pink": "ee84b4", "black": "27272f", "white": "f2f2f2", "grey": "8b8f98",
}  # fmt: skip
BACKGROUND = {
    "white": "fafafa", "light blue": "b4def6", "pink": "fbcfd8", "yellow": "fde9a0", "green": "bde5bb",
    "lavender": "d1cbf3", "orange": "fdc895", "grey": "c8cbd2", "blue": "588ee0", "red": "e15f5b",
    "teal": "5dbfb6", "black": "2a2a33", "purple": "9a70cf",
}  # fmt: skip
PATTERNS = ("striped", "polka dot", "sunset")
FRAMINGS = ("portrait", "close-up", "half body", "full body")

# Style words as a user types them. "photo" is the mini world's camera: its people look like this.
STYLES = ("photo", "flat style", "comic style", "pixel art style")
HELD_OUT_STYLE = "doodle style"
EXPRESSIONS = {
    "photo": ("smiling", "laughing", "sad", "surprised", "angry", "winking"),
    "flat style": ("smiling", "laughing", "sad", "surprised", "winking"),
    "comic style": ("smiling", "laughing", "sad", "surprised", "angry"),
    "pixel art style": ("smiling", "laughing", "sad", "surprised", "angry", "winking"),
    "doodle style": ("smiling", "laughing", "sad", "angry"),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same. `seed` decides what no caption says: exact hues, nose, width of the face, cut of the hair."""

    skin: str
    hair: str
    hair_colour: str
    beard: str
    glasses: str
    seed: int

    @property
    def key(self) -> str:
        """The sayable attributes, as one string: the unit of the split."""
        return "/".join((self.skin, self.hair, self.hair_colour, self.beard, self.glasses))

    @property
    def held_out(self) -> bool:
        """True for the one in forty combinations that no training picture ever shows (SHA-256, fixed for ever)."""
        return hashlib.sha256(self.key.encode()).digest()[0] * 40 < 256

    def hidden(self) -> random.Random:
        """The generator of everything about this person that words do not say."""
        return random.Random(f"hidden {self.seed}")

    def colours(self) -> tuple[str, str]:
        """Exact skin and hair colour as hex, close to the named ones."""
        r = self.hidden()
        return _near(SKIN[self.skin], r, 0.012, 0.06, 0.035), _near(HAIR_COLOUR[self.hair_colour], r, 0.02, 0.1, 0.07)

    def face_width(self) -> float:
        """Horizontal stretch of the whole drawing, 0.92 to 1.08."""
        return 0.92 + 0.16 * random.Random(f"width {self.seed}").random()


@dataclass(frozen=True, slots=True)
class Scene:
    """What changes from picture to picture. `dx`, `dy` in pixels of a 128-pixel canvas, `tilt` in degrees."""

    style: str
    expression: str
    clothes: str
    background: str
    framing: str
    scale: float = 1.0
    dx: float = 0.0
    dy: float = 0.0
    tilt: float = 0.0
    mirrored: bool = False
    sticker: str = ""
    seed: int = 0


def _near(colour: str, r: random.Random, hue: float, saturation: float, value: float) -> str:
    h, s, v = colorsys.rgb_to_hsv(*(int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)))
    h = (h + r.uniform(-hue, hue)) % 1
    s = min(1.0, max(0.0, s * (1 + r.uniform(-saturation, saturation) * 2)))
    v = min(1.0, max(0.0, v + r.uniform(-value, value)))
    return "".join(f"{round(c * 255):02x}" for c in colorsys.hsv_to_rgb(h, s, v))


def random_identity(r: random.Random) -> Identity:
    """Draws a person; long hair goes with a beard as rarely as among people one meets."""
    hair = r.choices(HAIR, (1, 3, 2, 3, 2, 2, 1.5))[0]
    beard = (
        "none" if (hair in ("bob", "long", "bun") and r.random() < 0.9) or r.random() < 0.45 else r.choice(BEARD[1:])
    )
    glasses = "none" if r.random() < 0.5 else r.choice(GLASSES[1:])
    colour = r.choices(list(HAIR_COLOUR), (2, 2, 2, 2, 1, 1, 1.2, 1.2, 1, 1.2))[0]
    return Identity(r.choice(list(SKIN)), hair, colour, beard, glasses, r.randrange(1 << 30))


def train_identity(r: random.Random) -> Identity:
    """Draws a person that is not held out."""
    while (person := random_identity(r)).held_out:
        pass
    return person


def held_out_identities(count: int, salt: int = 0) -> list[Identity]:
    """Gives `count` held-out people with pairwise different attributes; the same list every time for one `salt`."""
    r = random.Random(f"held out {salt}")
    found: dict[str, Identity] = {}
    while len(found) < count:
        person = random_identity(r)
        if person.held_out:
            found.setdefault(person.key, person)
    return list(found.values())


def random_scene(r: random.Random, style: str | None = None, framing: str | None = None, sticker: str = "") -> Scene:
    """Draws a scene; most pictures are upright, small shifts keep them natural."""
    style = style or r.choices(STYLES, (3, 2, 2.2, 1.2))[0]
    if style == "pixel art style":  # in 32 x 32 blocks a small figure has no face
        framing = framing if framing in FRAMINGS[:2] else r.choice(FRAMINGS[:2])
    framing = framing or r.choices(FRAMINGS, (46, 28, 15, 11))[0]
    return Scene(
        style=style,
        expression=r.choice(EXPRESSIONS[style]),
        clothes=r.choice(list(CLOTHES)),
        background=r.choice(list(BACKGROUND)) if r.random() < 0.86 else r.choice(PATTERNS),
        framing=framing,
        scale=r.uniform(0.97, 1.03),
        dx=r.uniform(-2, 2),
        dy=r.uniform(-2, 2),
        tilt=r.choice((-1, 1)) * r.uniform(6, 12) if r.random() < 0.03 else 0.0,
        mirrored=r.random() < (0.12 if style == "comic style" else 0.02),
        sticker=sticker,
        seed=r.randrange(1 << 30),
    )
