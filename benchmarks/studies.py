"""What each study compares: arms, each a configuration and its changes.

An arm is (configuration in ``configs/<library>/``, changes as for
``--cfg-options``); the first arm of a study is the one that the others are
compared with, unless ``--baseline`` names another. Every arm is trained once
for each seed.
"""
_DIGITS = '{}_resnet18_1xb64-coslr-50e_digits.py'
_MOCO = (_DIGITS.format('moco'), {})
_INTERCLR = _DIGITS.format('interclr-moco')
_SAMPLER = 'model.inter_image.sampler.'
_LABELS = 'model.inter_image.labels.'
_HOOK = 'custom_hooks.0.'
# The released sampler ranks the whole bank.
_RELEASED = {_SAMPLER + 'pool': 'exact'}

ALGORITHMS = ('moco', 'densecl', 'simclr', 'simsiam', 'barlowtwins', 'byol',
              'mocov3', 'swav', 'npid')


def _algorithm(name: str) -> str:
    config = _DIGITS.format(f'interclr-{name}')
    return config.replace('resnet18', 'vit') if name == 'mocov3' else config


STUDIES = {
    # InterCLR on MoCo v2 against MoCo v2.
    'digits': {
        'MoCo v2': _MOCO,
        'InterCLR': (_INTERCLR, {}),
    },
    # Each departure from the released code alone.
    'options': {
        'MoCo v2': _MOCO,
        'as released': (_INTERCLR, _RELEASED),
        "pool='candidates'": (_INTERCLR, {}),
        "bank=dict(dtype='float16')": (_INTERCLR, {
            'model.inter_image.bank.dtype': 'float16'
        }),
        "first_clustering='bank'": (_INTERCLR, {
            **_RELEASED, _HOOK + 'first_clustering': 'bank'
        }),
        "geometry='spherical'": (_INTERCLR, {
            **_RELEASED, _LABELS + 'geometry': 'spherical'
        }),
        "positives='others'": (_INTERCLR, {
            **_RELEASED, _SAMPLER + 'positives': 'others'
        }),
        'warmup_epochs=10': (_INTERCLR, {
            **_RELEASED, _HOOK + 'warmup_epochs': 10
        }),
        'bank=dict(momentum=0.2)': (_INTERCLR, {
            'model.inter_image.bank.momentum': 0.2
        }),
    },
    # The paper's three findings.
    'findings': {
        'as released': (_INTERCLR, _RELEASED),
        'MoCo v2': _MOCO,
        'offline labels': (_INTERCLR, {
            **_RELEASED, _LABELS + 'type': 'OfflineKMeans'
        }),
        'hard': (_INTERCLR, {
            **_RELEASED, _SAMPLER + 'strategy': 'hard'
        }),
        'random': (_INTERCLR, {
            **_RELEASED, _SAMPLER + 'strategy': 'random'
        }),
        'semi-easy': (_INTERCLR, {
            **_RELEASED, _SAMPLER + 'strategy': 'semi-easy'
        }),
        'margin 0': (_INTERCLR, {
            **_RELEASED, 'model.inter_image.loss.margin': 0.0
        }),
        'margin 0.2': (_INTERCLR, {
            **_RELEASED, 'model.inter_image.loss.margin': 0.2
        }),
    },
}


def _true_classes(noise: float) -> dict:
    return {
        'model.inter_image.num_clusters': 10,
        _LABELS + 'type': 'TrueClasses',
        _LABELS + 'noise': noise,
    }


# What InterCLR would gain from labels better or worse than it finds.
STUDIES['label-quality'] = {
    **STUDIES['digits'],
    'true classes': (_INTERCLR, _true_classes(0.)),
    '0.3 of them by chance': (_INTERCLR, _true_classes(0.3)),
    '0.6 of them by chance': (_INTERCLR, _true_classes(0.6)),
}
# CIFAR-10 as image files: every fifth training image, all test images, a
# narrow ResNet-18, 125 images a cluster. `model.inter_weight=0` is MoCo v2.
# Mixed precision: a cell takes a fifth less on a CPU that has bfloat16.
_MIXED = {'optim_wrapper.type': 'BFloat16OptimWrapper'}
_CIFAR10 = {
    **_MIXED,
    'train_cfg.max_epochs': 30,
    'param_scheduler.0.T_max': 30,
    'param_scheduler.0.end': 30,
    'train_dataloader.num_workers': 0,
    'train_dataloader.batch_size': 64,
    'train_dataloader.dataset.indices': list(range(0, 50000, 5)),
    'evaluation.test.indices': None,
    'model.backbone.base_channels': 16,
    'model.backbone.stem_channels': 16,
    'model.neck.in_channels': 128,
    'model.inter_image.num_clusters': 80,
}
_ON_CIFAR10 = 'interclr-moco_resnet18_1xb256-coslr-200e_cifar10.py'
_CIFAR10_ARMS = {
    'MoCo v2': {
        'model.inter_weight': 0.0
    },
    'InterCLR': {},
    'exact pool': {
        _SAMPLER + 'pool': 'exact'
    },
    'offline labels': {
        _LABELS + 'type': 'OfflineKMeans'
    },
    'hard': {
        _SAMPLER + 'strategy': 'hard'
    },
    'margin 0': {
        'model.inter_image.loss.margin': 0.0
    },
    'bank momentum 0.5': {
        'model.inter_image.bank.momentum': 0.5
    },
    'bank momentum 0.2': {
        'model.inter_image.bank.momentum': 0.2
    },
    'true classes': _true_classes(0.),
}
# All images, 200 epochs and the full width need a GPU, and `--live-views`.
for _name, _size in (('cifar10', _CIFAR10), ('cifar10-full', _MIXED)):
    STUDIES[_name] = {
        arm: (_ON_CIFAR10, {
            **_size,
            **changes
        })
        for arm, changes in _CIFAR10_ARMS.items()
    }
