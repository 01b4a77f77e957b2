"""How the page looks and who can use it: sizes, 10,000 jobs, the keyboard,
axe-core, print, no JavaScript, headers.  What was seen is in build/page."""

import gzip

import pytest

from browser import Keys, browser  # noqa: F401
from fleet import Fleet
from nginx import ROOT
from page_api import Problem
from test_page import A, B, C, OVERLAPS, api, ids, job, page, shown  # noqa
from test_page_live import refresh

SIZES = [(360, 740), (768, 1024), (1280, 800), (2560, 1440)]

@pytest.fixture
def fleets(api):
    """Three accounts, one of which cannot be read."""
    def put(n):
        fleets = {(A, 'eu-west-1'): n // 2, (A, 'us-east-1'): n // 4,
                  (B, 'ap-southeast-2'): n - n // 2 - n // 4}
        for where, count in fleets.items():
            fleets[where] = Fleet(*where, count)
            api.put(*where, fleets[where].jobs())
        api.put(C, 'us-east-1', [])
        api.broken[C, 'us-east-1'] = Problem(
            403, 'AccessDenied', 'The credentials may not list jobs.')
        api.describe = lambda where, job: fleets[where].describe(job)
        return fleets
    return put


@pytest.fixture(scope='session')
def axe(node_modules):
    return (node_modules / 'node_modules/axe-core/axe.min.js').read_text()


def first_job(page):
    page.click('#jobs tbody a')
    page.until('return document.querySelector("#facts dl")')
    page.until('return document.querySelector("#job").ariaBusy === "false"')


@pytest.mark.parametrize('dark', [False, True], ids=['light', 'dark'])
@pytest.mark.parametrize('width,height', SIZES)
def test_sizes(page, fleets, width, height, dark):
    """Nothing overlaps, nothing leaves the window."""
    fleets(40)
    name = f'{width}-{"dark" if dark else "light"}'
    page.shape(width, height, dark)
    page.open(page.url + '?refresh=off')
    page.shot(name)
    assert page.js(OVERLAPS) == []
    assert page.js('return document.documentElement.scrollWidth') <= width
    assert page.js('return new Set([...document.querySelectorAll('
                   '"#jobs tbody tr")].map(r => r.offsetHeight)).size') == 1
    assert page.js("""
        return [...document.querySelectorAll('#jobs tbody td, #jobs th')]
            .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth
                    && !/description|operation/.test(e.className))
            .map(e => e.className + ' is cut: ' + e.innerText)""") == []
    first_job(page)
    page.shot(f'{name}-job')
    assert page.js('return document.querySelector("#job").scrollWidth'
                   ' <= document.querySelector("#job").clientWidth')
    if width >= 1280:
        assert page.js(OVERLAPS) == []
        assert page.js('''
            const edge = document.querySelector('#job').getBoundingClientRect()
                                 .left;
            return [...document.querySelectorAll('#jobs tbody td')].every(
                cell => cell.getBoundingClientRect().right <= edge)''')


def test_picture(page, fleets):
    """That of the README: make picture."""
    fleets(40)
    page.shape(1280, 640)
    page.open(page.url)
    page.js('document.querySelector("[data-status=Failed] a").click()')
    page.until('return document.querySelector("#job").ariaBusy === "false"')
    page.shot('picture')


@pytest.mark.parametrize('n', [0, 1, 12, 10_000])
@pytest.mark.parametrize('width,height', [(360, 740), (1280, 800)])
def test_numbers_of_jobs(page, fleets, api, n, width, height):
    fleets(n)
    api.page = 10_000
    page.shape(width, height)
    page.open(page.url + '?refresh=off')
    assert page.text('#status') == (
        f'{n:,} job{"" if n == 1 else "s"} loaded, not all')
    assert page.js(OVERLAPS) == []
    page.shot(f'{width}-{n}-jobs')


def test_nothing_jumps(page, api):
    """A refresh in which numbers grow longer moves no box."""
    jobs = [job(n, total=10 ** 7, succeeded=9) for n in range(30)]
    api.put(A, 'eu-west-1', jobs)
    boxes = '''
        return [...document.querySelectorAll(
            '#bar *, #jobs th, #jobs tbody tr, #jobs tbody td,'
            + '#jobs tbody progress')].filter(
            e => !e.closest('#updated, option')).map(e => {
            const box = e.getBoundingClientRect();
            const end = getComputedStyle(e).justifySelf === 'end';
            return [e.tagName, end ? 0 : box.x, box.y, box.right,
                    box.height]})'''
    for width, height in SIZES:
        page.shape(width, height)
        page.open(page.url + '?refresh=off&sort=-created')
        before = page.js(boxes)
        jobs[:] = [job(n, total=10 ** 7, succeeded=5_123_456 + n,
                       failed=98_765, elapsed=987_654) for n in range(30)]
        refresh(page, api)
        after = page.js(boxes)
        assert '52.2%' in page.text('#jobs tbody')
        assert [b for b in after if b not in before] == []
        jobs[:] = [job(n, total=10 ** 7, succeeded=9) for n in range(30)]


def test_ten_thousand(page, api):
    """Few rows in the document, all of them within reach."""
    jobs = [job(n, 'Failed' if n == 7777 else 'Active') for n in range(10_000)]
    api.put(A, 'eu-west-1', jobs)
    api.page = 10_000
    page.open(page.url + '?refresh=off&sort=-created')
    assert page.text('#status') == '10,000 jobs'
    assert page.js('return document.querySelector("#jobs").ariaRowCount') \
        == '10001'
    few = 'return document.querySelectorAll("#jobs tbody tr").length < 80'
    assert page.js(few)
    page.js('scrollTo(0, document.documentElement.scrollHeight / 2)')
    page.until('return document.querySelector("#jobs tbody tr").i > 4000')
    assert page.js('''
        const rows = [...document.querySelectorAll('#jobs tbody tr')];
        return rows[0].getBoundingClientRect().top < 0
            && rows.at(-1).getBoundingClientRect().bottom > innerHeight
            && rows.every((row, n) => row.i === rows[0].i + n)''')
    assert page.js(few)
    page.js('scrollTo(0, document.documentElement.scrollHeight)')
    page.until('return document.querySelector("#jobs tbody").innerText'
               '.includes("Job 9999")')
    assert page.js('return document.querySelector("#jobs tbody tr:last-child")'
                   '.ariaRowIndex') == '10001'
    assert page.js(few)
    page.type('#search', '00007777-')
    assert shown(page) == [jobs[7777]['JobId']]
    assert page.js('return scrollY') == 0


def test_keyboard(page, api):
    """Through all rows, to a job and back, by keys alone."""
    api.put(A, 'eu-west-1', [job(n) for n in range(2000)])
    api.page = 2000
    page.open(page.url + '?refresh=60&sort=-created')

    def focused():
        page.until('''
            const a = document.activeElement.getBoundingClientRect();
            const head = document.querySelector('#jobs thead')
                                 .getBoundingClientRect();
            return document.activeElement.closest('#jobs tbody')
                && a.top >= head.bottom - 1 && a.bottom <= innerHeight''')
        return page.js('return document.activeElement.innerText')

    page.js('document.querySelector("#jobs tbody a").focus()')
    page.key(*[Keys.ARROW_DOWN] * 40)
    assert focused() == 'Job 40'
    page.key(Keys.ARROW_UP)
    assert focused() == 'Job 39'
    page.key(Keys.END)
    assert focused() == 'Job 1999'
    page.key(Keys.ARROW_DOWN)
    assert focused() == 'Job 1999'
    page.key(Keys.PAGE_UP)
    assert 1970 < int(focused().split()[1]) < 1999
    page.key(Keys.HOME)
    assert focused() == 'Job 0'
    page.key(*[Keys.TAB] * 30)
    assert focused() == 'Job 30'
    page.key(Keys.ENTER)
    page.until('return document.activeElement.id === "job-title"')
    page.key(Keys.ESCAPE)
    assert focused() == 'Job 30'
    page.key('/')
    page.key('job 1999')
    assert shown(page) == ids([job(1999)])

    # whatever can be pressed can be reached
    page.js('document.activeElement.blur(); scrollTo(0, 0)')
    reached = set()
    for _ in range(30):
        page.key(Keys.TAB)
        reached.add(page.js('return document.activeElement.id || document'
                            '.activeElement.innerText'))
    assert {'search', 'every', 'pause', 'now', 'Status', 'Created',
            'Time left', 'Job 1999'} - reached == set()


def test_focus_can_be_seen(page, api):
    api.put(A, 'eu-west-1', [job(n) for n in range(3)])
    for dark in False, True:
        page.shape(dark=dark)
        page.open(page.url + '?refresh=off')
        for _ in range(20):
            page.key(Keys.TAB)
            assert page.js('''
                const style = getComputedStyle(document.activeElement);
                return document.activeElement === document.body
                    || style.outlineStyle === 'solid'
                       && parseFloat(style.outlineWidth) >= 2''')


@pytest.mark.parametrize('dark', [False, True], ids=['light', 'dark'])
@pytest.mark.parametrize('width', [360, 1280, 2560])
def test_axe(page, fleets, api, axe, width, dark):
    """No violation of any rule, of those of the highest level either."""
    page.expect('status of 50')
    fleets(30)
    api.page = 5
    page.shape(width, 900, dark)
    page.open(page.url + '?refresh=off')
    assert page.axe(axe) == []
    page.js('scrollTo(0, 400)')
    page.click('#filters [data-status=attention]')
    assert page.axe(axe) == []
    first_job(page)
    assert page.axe(axe) == []
    page.key(Keys.ESCAPE)
    page.type('#search', 'nowhere')
    assert page.axe(axe) == []
    api.script(Problem(503, 'SlowDown', retry_after=9))
    page.click('#now')
    page.until('return !document.querySelector("#trouble").hidden')
    page.settled()
    assert page.axe(axe) == []


def test_said_politely(page, api):
    """One status line, which says nothing where nothing is new."""
    jobs = [job(n) for n in range(5)]
    api.put(A, 'eu-west-1', jobs)
    page.open(page.url + '?refresh=off')
    assert page.js('return document.querySelectorAll("[role=status],'
                   '[role=alert],[aria-live=polite],[aria-live=assertive]")'
                   '.length') == 1
    page.js('''
        window.said = [];
        new MutationObserver(() => said.push(
            document.querySelector('#status').innerText)).observe(
            document.querySelector('#status'),
            {subtree: true, childList: true, characterData: true})''')
    jobs[0] = job(0, succeeded=60)
    refresh(page, api)
    assert page.js('return said') == []
    page.type('#search', '00000003-')
    page.until('return said.at(-1) === "1 of 5 jobs"')


def test_print(page, api):
    """All rows, and nothing that one presses."""
    api.put(A, 'eu-west-1', [job(n) for n in range(150)])
    page.open(page.url + '?refresh=off&sort=-created')
    page.cdp('Emulation.setEmulatedMedia', media='print')
    try:
        page.js('dispatchEvent(new Event("beforeprint"))')
        assert len(shown(page)) == 150
        assert page.js('''
            const tops = [...document.querySelectorAll('#jobs tbody tr')].map(
                row => row.getBoundingClientRect().top);
            return tops.every((top, n) => !n || top > tops[n - 1])''')
        assert not any(e.is_displayed() for e in page.driver.find_elements(
            'css selector', '#bar button, p button, li button, select, input,'
            'dialog'))
        assert page.text('#jobs thead').split()[:2] \
            == ['Status', 'Description']
        page.js('scrollTo(0, 0)')
        page.shot('print')
        page.js('dispatchEvent(new Event("afterprint"))')
        assert len(shown(page)) < 80
    finally:
        page.cdp('Emulation.setEmulatedMedia', media='')
    pages = page.cdp('Page.printToPDF', paperWidth=11.7, paperHeight=8.3)
    assert len(pages['data']) > 20_000


def test_motion(page, api):
    jobs = [job(1)]
    api.put(A, 'eu-west-1', jobs)
    for choice, expected in ('reduce', 'none'), ('no-preference', 'changed'):
        page.shape(**{'prefers-reduced-motion': choice})
        page.open(page.url + '?refresh=off')
        page.js('''window.seen = 'none'; document.addEventListener(
            'animationstart', e => seen = e.animationName)''')
        jobs[0] = job(1, succeeded=60 + len(expected))
        refresh(page, api)
        page.until('return document.querySelector("#jobs tbody").innerText'
                   '.includes(arguments[0])', f'{60 + len(expected)}.0%')
        if expected != 'none':
            page.until('return seen === arguments[0]', expected)
        assert page.js('return seen') == expected


def test_without_javascript(page, api):
    page.cdp('Emulation.setScriptExecutionDisabled', value=True)
    try:
        page.driver.get(page.url)
        page.origins.add(page.url.rstrip('/'))
        text = page.find('noscript').text
        link = page.find('noscript a').get_attribute('href')
    finally:
        page.cdp('Emulation.setScriptExecutionDisabled', value=False)
    assert 'needs JavaScript' in text
    assert link == page.url + 'jobs'
    assert api.requests == []


def test_behind_a_path(page, api):
    """All addresses are relative."""
    for account in A, B:
        api.put(account, 'eu-west-1', [job(n) for n in range(20)])
    api.page = 10
    page.open(f'http://127.0.0.1:{page.gw.h2_port}/team/s3/?refresh=off')
    assert len(shown(page)) == 20
    page.click('#gaps button')
    page.until('return document.querySelector("#status").innerText'
               '.startsWith("30 jobs")')
    page.settled()
    first_job(page)
    url = page.js('return location.href')
    assert url.startswith(f'http://127.0.0.1:{page.gw.h2_port}/team/s3/?')
    page.open(url)
    page.until('return document.querySelector("#facts dl")')
    page.click('#close')
    assert any('"GET /team/s3/jobs' in line for line in page.gw.access())
    assert not any(' 404 ' in line for line in page.gw.access())


def test_files(page):
    """What is served, with what headers; small; none of it from elsewhere."""
    files = sorted(p.name for p in (ROOT / 'dashboard').iterdir())
    assert 'index.html' in files
    types = {'html': 'text/html', 'css': 'text/css', 'svg': 'image/svg+xml',
             'js': ('application/javascript', 'text/javascript')}
    total = 0
    for name in '', *files:
        r = page.gw.get(f'/{name}', [('Accept-Encoding', 'identity')])
        assert r.status == 200 and r.complete
        kind = name.rpartition('.')[2] or 'html'
        assert r.header('Content-Type').startswith(types[kind])
        assert r.header('Content-Security-Policy') == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src"
            " 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
            " frame-ancestors 'none'; require-trusted-types-for 'script'")
        assert r.header('X-Content-Type-Options') == 'nosniff'
        assert r.header('Referrer-Policy') == 'no-referrer'
        if name:
            total += len(gzip.compress(bytes(r.body)))
        text = r.text.replace('http://www.w3.org/2000/svg', '')
        assert 'http://' not in text and 'innerHTML' not in text
        assert 'style="' not in text and '<style' not in text
        if kind == 'css':
            assert 'url(' not in text and '@import' not in text
    assert total < 30_000
