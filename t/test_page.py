"""The page in a real browser, on JSON from Python (page_api), served by
nginx with the headers of conf-examples/dashboard.conf."""

import datetime
import random
import re

import pytest

from browser import browser  # noqa: F401
from jobs import OPERATIONS, STATUSES
from nginx import ROOT
from page_api import PageApi

A, B, C = '123456789012', '210987654321', '555566667777'
EXAMPLE = (ROOT / 'conf-examples/dashboard.conf').read_text()
MIME = '/etc/nginx/mime.types'

# chromium connects ahead of requests; nginx, told to end, waits for these
PRECONNECTED = 'client_header_timeout 1s;'
NOW = datetime.datetime(2026, 11, 25, 9, 0, tzinfo=datetime.timezone.utc)

ROWS = '''
return [...document.querySelectorAll('#jobs tbody tr')].map(row => ({
    ...Object.fromEntries([...row.cells].map(
        cell => [cell.className.split(' ')[0], cell.innerText])),
    id: new URL(row.querySelector('a').href).searchParams.get('job'),
    full: row.querySelector('.progress small').title,
    times: [...row.querySelectorAll('time')].map(t => t.dateTime),
    titles: [...row.querySelectorAll('time')].map(t => t.title)}))
'''


# boxes of words and bars in the rows that overlap another one's in the same
# row, or leave the window
OVERLAPS = '''
const found = [];
for (const row of document.querySelectorAll(
         '#jobs tbody tr, #jobs thead tr, .tools')) {
    const boxes = [], walker = document.createTreeWalker(row,
        NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        const range = document.createRange();
        range.selectNodeContents(node);
        const clip = (node.nodeType === 3 ? node.parentElement : node);
        if (!clip.checkVisibility() || node.nodeType === 1
            && !/^(PROGRESS|INPUT|SELECT)$/.test(node.tagName)) continue;
        if (node.nodeType === 3 && (!node.data.trim()
            || /^(SELECT|OPTION)$/.test(clip.tagName))) continue;
        let box = node.nodeType === 3 ? range.getBoundingClientRect()
                                      : node.getBoundingClientRect();
        box = {left: box.left, right: box.right, top: box.top,
               bottom: box.bottom, of: clip.closest('td, th, button, p')
                                       ?.className + ' '
                                       + (node.data ?? node.tagName)};
        for (let e = clip; e !== row; e = e.parentElement) {
            if (getComputedStyle(e).overflowX !== 'visible') {
                const edge = e.getBoundingClientRect();
                box.left = Math.max(box.left, edge.left);
                box.right = Math.min(box.right, edge.right);
                box.top = Math.max(box.top, edge.top);
                box.bottom = Math.min(box.bottom, edge.bottom);
            }
        }
        boxes.push(box);
    }
    for (const a of boxes) {
        if (a.right > innerWidth + 1) found.push(a.of + ' leaves the window');
        for (const b of boxes) {
            if (a !== b && a.left < b.right - 1 && b.left < a.right - 1
                && a.top < b.bottom - 3 && b.top < a.bottom - 3) {
                found.push(`${a.of} over ${b.of}`);
            }
        }
    }
}
return found;
'''


