"""A pipeline that gives every image, or names the one it cannot give."""
from .image_files import shown
from .image_pipeline import ADVICE, ImagePipeline


class Strict(ImagePipeline):
    """Name the image that a transform gives up, where others give None."""

    def __call__(self, data: dict) -> dict:
        name = data.get('img_path', f"number {data.get('sample_idx')}")
        results = super().__call__(data)
        if results is None:
            raise ValueError(
                f'The image {shown(name)} cannot be used: a transform gives '
                f'nothing for it, and every image needs a feature. {ADVICE}')
        return results
