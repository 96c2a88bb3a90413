"""What an exported folder says of itself: how it is loaded and fed."""
from pathlib import Path

from ..version import __version__

_CARD = """# A backbone trained without labels

Exported by interclr_plugin {version}. It gives one vector of {width} values
for each image. Loaded by the lines below and given the same images, it
differed from the model that was trained by at most {difference:.1e}, where the
largest value is {largest:.2g}.

In this folder, with `image = PIL.Image.open(...)`:

```python
{usage}
```

Images are red, green, blue. Their shorter edge is resized to {resize} pixels
(bilinear), the central {size} x {size} pixels are cut out, and pixels of 0 to
1 are normalised:

    mean {mean}
    standard deviation {std}

Where every image has a shorter edge of {size} pixels already, as in some data
sets of small images, leave the resizing out.
"""


def write_card(folder: Path, source, usage: str, exported) -> None:
    """Write ``README.md``.

    Args:
        folder (Path): The export.
        source (Source): What was exported.
        usage (str): Lines of Python that load it.
        exported (Exported): How near it is.
    """
    (folder / 'README.md').write_text(
        _CARD.format(
            version=__version__,
            usage=usage,
            **exported._asdict(),
            **source.preprocessing._asdict()))
