"""The pages of docs/: what they link to, and the lines to be copied."""
import argparse
import re
import shlex

import pytest
from doc_pages import DOCS, PAGES, ROOT, blocks
from libraries import INSTALLED
from mmengine.config import Config

from interclr_plugin.__main__ import main

each_page = pytest.mark.parametrize(
    'page', PAGES, ids=[page.stem for page in PAGES])


# Links.


def anchors(page):
    titles = re.findall(r'^#+ (.*)$', page.read_text(), re.MULTILINE)
    words = [re.sub(r'[^\w\s-]', '', title.lower()) for title in titles]
    return {re.sub(r'[\s-]+', '-', word.strip()) for word in words}


@each_page
def test_links_lead_somewhere(page):
    """Without it a page could be renamed away under a link of another."""
    text = re.sub(r'```.*?```', '', page.read_text(), flags=re.DOTALL)
    for link in re.findall(r'\]\(([^)\s]+)\)', text):
        if '://' in link:
            continue
        name, _, anchor = link.partition('#')
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@each_page
def test_files_that_are_named_exist(page):
    """Without it a page could name a file that was moved or never there."""
    folders = 'interclr_plugin|configs|benchmarks|requirements|docs|tests|demo'
    for name in re.findall(rf'`((?:{folders})/[\w./*-]+)`', page.read_text()):
        assert list(ROOT.glob(name.rstrip('/'))), name


def test_every_page_is_in_the_menu():
    """Without it a page could not be found; the menu's files are checked by
    the build."""
    menu = re.findall(r': (\S+\.md)$', (ROOT / 'mkdocs.yml').read_text(),
                      re.MULTILINE)
    written = [page.relative_to(DOCS).as_posix() for page in
               DOCS.glob('**/*.md')]
    assert sorted(menu) == sorted(written)


# Commands and configurations.


def commands():
    for page in [ROOT / 'README.md', *PAGES]:
        for block in blocks(page.read_text(), 'bash'):
            for line in block.replace('\\\n', ' ').splitlines():
                yield page.name, line


def ours():
    """Words that are given to this plugin."""
    for page, line in commands():
        # What `train` takes is the stock tool's, which reads the file first.
        found = re.match(r'python -m interclr_plugin\b(?! train)(.*)', line)
        if found:
            yield pytest.param(
                shlex.split(found[1], comments=True),
                id=f'{page}: {line[:60]}')


@pytest.mark.parametrize('words', list(ours()))
def test_our_commands_take_these_words(words, monkeypatch):
    """Without it a documented command could end in a usage message."""

    class Parsed(Exception):
        pass

    def parse(parser, given=None, namespace=None):
        # Leaves with code 2 where a word is not known.
        stock(parser, given, namespace)
        raise Parsed

    stock = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', parse)
    with pytest.raises(Parsed):
        main(words)


def test_trainings_name_files_that_are_there():
    """Without it `mim train` could look for a configuration in vain."""
    seen = 0
    for page, line in commands():
        for name in re.findall(r'\bconfigs/[\w./-]+\.py', line):
            # The stock ones lie behind a shell variable.
            if f'/{name}' not in line:
                assert (ROOT / name).is_file(), (page, name)
                seen += 1
    assert seen > 10


def configurations():
    for page in PAGES:
        for number, block in enumerate(blocks(page.read_text(), 'python')):
            program = re.search(r'^(import|from) ', block, re.MULTILINE)
            part = '_base_.' in block and '_base_ = ' not in block
            if not program and not part and ' = ' in block:
                yield pytest.param(block, id=f'{page.stem}-{number}')


@pytest.mark.parametrize('block', list(configurations()))
def test_configurations_load(block, tmp_path):
    """Without it lines to be copied could be no configuration."""
    (tmp_path / 'my_base.py').write_text('model = dict()\n')
    path = tmp_path / 'page.py'
    path.write_text(block)
    for library in ('mmselfsup', 'mmpretrain'):
        if f"'{library}::" in block and library not in INSTALLED:
            pytest.skip(f'needs {library}')
    config = Config.fromfile(path, import_custom_modules=False)
    if '_base_' in block and 'my_base' not in block:
        assert config.model.type == 'InterCLR'
        assert config.model.inter_image.num_clusters > 1
