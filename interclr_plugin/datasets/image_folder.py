"""A folder of images as a data set, without those that cannot be used."""
import os
from typing import (
    Callable,
    Dict,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import numpy as np
from mmengine.dataset import BaseDataset, force_full_init
from mmengine.dist import is_main_process
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS

from .image_files import EXTENSIONS, check_images, find_images, shown
from .image_pipeline import ImagePipeline
from .name_list import END, NameList, name_at, packed, read_names


@DATASETS.register_module()
class ImageFolder(BaseDataset):
    """Images in folders of any depth, in the order of their names.

    For both libraries. Before the pipeline an item is ``img_path``, str, and
    with labels ``gt_label``, int.

    Args:
        data_root (str): A folder, to which the other paths are relative.
        data_prefix (str | dict): The folder of the images, as str or as
            ``dict(img_path=...)``. Defaults to ``''``: ``data_root``.
        ann_file (str): A file with the name of an image below
            ``data_prefix`` in each line, as the command ``init`` writes it:
            these images, in this order. Bytes that are no UTF-8 may stand in
            it. Defaults to ``''``: all images of the folder are found anew.
        with_label (bool): The first folder below ``data_prefix`` is an
            image's class. Defaults to False.
        skip_bad (bool): Go on without images that cannot be used. Found
            anew, all are checked at the start, and those left out are named;
            those of an ``ann_file`` count as checked. In training another
            image takes the place of one that breaks later, with a warning.
            Defaults to False: such an image is named in an error.
        pipeline (Sequence[dict | Callable]): Transforms of the scope in use.
        metainfo (dict, optional): ``classes`` gives the classes their order.
            None: that of their names.
        indices (int | Sequence[int], optional): Keep only these images; an
            int keeps the first (positive) or the last (negative) ones.
        serialize_data (bool): Hold the items as one array of bytes, which
            loader processes share.
        test_mode (bool): Raise where the pipeline returns None, in place of
            trying another image.
        lazy_init (bool): Look for the images at the first use.
        max_refetch (int): Tries per item when ``test_mode`` is off.

    Raises:
        ValueError: There is no folder or no image in it, or an image has no
            class.
    """

    def __init__(self,
                 *,
                 data_root: str = '',
                 data_prefix: Union[str, dict] = '',
                 ann_file: str = '',
                 with_label: bool = False,
                 skip_bad: bool = False,
                 pipeline: Sequence[Union[dict, Callable]] = (),
                 metainfo: Optional[dict] = None,
                 indices: Optional[Union[int, Sequence[int]]] = None,
                 serialize_data: bool = True,
                 test_mode: bool = False,
                 lazy_init: bool = False,
                 max_refetch: int = 1000) -> None:
        self.with_label = with_label
        self.skip_bad = skip_bad
        # What mmengine holds as bytes: names, or pickles as of other classes.
        self.keeps_names = False
        if isinstance(data_prefix, str):
            data_prefix = dict(img_path=data_prefix)
        super().__init__(
            data_root=os.path.expanduser(data_root),
            data_prefix=data_prefix,
            ann_file=os.path.expanduser(ann_file),
            metainfo=metainfo,
            indices=indices,
            serialize_data=serialize_data,
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=True,
            max_refetch=max_refetch)
        self.pipeline = ImagePipeline(
            self.pipeline.transforms, skip_bad=skip_bad and not test_mode)
        if not lazy_init:
            self.full_init()

    def load_data_list(self) -> Sequence[dict]:
        """Read or make the list.

        Returns:
            Sequence[dict]: Per image what is listed for the class, made when
            it is asked for.
        """
        folder = self.data_prefix['img_path']
        text, stops = read_names(
            self.ann_file) if self.ann_file else packed(self._find(folder))
        if not len(stops):
            raise ValueError(
                f'No image that can be used is in '
                f'{shown(self.ann_file or folder)}: looked for '
                f'{", ".join(EXTENSIONS)}. Change dataset=dict('
                "type='ImageFolder', data_root=..., data_prefix=...).")
        if self.with_label:
            self._number = self._classes(NameList(text, stops, str))
        return NameList(text, stops, self._entry)

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Give what is listed for an image.

        Args:
            idx (int): Position in the data set.

        Returns:
            dict: What is listed for the class, and ``sample_idx``, int.
        """
        if not self.keeps_names:
            return super().get_data_info(idx)
        position = range(len(self))[idx]
        name = name_at(self.data_bytes, self.data_address, position)
        return dict(self._entry(name), sample_idx=position)

    def paths_below(self, start: int, stop: int) -> Optional[bytes]:
        """Give the paths of some images, without what ``data_prefix`` is.

        Args:
            start (int): The first image of a list that ``keeps_names``.
            stop (int): After the last one; more than ``start``.

        Returns:
            bytes, optional: Each path with a zero byte behind it; None where
            a name is a path of its own or no UTF-8.
        """
        first = int(self.data_address[start - 1]) if start else 0
        names = self.data_bytes[first:int(self.data_address[stop - 1])]
        names = names.tobytes()
        try:
            names.decode()
        except UnicodeDecodeError:
            return None
        root = os.sep.encode()
        if names.startswith(root) or END + root in names:
            return None
        if self.data_prefix['img_path'][-1:] in ('', os.sep):
            return names
        return root + names[:-1].replace(END, END + root) + END

    def get_cat_ids(self, idx: int) -> List[int]:
        """Classes of an image, which ``ClassBalancedDataset`` asks for.

        Args:
            idx (int): Position in the data set.

        Returns:
            list[int]: The one class.
        """
        return [self.get_data_info(idx)['gt_label']]

    def get_gt_labels(self) -> np.ndarray:
        """Classes of all images, which mmselfsup's kNN tool asks for.

        Returns:
            ndarray: (n,) int.
        """
        return np.array(
            [self.get_data_info(i)['gt_label'] for i in range(len(self))])

    def _find(self, folder: str) -> List[str]:
        names, faults, _ = find_images(folder)
        if not self.skip_bad:
            return names
        results = check_images(folder, names, quiet=not is_main_process())
        faults.update((name, fault)
                      for name, (_, fault) in zip(names, results) if fault)
        for name, fault in sorted(faults.items()):
            MMLogger.get_current_instance().warning(
                f'{shown(name)} is left out: {fault}.')
        return [name for name in names if name not in faults]

    def _classes(self, names: Sequence[str]) -> Dict[str, int]:
        """Number the classes, and see that each image has one."""
        classes = self._metainfo.get('classes') or tuple(
            sorted({_first_folder(name) for name in names} - {None}))
        self._metainfo['classes'] = tuple(classes)
        number = {name: label for label, name in enumerate(classes)}
        for name in names:
            if _first_folder(name) not in number:
                raise ValueError(
                    f'{shown(name)} has no class: with_label=True takes the '
                    'first folder of a name, one of '
                    f'{", ".join(map(shown, classes)) or "none"}. Change '
                    "dataset=dict(type='ImageFolder', with_label=False), or "
                    "metainfo=dict(classes=[...]).")
        return number

    def _entry(self, name: str) -> dict:
        entry = dict(img_path=os.path.join(self.data_prefix['img_path'], name))
        if self.with_label:
            entry['gt_label'] = self._number[_first_folder(name)]
        return entry

    def _serialize_data(self) -> Tuple[np.ndarray, np.ndarray]:
        # mmengine takes arrays of bytes apart without asking what is in them.
        self.keeps_names = isinstance(self.data_list, NameList)
        if not self.keeps_names:
            return super()._serialize_data()
        names, self.data_list = self.data_list, []
        return names.text, names.stops


def _first_folder(name: str) -> Optional[str]:
    return name.split(os.sep)[0] if os.sep in name else None