def configuration(api):
    """The page and its headers as in the example; the listing from Python;
    and on a second port the same behind a proxy that adds a path."""
    headers = '\n'.join(re.findall(r'^ *add_header.*;$', EXAMPLE, re.M))
    gzip = re.search(r'^ *gzip +on;.*?;$', EXAMPLE, re.M | re.S)[0]
    assert headers.count('add_header') == 4

    def conf(gw):
        temps = '\n'.join(f'{n}_temp_path {gw.prefix}/{n};' for n in (
            'client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        return f'''
            user root; worker_processes 1; daemon off;
            pid {gw.prefix}/nginx.pid; error_log {gw.prefix}/error.log info;
            events {{}}
            http {{
                include {MIME}; {temps} {gzip}
                {PRECONNECTED}
                access_log {gw.prefix}/access.log;
                server {{
                    listen 127.0.0.1:{gw.port}; {headers}
                    location / {{ root {ROOT}/dashboard; }}
                    location /jobs {{
                        proxy_pass http://127.0.0.1:{api.port};
                        proxy_max_temp_file_size 0;
                    }}
                }}
                server {{
                    listen 127.0.0.1:{gw.h2_port};
                    location /team/s3/ {{
                        proxy_pass http://127.0.0.1:{gw.port}/;
                    }}
                }}
            }}'''
    return conf


@pytest.fixture
def api():
    with PageApi() as api:
        yield api


@pytest.fixture
def page(browser, api, nginx):                  # noqa: F811
    """The browser, with page.url."""
    gw = nginx(conf=configuration(api))
    browser.gw, browser.url = gw, f'http://127.0.0.1:{gw.port}/'
    yield browser
    browser.leave()


def stamp(**ago):
    return (NOW - datetime.timedelta(**ago)).isoformat(
        timespec='milliseconds').replace('+00:00', 'Z')


def job(n, status='Active', total=100, succeeded=50, failed=0, elapsed=60,
        **fields):
    return {'JobId': f'{n:08}-0000-4000-8000-000000000000',
            'Description': f'Job {n}', 'Operation': 'S3PutObjectCopy',
            'Priority': 10, 'Status': status,
            'CreationTime': stamp(minutes=n),
            'ProgressSummary': {
                'TotalNumberOfTasks': total,
                'NumberOfTasksSucceeded': succeeded,
                'NumberOfTasksFailed': failed,
                'Timers': {'ElapsedTimeInActiveSeconds': elapsed}},
            **fields}


def many(n):
    """Of all kinds, with equal and absent values in every column."""
    rnd = random.Random(n)
    for i in range(n):
        one = job(i, rnd.choice(STATUSES), elapsed=rnd.randrange(5) * 1000,
                  succeeded=rnd.randrange(50), failed=rnd.choice((0, 0, 7)),
                  Priority=rnd.randrange(4),
                  Operation=rnd.choice(OPERATIONS))
        one['JobId'] = f'{i * 7919 % 99991:08}' + one['JobId'][8:]
        for name in 'Description', 'Priority', 'ProgressSummary':
            if rnd.random() < 0.1:
                del one[name]
        if one['Status'] in ('Complete', 'Failed', 'Cancelled'):
            one['TerminationDate'] = stamp(seconds=rnd.randrange(9))
        yield one


def ids(jobs):
    return [one['JobId'] for one in jobs]


def shown(page):
    return [row['id'] for row in page.js(ROWS)]


def trouble(one):
    return one['Status'] in ('Suspended', 'Failed', 'Failing') or (
        one['Status'] == 'Complete'
        and one.get('ProgressSummary', {}).get('NumberOfTasksFailed', 0) > 0)


# what a row says

def test_row(page, api):
    api.put(A, 'eu-west-1', [
        job(1, total=2000, succeeded=1000, failed=3, elapsed=3723),
        job(2, 'Complete', succeeded=100, elapsed=172800 + 3600,
            TerminationDate=stamp(hours=-1))])
    page.open(page.url)
    active, complete = page.js(ROWS)
    assert active['status'].split() == ['Active']
    assert active['description'] == 'Job 1'
    assert active['operation'] == 'S3PutObjectCopy'
    assert active['priority'] == '10'
    assert active['progress'].split('\n') == \
        ['50.1%', '1,000 succeeded, 3 failed, 997 remaining']
    assert active['full'] == \
        '1,000 succeeded, 3 failed, 997 remaining of 2,000'
    assert active['failed'] == '0.30%'
    assert active['elapsed'] == '1 h 2 min'
    assert active['left'] == '1 h 2 min left'       # 997 * 3723 / 1003 s
    assert active['times'][0] == stamp(minutes=1)
    assert active['titles'][0] == '2026-11-25 08:59:00.000 UTC'
    assert active['ended'] == ''
    assert complete['progress'].startswith('100%')
    assert complete['failed'] == '0%'
    assert complete['elapsed'] == '2 d 1 h'
    assert complete['left'] == ''
    assert complete['times'][1] == stamp(hours=-1)
    assert not page.js('return document.querySelector(".account")'
                       '.checkVisibility()')


def test_times_are_local(page, api):
    api.put(A, 'eu-west-1', [job(0, CreationTime='2026-07-01T23:30:00Z')])
    page.cdp('Emulation.setTimezoneOverride', timezoneId='Asia/Tokyo')
    try:
        page.open(page.url)
        [row] = page.js(ROWS)
    finally:
        page.cdp('Emulation.setTimezoneOverride', timezoneId='UTC')
    assert row['created'].startswith('Jul 2')
    assert '8:30' in row['created']
    assert row['titles'][0] == '2026-07-01 23:30:00.000 UTC'


@pytest.mark.parametrize('total,succeeded,failed,percent,rate', [
    (2 ** 53 + 1, 2 ** 53, 0, '99.9%', '0%'),
    (2 ** 63 - 1, 2 ** 63 - 2, 1, '100%', '< 0.01%'),
    (9007199254740993, 1, 1, '0.0%', '50.0%'),
    (10 ** 25, 10 ** 25 - 1, 0, '99.9%', '0%'),
    (1000, 0, 999, '99.9%', '100%'),
    (10 ** 6, 1, 999998, '99.9%', '99.9%'),
    (10, 0, 0, '0%', '–'),
])
def test_numbers(page, api, total, succeeded, failed, percent, rate):
    """Digits as S3 sent them; no 100 % too early, no 0 % that is none."""
    api.put(A, 'eu-west-1', [job(1, 'Active', total, succeeded, failed)])
    page.open(page.url)
    [row] = page.js(ROWS)
    left = total - succeeded - failed
    assert row['full'] == (f'{succeeded:,} succeeded, {failed:,} failed,'
                           f' {left:,} remaining of {total:,}')
    assert row['progress'].split('\n')[0] == percent
    assert row['failed'] == rate
    page.click('#jobs tbody a')
    page.until('return document.querySelector("#facts dl")')
    facts = page.text('#facts')
    assert f'{total:,}' in facts and f'{succeeded:,}' in facts


@pytest.mark.parametrize('progress', [
    None, {}, {'TotalNumberOfTasks': 0, 'NumberOfTasksSucceeded': 0,
               'NumberOfTasksFailed': 0},
    {'Timers': {}}, {'NumberOfTasksSucceeded': 0, 'NumberOfTasksFailed': 0},
    {'TotalNumberOfTasks': 7}])
def test_not_available(page, api, progress):
    one = job(1)
    del one['ProgressSummary']
    if progress is not None:
        one['ProgressSummary'] = progress
    api.put(A, 'eu-west-1', [one])
    page.open(page.url)
    [row] = page.js(ROWS)
    assert row['progress'] == 'not available'
    assert row['failed'] == row['elapsed'] == 'not available'
    assert row['left'] == ''
    page.click('#jobs tbody a')
    page.until('return document.querySelector("#facts dl")')
    text = page.text('body')
    assert not re.search(r'NaN|Infinity|undefined|null|\b0\s?%', text), text


def test_nothing_is_required(page, api):
    """S3's documentation requires no field at all."""
    api.put(A, 'eu-west-1', [{'JobId': 'abc-0'}, {'JobId': 'abc-1',
            'Status': 'Inventing', 'CreationTime': 'yesterday',
            'Operation': 'S3Unheard', 'New': {'Thing': ['1']}}])
    page.open(page.url)
    by_id = {row['id']: row for row in page.js(ROWS)}
    assert by_id['abc-0']['description'] == 'abc-0'
    assert by_id['abc-0']['status'].strip() == 'not available'
    assert by_id['abc-1']['status'].strip() == 'Inventing'
    assert by_id['abc-1']['created'] == 'yesterday'
    assert 'Inventing' in page.text('#filters')
    page.js('document.querySelectorAll("#jobs tbody a").forEach('
            'a => a.href.includes("abc-1") && a.click())')
    page.until('return document.querySelector("#facts").innerText'
               '.includes("Thing")')


HOSTILE = ['<img src=x onerror=alert(1)>', '<script>alert(1)</script>',
           '"><svg onload=alert(1)>', '\u202edesrever\u202d\u2066x',
           'נסח עברי 123 abc (x)', 'a' * 256, '👩‍👩‍👧‍👦' * 36, '𝕏' * 128,
           'Z̸̢̧̛͓̣̯̯̱͇̀͗̐̓͘͝' * 12, 'a\u2028b\u2029c\u0007', ' ' * 256, '\u3000',
           'javascript:alert(1)', '&lt;b&gt;&amp;', '﷽' * 40, '\ufeffx']


def test_description_is_text(page, api):
    """Whatever somebody typed: text, in a row as high as any other."""
    api.put(A, 'eu-west-1', [
        *(job(n, Description=text, Operation=text, Status='Active')
          for n, text in enumerate(HOSTILE)), job(99)])
    page.shape(1280, 1200)
    page.open(page.url)
    page.js('window.alert = () => { throw Error("alert") }')
    rows = page.js('''
        return [...document.querySelectorAll('#jobs tbody tr')].map(row => [
            row.querySelector('bdi').textContent, row.cells.length,
            row.querySelectorAll('*').length, row.offsetHeight,
            row.querySelector('a').getBoundingClientRect().height < 30,
            row.scrollWidth <= innerWidth,
            [...row.cells].every(cell => {
                const a = cell.getBoundingClientRect();
                const b = row.getBoundingClientRect();
                return !cell.checkVisibility() || a.right <= b.right + 1
                    && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
            })])''')
    assert [row[0] for row in rows] == [
        text if text.strip('\ufeff').strip() else job(n)['JobId']
        for n, text in enumerate(HOSTILE)] + ['Job 99']
    assert len({tuple(row[1:]) for row in rows}) == 1
    assert all(rows[0][4:])
    assert not page.js('return document.querySelector("img,script:not([src]),'
                       '#jobs svg")')
    for name, width in ('hostile', 1280), ('hostile-narrow', 360):
        page.shape(width, 1200)
        page.shot(name)
        assert page.js('return document.documentElement.scrollWidth') <= width
        assert page.js(OVERLAPS) == []
    page.js('document.querySelector("#jobs tbody a").click()')
    page.until('return document.querySelector("#facts dl")')
    assert page.text('#job-title') == HOSTILE[0]


# filters, search, order, and the address

def test_filters(page, api):
    jobs = list(many(60))
    api.put(A, 'eu-west-1', jobs)
    page.shape(1280, 3200)
    page.open(page.url)
    counts = page.js('return Object.fromEntries([...document.querySelector'
                     'All("#filters button")].map(b => [b.dataset.status,'
                     ' +b.lastChild.textContent]))')
    expected = {status: sum(one['Status'] == status for one in jobs)
                for status in STATUSES}
    expected['attention'] = sum(map(trouble, jobs))
    assert counts == {k: n for k, n in expected.items() if n}
    assert page.js('return document.title').startswith(
        f'({expected["attention"]}) ')

    def press(name):
        page.click(f'#filters [data-status={name}]')

    press('Paused')
    assert {*shown(page)} == {*ids(one for one in jobs
                                   if one['Status'] == 'Paused')}
    press('attention')
    both = {*ids(one for one in jobs
                 if one['Status'] == 'Paused' or trouble(one))}
    assert {*shown(page)} == both
    assert page.text('#status') == f'{len(both)} of 60 jobs'
    page.until('return location.search === "?status=Paused,attention"')

    page.open(page.js('return location.href'))
    assert {*shown(page)} == both
    assert page.texts('#filters [aria-pressed=true] span') \
        == ['Needs attention', 'Paused']
    press('Paused')
    press('attention')
    assert len(shown(page)) == 60
    page.until('return location.search === ""')


def test_search(page, api):
    jobs = [job(1, Description='Restore Größe of Archive'),
            job(2, Operation='S3InitiateRestoreObject'),
            job(3, Description='other')]
    api.put(A, 'eu-west-1', jobs)
    page.open(page.url)
    for text, found in (('restore', [0, 1]), ('RESTORE größe', [0]),
                        ('00000003-', [2]), ('of  archive ', [0]),
                        ('nowhere', []), ('.*', [])):
        page.find('#search').clear()
        page.key('/')
        page.key(text)
        assert shown(page) == [jobs[i]['JobId'] for i in found], text
    assert 'No job' in page.text('#empty')
    page.until('return new URLSearchParams(location.search).get("q")'
               ' === ".*"')
    page.click('#clear')
    assert len(shown(page)) == 3 and page.text('#status') == '3 jobs'
    # filters count what the search leaves
    page.type('#search', 'restore')
    assert page.text('#filters [data-status=Active] b') == '2'


def progress_of(one, name):
    return one.get('ProgressSummary', {}).get(name)


def ratio(one):
    done = progress_of(one, 'NumberOfTasksSucceeded')
    return None if done is None else \
        (done + progress_of(one, 'NumberOfTasksFailed')) / 100


def failure(one):
    failed = progress_of(one, 'NumberOfTasksFailed')
    done = failed is not None \
        and failed + progress_of(one, 'NumberOfTasksSucceeded')
    return failed / done if done else None


def elapsed(one):
    timers = progress_of(one, 'Timers')
    return timers and timers['ElapsedTimeInActiveSeconds']


def left(one):
    done = ratio(one)
    if one['Status'] != 'Active' or not done or not elapsed(one):
        return None
    return elapsed(one) * (1 - done) / done


ORDERS = {
    'description': lambda one: one.get('Description')
    and int(one['Description'].split()[1]),
    'operation': lambda one: one['Operation'].lower(),
    'priority': lambda one: one.get('Priority'),
    'created': lambda one: one['CreationTime'],
    'ended': lambda one: one.get('TerminationDate'),
    'progress': ratio, 'failed': failure, 'elapsed': elapsed, 'left': left,
}


@pytest.mark.parametrize('name', ORDERS)
def test_order(page, api, name):
    """Either way, what has no value last, equal ones the newest first."""
    jobs = list(many(80))
    api.put(A, 'eu-west-1', random.Random(3).sample(jobs, 80))
    page.shape(1280, 4200)
    page.open(page.url)
    newest = sorted(jobs, key=lambda one: one['CreationTime'], reverse=True)
    known = [one for one in newest if ORDERS[name](one) is not None]
    nothing = [one for one in newest if ORDERS[name](one) is None]
    for _ in range(2):
        page.click(f'#jobs th.{name} button')
        down = page.js('return document.querySelector("#jobs th." + arguments'
                       '[0]).ariaSort', name) == 'descending'
        assert shown(page) == ids(sorted(known, key=ORDERS[name],
                                         reverse=down) + nothing)
        assert page.js('return document.querySelectorAll("[aria-sort]")'
                       '.length') == 1
        page.until('return new URLSearchParams(location.search).get("sort")'
                   ' === arguments[0]', '-' * down + name)


def test_order_of_status(page, api):
    """What is wrong is seen first."""
    api.put(A, 'eu-west-1', [
        job(n, status, failed=1 if n == 13 else 0)
        for n, status in enumerate([*sorted(STATUSES), 'Complete'])])
    page.shape(1280, 1200)
    page.open(page.url)
    words = [row['status'].split('\n')[0] for row in page.js(ROWS)]
    assert words[:4] == ['Suspended', 'Failed', 'Failing', 'Complete']
    assert words[-2:] == ['Complete', 'Cancelled']


def test_view_can_be_sent(page, api):
    """All that can be chosen is in the address, and only that."""
    for account in A, B:
        api.put(account, 'eu-west-1', [job(n) for n in range(9)]
                + [job(20, 'Failed', Description='Job & 20')])
    page.open(page.url)
    page.type('#search', 'job &')
    page.click('#filters [data-status=Failed]')
    page.choose('#place', f'{B}/eu-west-1')
    page.click('#jobs th.created button')
    page.click('#jobs th.created button')
    page.choose('#every', '60')
    page.click('#jobs tbody a')
    page.until('return document.querySelector("#facts dl")')
    url = page.js('return location.href')
    assert url == (f'{page.url}?q=job+%26&status=Failed&in={B}/eu-west-1'
                   f'&sort=created&refresh=60&job={B}/eu-west-1/'
                   + job(20)['JobId'])
    state = '''return [
        ...['search', 'place', 'every'].map(
            id => document.getElementById(id).value),
        [...document.querySelectorAll('#filters [aria-pressed=true]')].map(
            b => b.dataset.status),
        document.querySelector('th.created').ariaSort,
        document.querySelector('#job').open,
        document.querySelector('#job-title').innerText]'''
    before = page.js(state), shown(page)
    assert before == (['job &', f'{B}/eu-west-1', '60', ['Failed'],
                       'ascending', True, 'Job & 20'],
                      [f'{B}/eu-west-1/{job(20)["JobId"]}'])
    page.open('about:blank', busy=True)
    page.open(url)
    page.until('return document.querySelector("#facts dl")')
    assert (page.js(state), shown(page)) == before


@pytest.mark.parametrize('query', [
    'sort=nothing', 'sort=__proto__', 'refresh=1', 'status=,,', 'job=../x',
    'job=%00', 'in=nowhere/x', 'status=%22%5D', 'q=%5B%5C', 'job=//x.y/zzzzz'])
def test_any_address(page, api, query):
    api.put(A, 'eu-west-1', [job(1)])
    page.open(page.url + '?' + query)
    assert page.text('#status').endswith('1 job') \
        or page.text('#empty').startswith('No job')
    assert not page.js('return document.querySelector("#job").open')
    assert {*api.requests} == {'/jobs'}
