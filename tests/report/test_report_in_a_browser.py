"""The report as people see it, in a real browser.

Debian's ``chromium`` and requirements/browser.txt are needed.
"""
import shutil

import pytest
from libraries import FIRST
from small_run import runner_of, small_config

from interclr_plugin.report import write_report

pytestmark = pytest.mark.slow
BROWSER = shutil.which('chromium')
OPTIONS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
           '--no-first-run', '--disable-background-networking',
           '--disable-component-update', '--disable-sync')
# Texts with less contrast than 4.5 to 1, the AA level of WCAG.
CONTRAST = """() => {
  const light = (colour) => {
    const parts = colour.match(/[\\d.]+/g).map(Number);
    const [r, g, b] = parts.slice(0, 3).map((v) => {
      v /= 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const bad = [];
  for (const each of document.querySelectorAll('body *')) {
    const own = [...each.childNodes].some(
      (node) => node.nodeType === 3 && node.data.trim());
    if (!own) continue;
    let behind = each;
    while (behind && getComputedStyle(behind).backgroundColor
           === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
    const [a, b] = [getComputedStyle(each).color,
      getComputedStyle(behind || document.body).backgroundColor].map(light);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push([each.tagName, each.textContent, ratio]);
  }
  return bad;
}"""


@pytest.fixture(scope='module')
def browser():
    library = pytest.importorskip(
        'playwright.sync_api',
        reason='playwright is missing: pip install -r '
        'requirements/browser.txt')
    if BROWSER is None:
        pytest.skip('chromium is missing: apt-get install chromium')
    with library.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope='module')
def address(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp('browser')
    runner_of(small_config(FIRST, folder)).train()
    return write_report(str(folder)).as_uri()


@pytest.mark.parametrize('width, scheme', [(360, 'dark'), (1200, 'light')])
def test_it_looks_right(browser, address, width, scheme):
    """Without it pictures could stay empty, a phone could have to scroll
    sideways, or words could be too faint to read."""
    complaints, requests = [], []
    page = browser.new_page(
        viewport=dict(width=width, height=800), color_scheme=scheme)
    page.on('console', lambda message: complaints.append(message.text))
    page.on('pageerror', lambda error: complaints.append(str(error)))
    page.on('request', lambda request: requests.append(request.url))
    page.goto(address)
    page.evaluate("""async () => {
      const images = [...document.images];
      for (const image of images) image.loading = 'eager';
      await Promise.all(images.map((image) => image.decode()));
    }""")
    widths = page.evaluate('[...document.images].map((i) => i.naturalWidth)')
    assert len(widths) > 100 and min(widths) > 0
    page.evaluate("document.querySelector('details').open = true")
    assert page.evaluate('document.documentElement.scrollWidth') == width
    assert page.evaluate(CONTRAST) == []
    assert complaints == []
    assert all(url.startswith(('file:', 'data:')) for url in requests)
    page.close()


def test_it_can_be_used_by_keyboard(browser, address):
    """Without it those who use no mouse could not reach a part of it."""
    page = browser.new_page(viewport=dict(width=800, height=600))
    page.emulate_media(reduced_motion='reduce')
    page.goto(address)
    links = page.evaluate('[...document.links].map((link) => link.hash)')
    # Of the orders of the clusters one is reached, the arrows do the rest.
    expected = page.evaluate("""[...document.querySelectorAll(
      'a, summary, [tabindex="0"], input:not([type=radio]), input:checked')
      ].map((each) => each.hash || each.tagName)""")
    assert len(expected) > len(links) + 10
    reached = []
    for _ in expected:
        page.keyboard.press('Tab')
        focused = page.evaluate("""() => {
          const element = document.activeElement;
          const box = element.getBoundingClientRect();
          return [element.hash || element.tagName,
            getComputedStyle(element).outlineStyle,
            box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight];
        }""")
        assert focused[1:] == ['solid', True], focused
        reached.append(focused[0])
        if focused[0] == 'SUMMARY':
            page.keyboard.press('Enter')
            assert page.evaluate("document.querySelector('details').open")
    assert reached == expected
    for place in links:
        page.evaluate('scrollTo(0, 0)')
        page.locator(f'a[href="{place}"]').last.focus()
        page.keyboard.press('Enter')
        top = page.evaluate(
            '(hash) => document.querySelector(hash)'
            '.getBoundingClientRect().top', place)
        assert page.evaluate('location.hash') == place
        assert -1 < top < 600
    page.close()


def test_clusters_are_sorted_and_pictures_grow_without_a_script(
        browser, address):
    """Without it the page's choices could do nothing."""
    page = browser.new_page(viewport=dict(width=1200, height=800))
    page.goto(address)
    rows = """() => [...document.querySelectorAll('.rows li')].map((row) => {
      const box = row.getBoundingClientRect();
      return [Math.round(box.top), Math.round(box.left), row.id,
        parseInt(row.textContent.match(/(\\d+) % changed|$/)[1] || 0),
        parseFloat(row.textContent.match(/similarity (-?[\\d.]+)/)[1])];
    }).sort((a, b) => a[0] - b[0] || a[1] - b[1])"""
    before = page.evaluate(rows)
    page.get_by_label('least alike first').check()
    after = page.evaluate(rows)
    similarities = [row[4] for row in after]
    assert similarities == sorted(similarities)
    assert [row[2] for row in before] != [row[2] for row in after]
    width = """document.querySelector('article img')
      .getBoundingClientRect().width"""
    small = page.evaluate(width)
    page.get_by_label('larger').first.check()
    assert page.evaluate(width) > 2 * small
    page.close()
