"""A report on two small real runs, and what its HTML holds."""
import html.parser
from collections import namedtuple

from small_run import runner_of, small_config

from interclr_plugin.report import write_report

Written = namedtuple('Written', 'run baseline page')
# Elements that have no end.
VOID = ('meta', 'link', 'img', 'br', 'input')


def report_on_small_runs(scope, folder):
    """Train InterCLR and MoCo for a few steps, and report."""
    run, baseline = folder / 'run', folder / 'baseline'
    runner_of(small_config(scope, run, epochs=2)).train()
    runner_of(small_config(scope, baseline, 'moco')).train()
    page = write_report(str(run), baseline=str(baseline), command='<made by>')
    return Written(run, baseline, page)


class Page(html.parser.HTMLParser):
    """Elements of a page: ``tags``, a list of (name, attributes)."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(path.read_text(encoding='utf-8'))
        self.close()
        assert self.open == []
        self.text = ' '.join(' '.join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ['style']:
            self.words.append(data)

    def all(self, tag):
        """Attributes of each element of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]

    def ids(self):
        """All ids, repeats included."""
        return [each['id'] for _, each in self.tags if 'id' in each]
