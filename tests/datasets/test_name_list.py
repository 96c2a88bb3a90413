"""A folder's list, which is kept as the bytes of its names."""
import copy
import gc
import os
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_fingerprint import by_a_loop

from interclr_plugin.datasets import ImageFolder, image_folder, name_list
from interclr_plugin.datasets import fingerprint as fingerprint_module
from interclr_plugin.datasets.fingerprint import fingerprint

# Bytes of a line: letters, folders, what is no UTF-8, a line of Windows.
LINES = st.lists(
    st.text(st.sampled_from('aé/\udcff\r'), max_size=5), max_size=7)


def by_names(names, folder, classes):
    """What the class lists, by a loop."""
    entries = []
    for position, name in enumerate(names):
        entry = dict(img_path=os.path.join(folder, name))
        if classes:
            entry['gt_label'] = classes.index(name.split('/')[0])
        entries.append(dict(entry, sample_idx=position))
    return entries


def listed(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


@example(lines=['/a'], ends=True, folder='é', block=9, kept=True)
@given(
    lines=LINES,
    ends=st.booleans(),
    folder=st.sampled_from(['', 'é/', 'é']),
    block=st.integers(1, 9),
    kept=st.booleans())
def test_any_list_is_read_as_by_a_loop(lines, ends, folder, block, kept,
                                       tmp_path_factory):
    """Without it an image could have another's name, be lost at the edge of
    a block, or the list another fingerprint than in checkpoints there are."""
    path = tmp_path_factory.mktemp('list') / 'list.txt'
    path.write_bytes(os.fsencode('\n'.join(lines) + '\n' * ends))
    names = [line.rstrip('\r') for line in lines if line.rstrip('\r')]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(name_list, '_BLOCK', block)
        patch.setattr(fingerprint_module, 'BLOCK', block)
        patch.setattr(gc, 'collect', int)
        settings = dict(
            data_prefix=folder, ann_file=str(path), serialize_data=kept)
        if not names:
            with pytest.raises(ValueError, match='No image'):
                ImageFolder(**settings)
            return
        dataset = ImageFolder(**settings)
        expected = by_names(names, folder, None)
        assert listed(dataset) == expected
        assert dataset.get_data_info(-1) == expected[-1]
        assert fingerprint(dataset) == by_a_loop(
            [entry['img_path'] for entry in expected], folder)


def paths(dataset):
    return [(info['img_path'], info['gt_label']) for info in listed(dataset)]


@pytest.mark.parametrize('kept', [True, False])
def test_parts_and_copies_keep_names_and_classes(kept, tmp_path):
    """Without it a subset, a loader's process or a pickle could be told other
    images than the data set."""
    names = [f'{kind}/{i}.png' for i in range(3) for kind in 'ba']
    (tmp_path / 'list.txt').write_text('\n'.join(names))
    settings = dict(
        data_root=str(tmp_path), ann_file='list.txt', with_label=True,
        serialize_data=kept)
    dataset = ImageFolder(**settings)
    expected = by_names(names, str(tmp_path), ['a', 'b'])
    assert listed(dataset) == expected
    expected = [(info['img_path'], info['gt_label']) for info in expected]
    for part, some in ((2, expected[:2]), (-2, expected[-2:]),
                       ([4, 0], [expected[4], expected[0]])):
        subset = dataset.get_subset(part)
        assert paths(subset) == some
        chosen = ImageFolder(indices=part, **settings)
        assert paths(chosen) == some
        assert fingerprint(subset) == fingerprint(chosen)
    for again in (copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):
        assert paths(again) == expected
    with pytest.raises(IndexError):
        dataset.get_data_info(6)


def test_no_object_stays_for_an_image(tmp_path, monkeypatch):
    """Without it a hundred million images would take 73 GB and five minutes
    at each start, on each process."""
    (tmp_path / 'list.txt').write_text('\n'.join(
        f'{i:06d}.png' for i in range(1000)))
    asked = []
    monkeypatch.setattr(image_folder, 'name_at',
                        lambda *args: asked.append(args) or 'x')
    monkeypatch.setattr(pickle, 'dumps', None)
    dataset = ImageFolder(data_root=str(tmp_path), ann_file='list.txt')
    fingerprint(dataset)
    assert not asked and not dataset.data_list
    assert dataset.data_bytes.nbytes == 11 * 1000
    assert dataset.get_data_info(3)['img_path'].endswith('x') and asked


class Doubled(ImageFolder):
    """A class of a user's own."""

    def load_data_list(self):
        return [dict(entry, twice=True) for entry in super().load_data_list()
                for _ in range(2)]


def test_a_class_of_ones_own_may_change_the_list(tmp_path):
    """Without it what a derived class adds to entries would be lost."""
    (tmp_path / 'list.txt').write_text('a.png\nb.png\n')
    dataset = Doubled(data_root=str(tmp_path), ann_file='list.txt')
    assert len(dataset) == 4 and dataset.get_data_info(2)['twice']
    assert fingerprint(dataset) == by_a_loop(
        [f'{name}.png' for name in 'aabb'], '')
