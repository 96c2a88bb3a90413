"""Builds and installs the package; the tools' settings are in pyproject.toml.

Nothing of OpenMMLab is required of every user: the libraries exist under two
names (mmengine and onedl-mmengine, and so on) with the same modules, and a
requirement of one name would write over the other. The extras name them, and
importing the plugin says which line to run where none is there.
"""
import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent

# mmengine imports pkg_resources, which setuptools 81 left out (mmcv 3325).
OPENMMLAB = ['mmengine>=0.10.7', 'setuptools>=65,<81']
# mim asks for openxlab, whose later releases pin setuptools 60.2, which
# cannot be imported on Python 3.12 (mim 242, 246).
MIM = ['openmim>=0.3.9', 'openxlab<0.1']


def version():
    """Read the version without importing the package, which needs torch."""
    text = (HERE / 'interclr_plugin/version.py').read_text(encoding='utf-8')
    return re.search(r"__version__ = '(.+)'", text).group(1)


def readme():
    """The project's page; a tree without one still installs."""
    path = HERE / 'README.md'
    return path.read_text(encoding='utf-8') if path.exists() else ''


setup(
    name='interclr-plugin',
    version=version(),
    description='InterCLR for mmselfsup 1.x and mmpretrain 1.x',
    long_description=readme(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    classifiers=[
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    python_requires='>=3.8',
    install_requires=[
        'jinja2', 'matplotlib', 'numpy', 'pillow', 'rich', 'scikit-learn',
        'torch>=2.1', 'torchvision>=0.16'
    ],
    extras_require={
        'mmselfsup': [
            *OPENMMLAB, *MIM, 'mmselfsup>=1.0.0', 'mmcls>=1.0.0rc6',
            'mmcv-lite<2.1'
        ],
        'mmpretrain': [
            *OPENMMLAB, *MIM, 'mmpretrain>=1.0.0', 'mmcv-lite>=2.0.0,<2.4'
        ],
        'onedl': [
            'onedl-mim>=0.5.1', 'onedl-mmcv>=2.3.6', 'onedl-mmengine>=0.10.12',
            'onedl-mmpretrain>=1.3.6'
        ],
        # Clusters a large data set faster on the CPU.
        'faiss': ['faiss-cpu'],
        # Tables of `interclr_plugin.results`, as CSV and Parquet.
        'results': ['pandas', 'pyarrow'],
        # Backbones for other libraries.
        'export': [
            'onnx', 'onnxruntime', 'safetensors', 'timm', 'transformers'
        ],
        'tests': ['hypothesis', 'pytest', 'pytest-xdist', 'ruff'],
    },
    entry_points={
        'console_scripts': ['interclr = interclr_plugin.__main__:main'],
    },
    packages=find_packages(include=['interclr_plugin', 'interclr_plugin.*']),
    # A plain path entry for editable installs, which static tools understand.
    package_dir={'': '.'},
    package_data={
        'interclr_plugin': [
            '.mim/model-index.yml',
            '.mim/configs/**/*.py',
            '.mim/configs/**/*.yml',
            '.mim/tools/*.py',
            'report/page.*',
        ],
    },
    zip_safe=False,
)