# Every stock algorithm alone and with the inter-image branch.
for _name in ALGORITHMS:
    _alone = (_algorithm(_name), {'model.inter_weight': 0.0})
    STUDIES[_name] = {
        'alone': _MOCO if _name == 'moco' else _alone,
        'with InterCLR': (_algorithm(_name), {}),
    }
# BYOL's branch has a neck of its own, which nothing would train alone.
_SHARED = {'model.inter_image.neck': None}
_BYOL = _algorithm('byol')
STUDIES['byol']['alone'] = (_BYOL, {'model.inter_weight': 0.0, **_SHARED})
# What it gives beside sharing BYOL's, also at a smaller weight.
STUDIES['byol-neck'] = {
    **STUDIES['byol'],
    'shared neck': (_BYOL, _SHARED),
    'shared neck, inter_weight=0.05': (_BYOL, {
        'model.inter_weight': 0.05,
        **_SHARED
    }),
}

# Arms of `study.py panel`; each a change of the settings that `propose` gives.
# `algorithm` is another than MoCo v2.
_BANK = 'model.inter_image.bank.'
PANEL_ARMS = {
    # The bank teaches nothing here; its averaged rows are looked at.
    'MoCo v2': {
        'model.inter_weight': 0.0,
        _BANK + 'momentum': 0.2
    },
    'released': {},
    'momentum 0.2': {
        _BANK + 'momentum': 0.2
    },
}
_AVERAGED = PANEL_ARMS['momentum 0.2']


def _near(**options) -> dict:
    """An arm with averaged rows and the positive a near neighbour."""
    return {
        **_AVERAGED, _SAMPLER + 'type': 'NeighbourSampler',
        **{_SAMPLER + name: value for name, value in options.items()}
    }


_WHITENED_LABELS = {_LABELS + 'type': 'WhitenedKMeans'}
_WEIGHED = {'model.inter_image.loss.type': 'WeighedNCELoss'}

_WEIGHTS_1_05 = {'model.intra_weight': 1.0, 'model.inter_weight': 0.5}
_IN_CLUSTER = _near(reach='cluster')


def _relations(**options) -> dict:
    return {
        **_AVERAGED, _SAMPLER + 'type': 'RelationSampler',
        # What `propose` gives is of pairs.
        _SAMPLER + '_delete_': True,
        **{_SAMPLER + name: value for name, value in options.items()}
    }


