"""Builds and installs the package; the tools' settings are in pyproject.toml.

Beside the package a wheel carries ``interclr_plugin.pth``: the text of
interclr_plugin/startup.py in one line, which Python runs when it starts.
"""
import re
from pathlib import Path

from setuptools import find_packages, setup

# After setuptools, which provides distutils where Python has none (3.12).
from distutils.command.install_headers import install_headers  # isort: skip

HERE = Path(__file__).resolve().parent
STARTUP = 'interclr_plugin/startup.py'


class InstallStartup(install_headers):
    """Writes the startup file as a ``.pth`` file beside the package.

    A header is what a regular and an editable wheel both install themselves
    (of data files, an editable wheel installs none), and for both the folder
    ``install_lib`` is the one that becomes site-packages.
    """

    def run(self):
        folder = Path(self.get_finalized_command('install').install_lib)
        target = folder / 'interclr_plugin.pth'
        source = (HERE / STARTUP).read_text(encoding='utf-8') + '\nmain()\n'
        self.mkpath(str(folder))
        # One line that begins with "import" is what Python runs; a name space
        # of its own, because it runs inside a function of the site module.
        target.write_text(
            f'import sys; exec({ascii(source)}, '
            "{'__name__': 'interclr_plugin.startup'})\n",
            encoding='ascii',
        )
        self.outfiles.append(str(target))


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
    install_requires=['mmengine>=0.10.7', 'numpy', 'torch>=2.1'],
    extras_require={
        'mmselfsup': ['mmselfsup>=1.0.0', 'mmcls>=1.0.0rc6', 'mmcv-lite<2.1'],
        'mmpretrain': ['mmpretrain>=1.0.0', 'mmcv-lite>=2.0.0,<2.4'],
        'evaluation': ['scikit-learn', 'matplotlib', 'rich'],
        # Clusters a large data set faster on the CPU.
        'faiss': ['faiss-cpu'],
        'report': ['jinja2', 'matplotlib', 'pillow', 'scikit-learn'],
        'tests': ['pytest', 'hypothesis', 'ruff', 'scikit-learn'],
    },
    packages=find_packages(include=['interclr_plugin', 'interclr_plugin.*']),
    # A plain path entry for editable installs, which static tools understand.
    package_dir={'': '.'},
    package_data={
        'interclr_plugin': [
            '.mim/model-index.yml',
            '.mim/configs/**/*.py',
            '.mim/configs/**/*.yml',
            'report/page.*',
        ],
    },
    headers=[STARTUP],
    cmdclass={'install_headers': InstallStartup},
    zip_safe=False,
)
