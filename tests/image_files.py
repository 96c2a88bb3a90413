"""Little data sets as image files, where users have theirs."""
import numpy as np
from PIL import Image


def write_images(folder, count, size, seed=0):
    """Write ``count`` random images of ``size`` x ``size`` pixels."""
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(seed).integers(
        256, size=(count, size, size, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f'{number:03}.jpg')


def write_imagenet(root):
    """Write 24 training and 24 validation images in ImageNet's layout."""
    (root / 'meta').mkdir(parents=True)
    for split, lists in (('train', ('train', 'train_1percent')),
                         ('val', ('val', ))):
        lines = []
        for label in range(2):
            name = f'n{label:08}'
            write_images(root / split / name, 12, 64, label)
            lines += [f'{name}/{i:03}.jpg {label}\n' for i in range(12)]
        for name in lists:
            (root / f'meta/{name}.txt').write_text(''.join(lines))