PANEL_ARMS.update({
    # The throwaway trial of the issue, made an arm: all images searched.
    'near 5': _near(),
    # The same at a cost that ignores N.
    'near 5 in cluster': _IN_CLUSTER,
    'near 1 in cluster': _near(reach='cluster', neighbours=1),
    'near 20 in cluster': _near(reach='cluster', neighbours=20),
    'near 5 in cluster, not whitened': _near(reach='cluster', space='plain'),
    'near 5 in cluster, 128 axes': _near(reach='cluster', axes=128),
    'near 5 in whitened cluster': {
        **_IN_CLUSTER,
        **_WHITENED_LABELS
    },
    'whitened labels': {
        **_AVERAGED,
        **_WHITENED_LABELS
    },
    'mean of near 5': _near(reach='cluster', target='mean'),
    'mean of near 5 and itself': _near(
        reach='cluster', target='mean', itself=True),
    'soft mean of near 20': _near(
        reach='cluster', target='soft', neighbours=20),
    # Where nothing is near, the image's own averaged row remains.
    'soft mean of near 20 and itself': _near(
        reach='cluster', target='soft', neighbours=20, itself=True),
    'near 5, weighed': {
        **_near(reach='cluster', weigh=True),
        **_WEIGHED
    },
    'near 5, weight 0.5': {
        **_IN_CLUSTER, 'model.inter_weight': 0.5
    },
    'near 5, weights 1 and 0.5': {
        **_IN_CLUSTER, 'model.inter_weight': 0.5,
        'model.intra_weight': 1.0
    },
    'near 5, neighbours excluded alone': _near(
        reach='cluster', excluded='neighbours'),
    'near 5, random negatives': _near(reach='cluster', strategy='random'),
    'near 5, margin 0': {
        **_IN_CLUSTER, 'model.inter_image.loss.margin': 0.0
    },
    'near 5, momentum 0.1': {
        **_IN_CLUSTER, _BANK + 'momentum': 0.1
    },
    'near 5, momentum 1': {
        **_IN_CLUSTER, _BANK + 'momentum': 1.0
    },
    # Averages know who is near; what is attracted to is of the last pass.
    'near 5 of averages': {
        **_near(average=0.2), _BANK + 'momentum': 1.0
    },
    'near 5 of averages, momentum 0.5': {
        **_near(average=0.4), _BANK + 'momentum': 0.5
    },
    # The same at a cost that ignores N: averages are clustered too, and
    # neighbours looked for in the query's cluster.
    'two banks': {
        **_IN_CLUSTER, _BANK + 'type': 'TwoBanks'
    },
    'two banks, whitened cluster': {
        **_IN_CLUSTER, _BANK + 'type': 'TwoBanks',
        **_WHITENED_LABELS
    },
    'two banks, weights 1 and 0.25': {
        **_IN_CLUSTER, _BANK + 'type': 'TwoBanks',
        'model.intra_weight': 1.0
    },
    'two banks, weights 1 and 0.5': {
        **_IN_CLUSTER, _BANK + 'type': 'TwoBanks',
        'model.intra_weight': 1.0,
        'model.inter_weight': 0.5
    },
    'near 5 after 10 epochs': {
        **_IN_CLUSTER, _HOOK + 'warmup_epochs': 10
    },
    'near 5, weights 1 and 0.25': {
        **_IN_CLUSTER, 'model.intra_weight': 1.0
    },
    'near 5 of averages, weights 1 and 0.25': {
        **_near(average=0.2), _BANK + 'momentum': 1.0,
        'model.intra_weight': 1.0
    },
    'near 5, momentum 1, weights 1 and 0.25': {
        **_IN_CLUSTER, _BANK + 'momentum': 1.0,
        'model.intra_weight': 1.0
    },
    # A larger loss is a larger step: what of a gain is no more than that?
    'MoCo v2, weight 1.25': {
        'model.inter_weight': 0.0,
        'model.intra_weight': 1.25
    },
    # The sum of the weights of the recipe.
    'MoCo v2, weight 1.5': {
        'model.inter_weight': 0.0,
        'model.intra_weight': 1.5
    },
    # MoCo v2 with the weight that the branch leaves it.
    'MoCo v2, weight 0.75': {
        'model.inter_weight': 0.0,
        'model.intra_weight': 0.75
    },
    # All candidates count, as much as they are alike to the averaged row.
    'relations': _relations(),
    'relations, weights 1 and 0.5': {
        **_relations(),
        **_WEIGHTS_1_05
    },
    'relations, momentum 0.5, weights 1 and 0.25': {
        **_relations(), _BANK + 'momentum': 0.5,
        'model.intra_weight': 1.0
    },
    'relations 0.03': _relations(target_temperature=0.03),
    'relations after 10 epochs': {
        **_relations(),
        **_WEIGHTS_1_05, _HOOK + 'warmup_epochs': 10
    },
    'relations, confident': {
        **_relations(type='ConfidentRelations'),
        **_WEIGHTS_1_05
    },
    # In full at the middle of 30 epochs of 156 steps.
    'relations, confident later': {
        **_relations(type='ConfidentRelations', ramp_steps=2340),
        **_WEIGHTS_1_05
    },
    'relations of features': {
        **_relations(type='FeatureRelations'),
        **_WEIGHTS_1_05, _BANK + 'type': 'FeatureBank'
    },
    # Eight images a group, of batches of 64.
    'groups in the batch': {
        **_AVERAGED,
        **_WEIGHTS_1_05, _SAMPLER + 'type': 'GroupSampler',
        'model.inter_image.loss.margin': 0.0
    },
    # The paper's findings: each one change of `released`.
    'offline labels': {
        _LABELS + 'type': 'OfflineKMeans'
    },
    'hard negatives': {
        _SAMPLER + 'strategy': 'hard'
    },
    'margin 0': {
        'model.inter_image.loss.margin': 0.0
    },
    'margin 0.2': {
        'model.inter_image.loss.margin': 0.2
    },
    # What the loss could give: `panel.py` counts the classes of the set.
    'true classes': {
        **_AVERAGED,
        **_true_classes(0.)
    },
})
# Others than MoCo v2, alone and with the recipe.
for _name, _config in (('SimCLR', 'simclr'), ('BYOL', 'byol')):
    PANEL_ARMS[_name] = {'algorithm': _config, **PANEL_ARMS['MoCo v2']}
    PANEL_ARMS[f'{_name}, relations'] = {
        'algorithm': _config,
        **PANEL_ARMS['relations, weights 1 and 0.5']
    }
PANEL_ARMS['BYOL'].update(_SHARED)
