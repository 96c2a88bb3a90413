"""Files of every kind that a folder of images may hold."""
import os

import numpy as np
from PIL import Image


def pixels(random, height=8, width=8, channels=3):
    return random.integers(256, size=(height, width, channels), dtype=np.uint8)


def write_good(folder, count, seed=0):
    """Write ``count`` small images of different kinds and odd names.

    Returns:
        list[str]: Their names below the folder.
    """
    random = np.random.default_rng(seed)
    names = []
    for number in range(count):
        kind = _KINDS[number % len(_KINDS)]
        below = ('plain', 'with space', 'ünï', os.fsdecode(b'\xff\xfe'))
        name = f'{below[number % 3 if number % 8 else 3]}/{number}{kind}'
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _write(path, kind, random)
        names.append(name)
    return names


_KINDS = ('.jpg', '.png', ' grey.png', ' cmyk.jpg', ' 16 bit.png',
          ' palette.png', ' jpeg inside.png', ' 1 x 1.png', ' long.png',
          ' alpha.png', '.bmp', '.tif', '.webp', ' animated.webp')


def _write(path, kind, random):
    image = Image.fromarray(pixels(random))
    if 'cmyk' in kind:
        image.convert('CMYK').save(path)
    elif '16 bit' in kind:
        Image.fromarray(
            random.integers(65536, size=(8, 8), dtype=np.uint16)).save(path)
    elif 'jpeg inside' in kind:
        image.save(path, format='jpeg')
    elif '1 x 1' in kind:
        image.crop((0, 0, 1, 1)).save(path)
    elif 'long' in kind:
        Image.fromarray(pixels(random, 3000, 2)).save(path)
    elif 'animated' in kind:
        image.save(path, save_all=True, append_images=[image.rotate(90)] * 2)
    else:
        mode = dict(grey='L', palette='P', alpha='RGBA')
        found = [mode[word] for word in mode if word in kind]
        image.convert(found[0] if found else 'RGB').save(path)


def write_bad(folder, below='bad'):
    """Write one file of each kind that cannot be used into ``below``.

    Returns:
        dict[str, str]: By name below the folder, a part of what is to be
        said of it.
    """
    random = np.random.default_rng(1)
    bad = os.path.join(folder, below)
    os.makedirs(bad)
    whole = os.path.join(folder, 'whole.')
    for kind in ('jpg', 'png', 'bmp'):
        Image.fromarray(pixels(random, 64, 64)).save(whole + kind)
        with open(whole + kind, 'rb') as file:
            content = file.read()
        os.remove(whole + kind)
        with open(os.path.join(bad, f'cut.{kind}'), 'wb') as file:
            file.write(content[:len(content) * 2 // 3])
    for name, content in (('empty.jpg', b''), ('zeros.jpg', bytes(2000)),
                          ('text.png', b'no image\n'),
                          ('header.jpg', b'\xff\xd8\xff\xe0\0\x10JFIF')):
        with open(os.path.join(bad, name), 'wb') as file:
            file.write(content)
    os.symlink('nobody.jpg', os.path.join(bad, 'dangling.jpg'))
    os.symlink('itself.jpg', os.path.join(bad, 'itself.jpg'))
    os.symlink('..', os.path.join(bad, 'up'))
    os.symlink('round', os.path.join(bad, 'round'))
    os.mkfifo(os.path.join(bad, 'pipe.jpg'))
    Image.fromarray(pixels(random)).save(os.path.join(bad, 'two\nlines.png'))
    Image.fromarray(pixels(random, 600, 500)).save(
        os.path.join(bad, 'large.png'))
    said = {
        'cut.jpg': 'cut off', 'cut.png': 'cut off', 'cut.bmp': 'cut off',
        'empty.jpg': 'empty', 'zeros.jpg': 'not an image',
        'text.png': 'not an image', 'header.jpg': 'cut off',
        'dangling.jpg': 'leads nowhere', 'itself.jpg': 'symbolic links',
        'up': 'loop', 'round': 'a link', 'pipe.jpg': 'pipe',
        'two\nlines.png': 'line break', 'large.png': '500 x 600'
    }
    return {f'{below}/{name}': reason for name, reason in said.items()}
