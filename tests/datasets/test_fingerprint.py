"""What tells lists of images apart, computed where the list lies."""
import gc
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import BaseDataset

from interclr_plugin.datasets import fingerprint as module
from interclr_plugin.datasets import stored_paths
from interclr_plugin.datasets.fingerprint import fingerprint

FOLDER = 'data/é/'
# Names with bytes that are no UTF-8, and some longer than 255 bytes.
NAMES = st.text(
    st.sampled_from(['a', 'é', '/', '.', '\udcff', '\x94']), max_size=6).map(
        lambda name: name * (1 + 50 * ('.' in name)))


class Listed(BaseDataset):

    def __init__(self, entries, folder, **kwargs):
        self.entries = entries
        super().__init__(data_prefix=dict(img_path=folder), **kwargs)

    def load_data_list(self):
        return [dict(entry) for entry in self.entries]


class Moved(Listed):
    """Paths that are told when they are asked for."""

    def get_data_info(self, idx):
        return dict(img_path=f'other/{idx}')


def by_a_loop(paths, folder):
    digest = hashlib.sha256()
    for path in paths:
        if folder and path.startswith(folder):
            path = path[len(folder):]
        digest.update(path.encode('utf-8', 'surrogatepass') + b'\0')
    return digest.hexdigest()


@given(
    paths=st.lists(
        st.tuples(st.sampled_from(['', FOLDER, FOLDER[:-1]]),
                  NAMES).map(''.join), min_size=1, max_size=9),
    folder=st.sampled_from(['', FOLDER]),
    kinds=st.lists(st.integers(0, 2), min_size=9, max_size=9),
    alike=st.booleans(),
    block=st.integers(1, 4))
def test_it_is_that_of_a_loop_over_names(paths, folder, kinds, alike, block):
    """Without it a data set would have another fingerprint than in the
    checkpoints there are, or two data sets the same."""
    entries = []
    for path, kind in zip(paths, kinds[:1] * 9 if alike else kinds):
        entries.append([
            dict(img_path=path),
            dict(img_path=path, gt_label=3),
            dict(gt_label=3, img_path=path)
        ][kind])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, 'BLOCK', block)
        # mmengine's data sets collect garbage when they are made: 0.1 s.
        patch.setattr(gc, 'collect', int)
        for kept in (True, False):
            dataset = Listed(entries, folder, serialize_data=kept)
            assert fingerprint(dataset) == by_a_loop(paths, folder)


def test_the_paths_of_other_entries_are_asked_for():
    """Without it a class that makes its paths up would have the fingerprint
    of those that it was given."""
    entries = [dict(img_path=f'{i}.png', gt_label=0) for i in range(3)]
    expected = by_a_loop([f'other/{i}' for i in range(3)], '')
    assert fingerprint(Moved(entries, '')) == expected


def test_entries_are_not_loaded_one_by_one(monkeypatch):
    """Without it the first start with 100 million images takes four minutes
    more; a new pickle format would go unnoticed."""
    monkeypatch.setattr(module, '_add', None)
    for entry in (dict(img_path='a.png'), dict(img_path='a.png', gt_label=1)):
        assert fingerprint(Listed([entry] * 3, '')) == by_a_loop(
            ['a.png'] * 3, '')


def test_entries_are_found_to_the_last_one():
    """Without it an entry shorter than what is looked for ends in an error
    of numpy."""
    entries = [dict(img_path='long enough.png', gt_label=0), dict(a=1)]
    dataset = Listed(entries, '')
    dataset.full_init()
    assert stored_paths.paths_of(dataset, 0, 2, b'') is None
    assert fingerprint(dataset) != fingerprint(Listed(entries[:1], ''))
