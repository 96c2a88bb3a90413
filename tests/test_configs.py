"""Every delivered configuration, and the lines that the README tells."""
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from small_run import CONFIGS, build_model, fake_batch

from interclr_plugin.upstream.tools import find_config

FILES = {
    path.relative_to(CONFIGS).as_posix(): path
    for path in sorted(CONFIGS.glob('mm*/**/*.py'))
    if path.parent.name != '_base_'
}
README = CONFIGS.parent / 'README.md'


# Building a ResNet-50 takes seconds: one of each library is enough at first.
BUILT = [
    pytest.param(
        path,
        id=name,
        marks=[pytest.mark.slow]
        if 'in1k' in name and 'interclr-moco_' not in name else [])
    for name, path in FILES.items()
]


def read(path) -> tuple:
    config = Config.fromfile(path)
    return config, config.default_scope


@pytest.mark.parametrize('path', BUILT)
def test_every_file_builds_its_model(path):
    """Without it a delivered file could name what does not exist."""
    config, scope = read(path)
    assert path.relative_to(CONFIGS).parts[0] == scope
    if 'memory_bank' in config.model:
        # NPID's own table of 1,281,167 images takes half a minute.
        config.model.memory_bank.length = 1000
    model = build_model(config, scope)
    if path.name.startswith('interclr'):
        name = f'InterCLR{config.model.algorithm}'
        assert type(model).__name__ == name
        assert model.inter_image.feat_dim == config.model.neck.out_channels


@pytest.mark.parametrize('path', FILES.values(), ids=FILES.keys())
def test_every_file_opens_with_its_command(path):
    """Without it users would have to guess how a file is run."""
    first = path.read_text().split('\n\n')[0]
    name = path.relative_to(CONFIGS)
    assert f'mim train {name.parts[0]} ' in first
    assert f'configs/{name.as_posix()}' in first


def test_every_file_has_a_name_of_its_own():
    """Without it mim, which looks a configuration up by its name, would
    refuse those that both libraries have."""
    names = [path.name for path in CONFIGS.rglob('*.py')
             if path.parent.name != '_base_']
    assert len(names) == len(set(names))
    for path in FILES.values():
        assert find_config(path.name) == str(path)


def test_the_model_index_lists_every_file():
    """Without it the OpenMMLab tools would not know a configuration."""
    listed = [
        model['Config'] for model in load(CONFIGS / 'metafile.yml')['Models']
    ]
    assert sorted(listed) == sorted(f'configs/{name}' for name in FILES)


@pytest.mark.parametrize('scope', ['mmselfsup', 'mmpretrain'])
def test_the_imagenet_file_is_the_released_recipe(scope):
    """Without it `num_clusters` alone might not give the released sizes."""
    path = CONFIGS / scope / (
        f'interclr-moco_resnet50_8xb32-coslr-200e_in1k_{scope}.py')
    assert len(path.read_text().splitlines()) < 40
    config, _ = read(path)
    model = build_model(config, scope)
    assert (model.intra_weight, model.inter_weight) == (0.75, 0.25)
    branch = model.inter_image
    branch.sampler.allocate(1281167)
    # Sizes alone: no need for the bank's 656 MB.
    branch.labels.allocate(1281167)
    assert branch.sampler.num_negatives == 16384
    assert branch.sampler.pool_size == 128117
    assert branch.sampler.strategy == 'semi-hard'
    assert branch.labels.num_clusters == 10000
    assert branch.labels.min_cluster_size == 20
    assert branch.labels.centroid_interval == 10
    assert branch.labels.small_cluster_interval == 1
    assert branch.bank.momentum == 1.0
    assert (branch.loss.margin, branch.loss.margin_type) == (-0.5, 'cosine')
    assert branch.loss.temperature == config.model.head.temperature == 0.2
    assert config.train_dataloader.batch_size == 32
    assert config.train_cfg.max_epochs == 200
    assert config.model.queue_len == 65536
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.lr, optimizer.momentum,
            optimizer.weight_decay) == (0.03, 0.9, 1e-4)


def python_blocks() -> list:
    return re.findall(r'```python\n(.*?)```', README.read_text(), re.DOTALL)


@pytest.mark.parametrize('scope', ['mmselfsup', 'mmpretrain'])
def test_the_readme_s_lines_work_as_written(scope, tmp_path: Path):
    """Without it the first thing that users copy could fail."""
    whole, second = python_blocks()[:2]
    assert whole.startswith("_base_ = 'mmselfsup::")
    assert second.startswith("_base_ = 'mmpretrain::")
    if scope == 'mmpretrain':
        whole = second + whole.split('\n', 1)[1]
    path = tmp_path / 'my_config.py'
    path.write_text(whole)
    config, found = read(path)
    assert found == scope
    assert config.custom_hooks == [dict(type='MemoryBankHook')]
    model = build_model(config, scope)
    assert type(model).__name__ == 'InterCLRMoCo'
    assert model.inter_image.labels.num_clusters == 10000


def test_the_readme_s_own_algorithm(scope, monkeypatch):
    """Without it users could not add an algorithm as the README says."""
    from interclr_plugin.algorithms import projections
    monkeypatch.setattr(projections, 'READERS', dict(projections.READERS))
    exec(python_blocks()[2], {})

    @MODELS.register_module(force=True)
    class MyAlgorithm(BaseModel):

        def __init__(self, backbone, neck):
            super().__init__()
            self.backbone = MODELS.build(backbone)
            self.neck = MODELS.build(neck)

        def forward(self, inputs, data_samples=None, mode='tensor'):
            raise NotImplementedError

        def loss(self, inputs, data_samples):
            first, second = (
                self.neck(self.backbone(view))[0] for view in inputs)
            return dict(loss=(first - second).square().mean())

    config = Config.fromfile(
        CONFIGS / scope /
        f'interclr-simsiam_resnet18_1xb64-coslr-50e_digits_{scope}.py'
    )
    del config.model['head'], config.model['data_preprocessor']
    config.model.algorithm = 'MyAlgorithm'
    model = build_model(config, scope)
    model.inter_image.allocate(1500, seed=0)
    model.inter_image.fill()
    model.inter_image.first_clustering()
    index = torch.arange(100, 116)
    views, samples = fake_batch(scope, index)
    losses = model.loss(views, samples)
    assert losses['inter_loss'] > 0
    with torch.no_grad():
        keys = model.neck(model.backbone(views[1]))[0]
    torch.testing.assert_close(
        model.inter_image.bank.features[index],
        torch.nn.functional.normalize(keys, dim=1),
        atol=1e-5,
        rtol=1e-3)
