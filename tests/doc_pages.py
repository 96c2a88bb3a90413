"""Reading the pages of docs/."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs'
PAGES = sorted(DOCS.glob('*.md'))


def read(name):
    return (DOCS / name).read_text(encoding='utf-8')


def blocks(text, language):
    return re.findall(rf'```{language}\n(.*?)```', text, re.DOTALL)


def rows(text):
    """Cells of every row of every table."""
    lines = re.findall(r'^\| (.*) \|$', text, re.MULTILINE)
    return [[cell.strip() for cell in line.split(' | ')] for line in lines
            if not set(line) <= set('-| ')]
