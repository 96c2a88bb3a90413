"""What the pages of docs/ say of options, messages and sizes."""
import ast
import inspect
import re

from doc_pages import ROOT, read, rows
from mmengine import registry

from interclr_plugin.evaluation import (  # noqa: F401
    backbone_retriever,
    multi_head_evaluator,
)
from interclr_plugin.inter_image import InterImageBranch

_FROM_NECK = object()
_IN_WORDS = {
    inspect.Parameter.empty: 'required',
    _FROM_NECK: 'from the neck'
}

# Components.


def components():
    """Everything that this plugin registers, and the branch."""
    found = {'InterImageBranch': InterImageBranch}
    for part in vars(registry).values():
        if isinstance(part, registry.Registry):
            found.update(
                (name, item) for name, item in part.module_dict.items()
                if item.__module__.startswith('interclr_plugin.'))
    return found


def options(component):
    parameters = inspect.signature(component).parameters.values()
    return {
        p.name: p.default
        for p in parameters if p.kind is not p.VAR_KEYWORD
    }


def test_every_option_is_documented():
    """Without it an option could be added or renamed and its page not."""
    sections = re.split(r'^### (.*)$', read('components.md'),
                        flags=re.MULTILINE)
    text = dict(zip(sections[1::2], sections[2::2]))
    expected = components()
    assert set(text) == set(expected)
    for name, component in expected.items():
        # A level-two heading ends the section.
        body = text[name].split('\n## ')[0]
        written = {
            row[0].strip('`'): row[1].strip('`')
            for row in rows(body) if row[0] != 'option'
        }
        there = options(component)
        if component is InterImageBranch:
            # InterCLR builds it; the width is the neck's.
            there.update(neck=None, key_view=None, feat_dim=_FROM_NECK)
        assert set(written) == set(there), name
        for option, default in there.items():
            said = _IN_WORDS.get(default, repr(default))
            assert written[option] == said, (name, option)


# Messages.


def messages():
    """Texts of the package, with a mark where a value stands."""
    for path in (ROOT / 'interclr_plugin').glob('**/*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            yield ''.join(
                part.value if isinstance(part, ast.Constant) and isinstance(
                    part.value, str) else '\0' for part in parts)


def test_quoted_messages_are_ours():
    """Without it a reworded message could not be found on the page."""
    own = read('troubleshooting.md').split('## From other packages')[0]
    known = set(messages())
    quoted = [
        quote for cells in rows(own) for quote in re.findall(
            r'`([^`]+)`', cells[0]) if '...' in quote or ' ' in quote
    ]
    quoted = [quote for quote in quoted if 'prior iteration' not in quote]
    assert len(quoted) > 60
    for quote in quoted:
        parts = [re.escape(part) for part in quote.split('...') if part]
        pattern = re.compile('.*'.join(parts), re.DOTALL)
        assert any(map(pattern.search, known)), quote


# Sizes.


def test_the_table_of_memory():
    """Without it the sizes could be those of another layout."""
    branch = InterImageBranch(
        num_clusters=391, feat_dim=128, bank=dict(dtype='float16'))
    branch.allocate(50000, seed=0)
    held = {
        name: buffer.numel() * buffer.element_size()
        for name, buffer in branch.state_dict().items()
    }
    seen = 0
    for row in rows(read('scaling.md')):
        if not re.match(r'[\d,]+$', row[0]):
            continue
        numbers = [float(cell.replace(',', '')) for cell in row]
        images, clusters = map(int, numbers[:2])
        assert clusters == round(images / 128)
        bank, labels, centroids = (
            4 * images * 128, 8 * images, 4 * clusters * 128)
        sizes = (bank, bank / 2, labels, centroids,
                 8 * images + 8 * clusters * 128)
        assert numbers[2:] == [round(size / 1e6, 1) for size in sizes]
        if images == 50000:
            assert held['bank.features'] == bank / 2
            assert held['bank.labels'] == labels
            assert held['bank.centroids'] == centroids
        seen += 1
    assert seen == 4


# Migration.


def test_new_names_of_old_options_exist():
    """Without it the table could send users to an option that is not."""
    hooks = components()
    branch = dict(
        bank='ClusteredBank', labels='OnlineKMeans', sampler='PairSampler',
        loss='MarginNCELoss')
    seen = 0
    from_0x = read('migration.md').split('## From version 1.0.0')[0]
    for _, new, *_ in rows(from_0x):
        for name in re.findall(r'`([\w.]+)', new):
            first, *rest = name.split('.')
            if first == 'model' and rest[:1] == ['inter_image'] and rest[1:]:
                there = options(InterImageBranch)
                assert rest[1] in there or rest[1] == 'neck', name
                if rest[2:]:
                    assert rest[2] in options(hooks[branch[rest[1]]]), name
            elif first == 'model':
                assert rest[0] in (*options(hooks['InterCLR']), 'type',
                                   'head'), name
            elif first in hooks:
                assert rest[0] in options(hooks[first]), name
            else:
                continue
            seen += 1
    assert seen > 25
