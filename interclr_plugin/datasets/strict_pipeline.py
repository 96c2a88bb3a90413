"""A pipeline that names the image it cannot give."""
from mmengine.dataset import Compose


class Strict(Compose):
    """Name the image that a transform gives up, where Compose gives None."""

    def __call__(self, data: dict) -> dict:
        name = data.get('img_path', f"number {data.get('sample_idx')}")
        results = super().__call__(data)
        if results is None:
            raise ValueError(
                f'The image {name} cannot be read, and every image needs its '
                'feature before training starts. Mend or remove it; or '
                "cluster what the first epoch can read: custom_hooks=[dict("
                "type='MemoryBankHook', first_clustering='bank')].")
        return results
