# %% [markdown]
# # Pre-train, watch, evaluate, look
#
# The whole way in Python, on scikit-learn's digits: no download, no GPU, about
# two minutes. Each `# %%` begins a cell: editors such as VS Code, PyCharm and
# Spyder run them one by one.

# %%
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

import interclr_plugin
from interclr_plugin.checkpoints import publish
from interclr_plugin.evaluation import evaluate
from interclr_plugin.report import read_scalars, write_report

# %% What may be changed. The delivered configuration has 50 epochs.
EPOCHS = 20
WORK_DIR = 'work_dirs/tutorial'

# %% Take a delivered configuration and change what is different here. A
# configuration is a nested dict; dotted names reach into it.
configs = Path(interclr_plugin.__file__).parent / '.mim/configs'
config = Config.fromfile(
    configs / 'mmselfsup' /
    'interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py')
config.work_dir = WORK_DIR
config.merge_from_dict({
    'train_cfg.max_epochs': EPOCHS,
    'default_hooks.checkpoint.interval': EPOCHS,
    # Shorter than the delivered 50 epochs, so the learning rate falls faster.
    'param_scheduler': [
        dict(type='CosineAnnealingLR', T_max=EPOCHS, end=EPOCHS)
    ],
})

# %% What is added to stock MoCo v2: a memory bank of one feature an image, 50
# pseudo-classes, 256 negatives for each query.
print(config.model.type, config.model.algorithm, config.model.inter_image)

# %% Train. The hook fills the bank with features of all images and clusters
# them; then every step moves bank and labels.
runner = Runner.from_cfg(config)
model = runner.train()

# %% Watch. All that is logged lies in the work directory. At first nearly all
# labels change when their image is seen; that share falls as features settle.
curves = read_scalars(Path(WORK_DIR)).curves
for name in ('intra_loss', 'inter_loss', 'change_ratio'):
    values = curves[name]
    for epoch, value in values[::max(1, len(values) // 5)]:
        print(f'{name}, epoch {epoch:.1f}: {value:.3f}')

# %% The bank itself is a buffer of the model.
branch = model.inter_image
print(branch.bank.features.shape, branch.bank.sizes())

# %% Evaluate: kNN and logistic regression on the frozen backbone, with the
# classes that training never saw. The configuration says what the test set is.
checkpoint = f'{WORK_DIR}/epoch_{EPOCHS}.pth'
print(evaluate(config, checkpoint))

# %% Against the weights that the training started from:
print(evaluate(config))

# %% Look: one HTML page with the answer, the curves, clusters and pairs as
# images, and a map of the features.
print(write_report(WORK_DIR))

# %% Hand on: the stock model alone, which every stock benchmark reads.
target = Path(WORK_DIR) / 'published.pth'
if not target.exists():  # no file is ever written over
    publish(checkpoint, str(target))
print(target)
