import io

import pytest
from PIL import Image, ImageChops

from retrato.photos.encode import encode


@pytest.mark.parametrize(("format", "options"), [("PNG", {}), ("JPEG", {"quality": 95}), ("WEBP", {"lossless": True})])
def test_a_file_of_the_format_that_is_asked_for(format: str, options: dict[str, object]) -> None:
    image = Image.linear_gradient("L").convert("RGB")
    with Image.open(io.BytesIO(encode(image, format, **options))) as found:
        assert found.format == format
        difference = ImageChops.difference(found.convert("RGB"), image).getextrema()
    assert max(most for _, most in difference) <= (3 if format == "JPEG" else 0)
