"""The page over time: refresh, throttling, other pages and accounts, one job,
what goes wrong; as test_page on JSON from Python."""

import time

import pytest

from browser import Keys, browser  # noqa: F401
from fleet import Fleet
from nginx import until
from page_api import Problem, Raw
from test_page import A, B, C, ROWS, api, ids, job, page, shown, stamp  # noqa

COMMERCIAL, CHINA, GOV, ISO = (
    f'arn:{partition}:s3:{region}:{A}:job/' for partition, region in (
        ('aws', 'eu-west-1'), ('aws-cn', 'cn-north-1'),
        ('aws-us-gov', 'us-gov-west-1'), ('aws-iso', 'us-iso-east-1')))

# rows that are written to, or moved, from now on
WATCH = '''
window.touched = new Set();
new MutationObserver(records => records.forEach(record => {
    const row = record.target.closest?.('tr')
                ?? record.target.parentElement.closest('tr');
    if (row) touched.add(row.cells[1].innerText);
    for (const node of [...record.addedNodes, ...record.removedNodes]) {
        if (node.cells) touched.add('a row came or went');
    }
})).observe(document.querySelector('#jobs tbody'), {subtree: true,
    childList: true, attributes: true, characterData: true});
'''


def listings(api):
    """Requests for a listing, the first page of it."""
    return [r for r in api.requests if r == '/jobs']


def refresh(page, api, n=1):
    before = len(listings(api))
    page.click('#now')
    until(lambda: len(listings(api)) >= before + n, 'refresh')
    page.settled()


# refresh

def test_refresh_touches_what_changed(page, api):
    jobs = [job(n) for n in range(40)]
    api.put(A, 'eu-west-1', jobs)
    page.open(page.url + '?sort=-created&refresh=off')
    page.js(WATCH)
    jobs[3] = job(3, succeeded=75)
    refresh(page, api)
    assert page.js('return [...touched]') == ['Job 3']
    assert page.js(ROWS)[3]['progress'].startswith('75.0%')
    page.js('touched.clear()')
    refresh(page, api)
    assert page.js('return [...touched]') == []
    jobs.insert(0, job(-1))
    refresh(page, api)
    assert shown(page)[:2] == [job(-1)['JobId'], job(0)['JobId']]


def test_refresh_by_itself(page, api):
    """Every 15 s; the job that went on is seen."""
    jobs = [job(1)]
    api.put(A, 'eu-west-1', jobs)
    page.open(page.url)
    assert page.find('#every').get_property('value') == '15'
    jobs[0] = job(1, 'Complete', succeeded=100)
    until(lambda: len(api.requests) == 2, 'refresh')
    page.until('return document.querySelector("#jobs tbody").innerText'
               '.includes("Complete")')


def test_refresh_leaves_reader_alone(page, api):
    """Focus, selection, and what is in the window, though rows come and
    go."""
    jobs = [job(n) for n in range(500)]
    api.put(A, 'eu-west-1', jobs)
    page.open(page.url + '?sort=-created&refresh=off')
    page.js('scrollTo(0, 9000)')
    page.until('return document.querySelector("#jobs tbody tr").i > 100')
    page.js('''
        window.row = [...document.querySelectorAll('#jobs tbody tr')].find(
            row => row.getBoundingClientRect().top > 300);
        row.querySelector('a').focus({preventScroll: true});
        getSelection().selectAllChildren(row.querySelector('.operation'));
        window.top0 = row.getBoundingClientRect().top;''')
    look = '''return [document.activeElement.closest('tr') === row,
                      getSelection().toString(), row.isConnected,
                      Math.abs(row.getBoundingClientRect().top - top0) < 2]'''
    assert page.js(look) == [True, 'S3PutObjectCopy', True, True]
    jobs[:0] = [job(-n) for n in range(3, 0, -1)]
    refresh_by_script(page, api)
    assert page.js(look) == [True, 'S3PutObjectCopy', True, True]
    del jobs[10:60]
    refresh_by_script(page, api)
    assert page.js(look) == [True, 'S3PutObjectCopy', True, True]


def refresh_by_script(page, api):
    """Without a click, which takes focus and selection."""
    before = len(listings(api))
    page.js('document.querySelector("#now").click()')
    until(lambda: len(listings(api)) > before, 'refresh')
    page.settled()


def test_focus_is_not_lost_with_its_row(page, api):
    jobs = [job(n) for n in range(20)]
    api.put(A, 'eu-west-1', jobs)
    page.open(page.url + '?sort=-created&refresh=off')
    page.js('document.querySelectorAll("#jobs tbody a")[5].focus()')
    del jobs[5]
    refresh_by_script(page, api)
    assert page.js('return document.activeElement.innerText') == 'Job 6'


def test_focus_stays_on_the_button(page, api):
    page.expect('status of 502')
    api.put(A, 'eu-west-1', [job(1)])
    page.open(page.url + '?refresh=off')
    page.js('document.querySelector("#now").focus()')
    for _ in range(2):
        asked = len(api.requests)
        page.key(Keys.ENTER)
        until(lambda: len(api.requests) == asked + 1, 'request')
        page.settled()
        assert page.js('return document.activeElement.id') == 'now'
    api.script(*[Problem(502, 'ExpiredToken')] * 2)
    refresh_by_script(page, api)
    page.js('document.querySelector("#again").focus()')
    for expected in 'again', 'now':
        page.key(Keys.ENTER)
        page.settled()
        page.until('return document.activeElement.id === arguments[0]',
                   expected)


def test_never_two_at_once(page, api):
    api.put(A, 'eu-west-1', [job(1)])
    page.open(page.url)
    api.held.clear()
    try:
        page.click('#now')
        until(lambda: len(api.requests) == 2, 'request')
        assert page.find('#jobs').get_attribute('aria-busy') == 'true'
        page.js('for (let i = 0; i < 9; i++) {'
                'document.querySelector("#now").click();'
                'document.querySelector("#pause").click(); }')
        time.sleep(0.5)
        assert len(api.requests) == 2
    finally:
        api.held.set()
    page.settled()
    assert len(api.requests) == 2


CLOCK = '''
window.waiting = [];
const real = setTimeout;
window.setTimeout = (f, ms, ...more) => f.name === 'refresh'
    ? waiting.push({f, ms}) : real(f, ms, ...more);
window.clearTimeout = (clear => n => waiting[n - 1]
    ? waiting[n - 1].off = true : clear(n))(clearTimeout);
'''
PENDING = 'return waiting.filter(w => !w.off).map(w => w.ms)'
FIRE = 'const w = waiting.findLast(w => !w.off); w.off = true; w.f();'


@pytest.fixture
def timed(page):
    """The page, of which the timers that refresh it are in our hand."""
    script = page.cdp('Page.addScriptToEvaluateOnNewDocument', source=CLOCK)
    yield page
    page.cdp('Page.removeScriptToEvaluateOnNewDocument', **script)


def test_pause(timed, api):
    page = timed
    api.put(A, 'eu-west-1', [job(1)])
    page.open(page.url)
    [wait] = page.js(PENDING)
    assert 14_000 < wait <= 15_000
    page.click('#pause')
    assert page.js(PENDING) == []
    assert page.find('#pause').get_attribute('aria-pressed') == 'true'
    page.click('#pause')
    assert len(page.js(PENDING)) == 1
    page.choose('#every', '60')
    [wait] = page.js(PENDING)
    assert 59_000 < wait <= 60_000
    page.choose('#every', 'off')
    assert page.js(PENDING) == []
    assert not page.find('#pause').is_displayed()
    assert len(api.requests) == 1


def test_paused_while_hidden(timed, api):
    page = timed
    api.put(A, 'eu-west-1', [job(1)])
    page.open(page.url)
    assert len(page.js(PENDING)) == 1
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window('tab')
    try:
        other = page.driver.current_window_handle
        page.driver.switch_to.window(first)
        hide = '''
            Object.defineProperty(document, 'hidden', {
                configurable: true, get: () => arguments[0]});
            document.dispatchEvent(new Event('visibilitychange'));'''
        page.js(hide, True)
        assert page.js(PENDING) == []
        page.js(hide, False)
        assert len(page.js(PENDING)) == 1
    finally:
        page.driver.switch_to.window(other)
        page.driver.close()
        page.driver.switch_to.window(first)


def test_backs_off(timed, api):
    """Longer each time, at least as long as S3 wishes; then as before."""
    page = timed
    page.expect('status of 50[03]')
    api.put(A, 'eu-west-1', [job(1)])
    page.open(page.url)
    waits = []
    api.script(*[Problem(503, 'SlowDown', retry_after=1)] * 2,
               Problem(503, 'SlowDown', retry_after=100),
               Problem(500, 'InternalError'),
               Problem(503, 'SlowDown', retry_after=1))
    for n in range(6):
        before = len(api.requests)
        page.js(FIRE)
        until(lambda: len(api.requests) > before, 'request')
        page.settled()
        [wait] = page.js(PENDING)
        waits.append(round(wait / 1000))
    assert waits == [15, 30, 300, 120, 240, 15]
    assert not page.find('#trouble').is_displayed()


def test_throttled_then_recovers(page, api):
    page.expect('status of 503')
    api.put(A, 'eu-west-1', [job(1)])
    api.script(Problem(503, 'SlowDown', 'S3 Control throttles.',
                       retry_after=2))
    start = time.monotonic()
    page.open(page.url)
    text = page.text('#trouble')
    for word in '503 SlowDown', 'S3 Control throttles.', \
            'Request id REQUESTID0123456', 'Next try at':
        assert word in text
    assert not page.find('#empty').is_displayed()
    page.until('return document.querySelector("#jobs tbody tr")')
    assert time.monotonic() - start >= 2
    assert not page.find('#trouble').is_displayed()
    assert len(api.requests) == 2


def test_stale(page, api):
    """The last good listing stays, and it says how old it is."""
    page.expect('status of 502')
    api.put(A, 'eu-west-1', [job(n) for n in range(5)])
    page.open(page.url + '?refresh=off')
    page.js(WATCH)
    api.script(*[Problem(502, 'ExpiredToken')] * 2)
    refresh(page, api)
    assert '502 ExpiredToken' in page.text('#trouble')
    assert 'Last good answer less than a minute ago' in page.text('#trouble')
    assert 'Next try' not in page.text('#trouble')
    assert page.text('#status') == '5 jobs, not up to date'
    assert page.js('return [...touched]') == [] and len(shown(page)) == 5
    page.js('const now = Date.now; Date.now = () => now() + 190_000')
    page.click('#again')
    page.until('return document.querySelector("#trouble").innerText'
               '.includes("Last good answer 3 min ago")')
    page.settled()
    page.shot('stale')
    page.click('#again')
    page.settled()
    assert not page.find('#trouble').is_displayed()
    assert page.text('#status') == '5 jobs'


WRONG = [
    (Raw(b'<!doctype html><title>Sign in</title>', 'text/html'), 'no JSON'),
    (Raw(b'{"Jobs":[', cut=True), 'broke off'),
    (Raw(b'{"Jobs":['), 'no JSON'),
    (Raw(b'[]'), 'no listing'), (Raw(b'null'), 'no JSON'),
    (Raw(b'{"Jobs":{}}'), 'no listing'), (Raw(b'"x"'), 'no JSON'),
    (Problem(403, 'AccessDenied'), 's3:ListJobs'),
    (Problem(503, 'CredentialsUnavailable'), 'no usable credentials'),
    (Problem(401, 'Unauthorized'), 'sign in'),
    (Problem(418, 'Teapot'), '418 Teapot'),
    (Raw(b'<h1>nginx</h1>', 'text/html', 504), 'in time'),
]


@pytest.mark.parametrize('answer,words', WRONG)
def test_error(page, api, answer, words):
    """What is wrong, and what to do; then it works again."""
    page.expect('status of|ERR_CONTENT_LENGTH|ERR_INCOMPLETE')
    api.put(A, 'eu-west-1', [job(1)])
    api.script(answer)
    page.open(page.url + '?refresh=off')
    assert words in page.text('#trouble')
    assert page.text('#status') == 'Nothing is loaded'
    assert page.text('#trouble .advice')
    page.click('#again')
    page.settled()
    assert shown(page) == ids([job(1)])
    assert not page.find('#trouble').is_displayed()


def test_gateway_is_down(page, api):
    page.expect('ERR_')
    api.put(A, 'eu-west-1', [job(1)])
    page.open(page.url + '?refresh=off')
    page.gw.stop()
    page.click('#now')
    page.until('return document.querySelector("#trouble").innerText'
               '.includes("does not answer")')
    assert shown(page) == ids([job(1)])


def test_loading(page, api):
    api.put(A, 'eu-west-1', [job(1)])
    api.held.clear()
    try:
        page.open(page.url, busy=True)
        assert page.text('#status') == 'Loading …'
        assert page.find('#jobs').get_attribute('aria-busy') == 'true'
        page.shot('loading')
    finally:
        api.held.set()
    page.settled()
    assert page.text('#status') == '1 job'


def test_no_jobs(page, api):
    api.put(A, 'eu-west-1', [])
    page.open(page.url)
    assert page.text('#empty').startswith('There are no jobs.')
    assert page.text('#status') == '0 jobs'
    page.shot('empty')


# pages and accounts

def test_further_pages_of_one_listing(page, api):
    """Its token goes back as it came; a refresh has them all again."""
    jobs = [job(n) for n in range(25)]
    api.put(A, 'eu-west-1', jobs)
    api.page = 10
    page.shape(1280, 1500)
    page.open(page.url + '?refresh=off&sort=-created')
    assert page.text('#status') == '10 jobs loaded, not all'
    assert 'not complete' in page.text('#gaps')
    page.click('#gaps button')
    page.until('return document.querySelectorAll("#jobs tbody tr").length'
               ' === 20')
    page.settled()
    assert api.requests[-1] == '/jobs?nextToken=token%2B%2F%3D10'
    assert page.js('return document.activeElement.innerText') == 'Load more'
    page.key(Keys.ENTER)
    page.until('return document.querySelectorAll("#jobs tbody tr").length'
               ' === 25')
    page.settled()
    assert not page.find('#gaps').is_displayed()
    assert page.text('#status') == '25 jobs'
    api.requests.clear()
    jobs[22] = job(22, 'Failed')
    refresh(page, api)
    assert shown(page) == ids(jobs) and len(api.requests) == 3
    assert 'Failed' in page.text('#jobs tbody')


def test_accounts(page, api):
    """All pages of three accounts, one of which fails."""
    for where in (A, 'eu-west-1'), (B, 'us-east-1'), (C, 'us-east-1'):
        api.put(*where, [job(n) for n in range(15)])
    api.page = 10
    api.broken[C, 'us-east-1'] = Problem(403, 'AccessDenied', 'No access.')
    page.shape(1280, 2000)
    page.open(page.url + '?refresh=off')
    assert len(shown(page)) == 20
    assert '3 listings are not complete' in page.text('#gaps')
    assert f'{C} us-east-1 403 AccessDenied: No access.' in page.text('#gaps')
    assert page.texts('#gaps button') == ['Load more'] * 2
    assert {(row['account'], row['region']) for row in page.js(ROWS)} \
        == {(A, 'eu-west-1'), (B, 'us-east-1')}
    for account, region in (A, 'eu-west-1'), (B, 'us-east-1'):
        page.click(f'[data-more="{account}/{region}"]')
        page.until('return !document.querySelector(`[data-more='
                   f'"{account}/{region}"]`)')
        page.settled()
        assert api.requests[-1].startswith(
            f'/jobs/{account}/{region}?nextToken=')
    assert {*shown(page)} == {f'{where}/{one}' for where in (
        f'{A}/eu-west-1', f'{B}/us-east-1')
        for one in ids(job(n) for n in range(15))}
    assert '1 listing is not complete' in page.text('#gaps')
    page.shot('accounts')

    page.choose('#place', f'{B}/us-east-1')
    assert {row['account'] for row in page.js(ROWS)} == {B}
    api.broken.clear()
    refresh(page, api)
    assert page.texts('#gaps li b') == [f'{C} us-east-1']


def test_further_page_fails(page, api):
    page.expect('status of 503')
    api.put(A, 'eu-west-1', [job(n) for n in range(15)])
    api.page = 10
    page.open(page.url + '?refresh=off')
    api.script(Problem(503, 'SlowDown'))
    page.click('#gaps button')
    page.until('return document.querySelector("#gaps").innerText'
               '.includes("503 SlowDown")')
    page.settled()
    assert len(shown(page)) == 10
    page.click('#gaps button')
    page.until('return document.querySelector("#gaps").hidden')
    assert len(shown(page)) == 15


def test_plain_listing_that_broke(page, api):
    """s3jobs_max_pages: its third page failed; where to go on is there."""
    api.put(A, 'eu-west-1', [job(n) for n in range(5)])
    api.script({'Jobs': [job(0), job(1), job(2)],
                'Incomplete': [{'AccountId': A, 'Region': 'eu-west-1',
                                'status': 502, 'code': 'InternalError',
                                'detail': 'We erred.'}],
                'NextToken': 'token+/=3'})
    page.open(page.url + '?refresh=off')
    assert '502 InternalError: We erred.' in page.text('#gaps')
    page.click('#gaps button')
    page.until('return document.querySelector("#gaps").hidden')
    assert len(shown(page)) == 5
    assert api.requests[1:] == ['/jobs?nextToken=token%2B%2F%3D3']


def test_plain_listing_that_goes_in_circles(page, api):
    """S3 sent a token twice: there is no way on."""
    api.put(A, 'eu-west-1', [])
    api.script({'Jobs': [job(0), job(1)], 'Incomplete': [{
        'AccountId': A, 'Region': 'eu-west-1', 'status': 502,
        'code': 'BadUpstreamResponse', 'detail': 'A token came twice.'}]})
    page.open(page.url + '?refresh=off')
    assert page.text('#gaps summary') == 'The listing is not complete'
    assert 'A token came twice.' in page.text('#gaps')
    assert page.texts('#gaps button') == []
    assert page.text('#status') == '2 jobs loaded, not all'


# one job

@pytest.mark.parametrize('arn,link', [
    (COMMERCIAL, 'https://eu-west-1.console.aws.amazon.com/s3/jobs/{}'
                 '?region=eu-west-1'),
    (CHINA, 'https://cn-north-1.console.amazonaws.cn/s3/jobs/{}'
            '?region=cn-north-1'),
    (GOV, 'https://us-gov-west-1.console.amazonaws-us-gov.com/s3/jobs/{}'
          '?region=us-gov-west-1'),
    (ISO, None)])
def test_console_link(page, api, arn, link):
    one = job(1)
    api.put(A, 'eu-west-1', [one])
    api.describe = lambda where, job: {**job, 'JobArn': arn + job['JobId']}
    page.open(page.url + '?job=' + one['JobId'])
    page.until('return document.querySelector("#facts dl")')
    page.until('return document.querySelector("#facts").innerText'
               '.includes("arn:")')
    a = page.find('#console')
    assert a.is_displayed() == bool(link)
    if link:
        assert a.get_attribute('href') == link.format(one['JobId'])
        assert 'noreferrer' in a.get_attribute('rel')


def test_drawer(page, api):
    fleet = Fleet(A, 'eu-west-1', 30)
    jobs = fleet.jobs()
    api.put(A, 'eu-west-1', jobs)
    api.describe = lambda where, job: fleet.describe(job)
    failed = next(one for one in jobs if one['Status'] == 'Failed')
    page.open(page.url + '?refresh=off')
    row = next(a for a in page.driver.find_elements(
        'css selector', '#jobs tbody a')
        if failed['JobId'] in a.get_attribute('href'))
    page.js('arguments[0].focus()', row)
    page.key(Keys.ENTER)
    page.until('return document.querySelector("#facts").innerText'
               '.includes("JobFailureThresholdExceeded")')
    facts = page.text('#facts')
    told = fleet.describe(failed)
    progress = failed['ProgressSummary']
    for word in (
            told['FailureReasons'][0]['FailureReason'],
            f'{progress["TotalNumberOfTasks"]:,}',
            f'{progress["NumberOfTasksFailed"]:,} (62',
            f's3://ops-reports/batch/job-{failed["JobId"]}/',
            f's3://ops-manifests/{failed["CreationTime"][:10]}/manifest.csv',
            told['RoleArn'], told['JobArn'], 'FailedTasksOnly',
            failed['Operation']):
        assert word in facts, word
    assert page.js('return [...document.querySelectorAll("#facts time")].map('
                   't => t.dateTime)') == [failed['CreationTime'],
                                           failed['TerminationDate']]
    assert page.js('return document.activeElement.id') == 'job-title'
    assert page.js('return location.search').endswith(
        'job=' + failed['JobId'])
    page.shot('drawer')

    page.key(Keys.ESCAPE)
    page.until('return !document.querySelector("#job").open')
    assert 'job=' not in page.js('return location.search')
    page.until('return document.activeElement.closest("tr") !== null')
    assert failed['JobId'] in page.js('return document.activeElement.href')

    page.key(Keys.ENTER)
    page.until('return document.querySelector("#job").open')
    page.driver.back()
    page.until('return !document.querySelector("#job").open')
    page.driver.forward()
    page.until('return document.querySelector("#job").open')
    page.click('#close')
    page.until('return !document.querySelector("#job").open')


@pytest.mark.parametrize('width', [360, 1280])
def test_what_is_chosen_beside_the_drawer_stays(page, api, width):
    api.put(A, 'eu-west-1', [job(1), job(2, 'Failed')])
    page.shape(width, 800)
    page.open('about:blank', busy=True)
    page.open(page.url + '?refresh=off')
    page.click('#jobs tbody a')
    page.until('return document.querySelector("#job").open')
    if width == 1280:
        page.click('#filters [data-status=Failed]')
    page.key(Keys.ESCAPE)
    page.until('return !document.querySelector("#job").open')
    assert page.js('return location.pathname') == '/'
    page.until('return !location.search.includes("job=")')
    assert shown(page) == ids([job(2)] if width == 1280
                              else [job(2), job(1)])


def test_drawer_follows_the_job(page, api):
    jobs = [job(1)]
    api.put(A, 'eu-west-1', jobs)
    page.open(page.url + '?refresh=off&job=' + jobs[0]['JobId'])
    page.until('return document.querySelector("#facts dl")')
    page.until('return document.querySelector("#job").ariaBusy === "false"')
    page.js('document.querySelector("#facts dl").kept = true')
    asked = len(api.requests)
    refresh(page, api)
    until(lambda: len(api.requests) == asked + 2, 'DescribeJob')
    page.until('return document.querySelector("#job").ariaBusy === "false"')
    assert page.js('return document.querySelector("#facts dl").kept')
    jobs[0] = job(1, 'Failed', failed=20, FailureReasons=[
        {'FailureCode': 'X', 'FailureReason': 'Because.'}])
    refresh(page, api)
    page.until('return document.querySelector("#facts").innerText'
               '.includes("Because.")')
    assert page.text('#job .status').startswith('Failed')
    page.until('return document.querySelector("#job").ariaBusy === "false"')
    asked = len(api.requests)
    refresh(page, api)
    refresh(page, api)
    assert api.requests[asked:] == ['/jobs'] * 2    # it has ended


@pytest.mark.parametrize('fields,words', [
    ({'Status': 'Suspended', 'SuspendedCause': 'AwaitingConfirmation',
      'ConfirmationRequired': True, 'SuspendedDate': stamp(minutes=5)},
     ['AwaitingConfirmation', 'confirms it']),
    ({'StatusUpdateReason': 'Stopped by <b>ops</b>'},
     ['Stopped by <b>ops</b>']),
    ({'Report': {'Enabled': False}}, ['disabled']),
    ({'Operation': {'S3InitiateRestoreObject': {
        'ExpirationInDays': 7, 'GlacierJobTier': 'BULK'}}},
     ['S3InitiateRestoreObject', 'ExpirationInDays\n7', 'BULK']),
    ({'Operation': {'S3PutObjectTagging': {'TagSet': [
        {'Key': 'k<1>', 'Value': 'v&2'}]}}}, ['k<1>', 'v&2']),
    ({'ManifestGenerator': {'S3JobManifestGenerator': {
        'SourceBucket': 'arn:aws:s3:::src', 'EnableManifestOutput': False,
        'Filter': {'ObjectSizeGreaterThanBytes': 2 ** 60 + 1,
                   'ObjectReplicationStatuses': ['FAILED', 'NONE']}}}},
     ['arn:aws:s3:::src', 'false', str(2 ** 60 + 1), 'FAILED, NONE']),
    ({'GeneratedManifestDescriptor': {
        'Format': 'S3InventoryReport_CSV_20211130',
        'Location': {'ObjectArn': 'arn:aws:s3:::b/m'}}},
     ['S3InventoryReport_CSV_20211130']),
    ({'Unheard': {'Of': ['a', {'b': 'c'}]}}, ['Unheard', 'Of', 'b\nc']),
    ({'FailureReasons': [], 'Manifest': {}, 'Report': {}, 'Operation': {}},
     ['Progress']),
])
def test_facts(page, api, fields, words):
    api.put(A, 'eu-west-1', [job(1)])
    api.describe = lambda where, job: {**job, **fields}
    page.open(page.url + '?refresh=off&job=' + job(1)['JobId'])
    page.until('return document.querySelector("#job").ariaBusy === "false"')
    text = page.text('#facts')
    for word in words:
        assert word in text
    assert 'undefined' not in text and '[object' not in text


def test_job_that_is_not_listed(page, api):
    api.put(A, 'eu-west-1', [job(1)])
    api.put(B, 'eu-west-1', [job(2)])
    page.expect('status of 404')
    page.open(f'{page.url}?refresh=off&job={A}/eu-west-1/{job(7)["JobId"]}')
    page.until('return document.querySelector("#facts").innerText'
               '.includes("404 NoSuchJob")')
    assert '90 days' in page.text('#facts')
    assert api.requests[-1] == f'/jobs/{A}/eu-west-1/{job(7)["JobId"]}' \
        or api.requests[0] == f'/jobs/{A}/eu-west-1/{job(7)["JobId"]}'


def test_job_that_cannot_be_described(page, api):
    """What the listing has of it is shown all the same."""
    page.expect('status of 403')
    api.put(A, 'eu-west-1', [job(1, 'Failed', failed=9)])
    page.open(page.url + '?refresh=off')
    api.script(Problem(403, 'AccessDenied', 'No s3:DescribeJob.'))
    page.click('#jobs tbody a')
    page.until('return document.querySelector("#facts").innerText'
               '.includes("No s3:DescribeJob.")')
    assert '9 (15' in page.text('#facts')       # of 59


def test_copy_id(page, api):
    api.put(A, 'eu-west-1', [job(1)])
    page.cdp('Browser.grantPermissions', origin=page.url.rstrip('/'),
             permissions=['clipboardReadWrite', 'clipboardSanitizedWrite'])
    page.open(page.url + '?refresh=off&job=' + job(1)['JobId'])
    page.click('#copy')
    page.until('return document.querySelector("#copy").innerText'
               ' === "Copied"')
    copied = page.driver.execute_async_script(
        'navigator.clipboard.readText().then(arguments[0], arguments[0])')
    assert copied == job(1)['JobId']


# the place of the reader

ROW = '''
const row = [...document.querySelectorAll('#jobs tbody tr')].find(
    row => row.i === arguments[0]);
return row ? row.getBoundingClientRect().top : null;
'''


HAS = ('return document.querySelector("#{}").innerText'
       '.includes(arguments[0])')


def click_row(page, i):
    page.js('''[...document.querySelectorAll('#jobs tbody tr')].find(
        row => row.i === arguments[0]).querySelector('.operation').click()''',
            i)
    page.until('return document.querySelector("#job").open')


def scroll_to_row(page, i):
    page.js('''scrollTo(0, arguments[0] * document.querySelector(
        '#jobs tbody tr').getBoundingClientRect().height - 100)''', i)
    page.until('return [...document.querySelectorAll("#jobs tbody tr")]'
               '.some(row => row.i === arguments[0])', i)


def still(page, i, top):
    """Once all is drawn, the row is where it was."""
    page.js('''window.drawn = 0; requestAnimationFrame(() =>
        requestAnimationFrame(() => { drawn = 1; }));''')
    page.until('return drawn')
    assert abs(page.js(ROW, i) - top) < 2


@pytest.mark.parametrize('width', [1920, 1280, 1200])
def test_rows_stay_where_they_are(page, api, width):
    """The drawer leaves less room, and rows become higher; a notice comes."""
    page.expect('status of 503')
    api.put(A, 'eu-west-1', [job(n) for n in range(1000)])
    page.shape(width, 900)
    page.open(page.url + '?refresh=off&sort=-created')
    scroll_to_row(page, 500)
    top = page.js(ROW, 502)
    click_row(page, 502)
    still(page, 502, top)
    page.key(Keys.ESCAPE)
    page.until('return !document.querySelector("#job").open')
    still(page, 502, top)
    assert page.js('return document.activeElement.closest("tr")?.i') == 502
    api.script(Problem(503, 'SlowDown'))
    refresh_by_script(page, api)
    still(page, 502, top)
    refresh_by_script(page, api)
    still(page, 502, top)


def test_closing_leaves_the_last_one_in_the_window(page, api):
    api.put(A, 'eu-west-1', [job(n) for n in range(1000)])
    page.open(page.url + '?refresh=off&sort=-created')
    for i in 500, 100:
        scroll_to_row(page, i)
        click_row(page, i + 2)
        top = page.js(ROW, i + 2)
    page.key(Keys.ESCAPE)
    page.until('return !document.querySelector("#job").open')
    still(page, 102, top)


@pytest.mark.parametrize('key', [None, Keys.ENTER])
def test_a_selection_elsewhere_is_no_link(page, api, key):
    api.put(A, 'eu-west-1', [job(n) for n in range(5)])
    page.open(page.url + '?refresh=off&sort=-created&q=job')
    page.js('window.mark = 1')
    link = page.find('#jobs tbody tr:nth-child(3) a')
    select = 'getSelection().selectAllChildren(document.querySelector("h1"))'
    if key:
        page.js('arguments[0].focus()', link)
        page.js(select)
        page.key(key)
    else:
        page.js(select)
        link.click()
    page.until('return document.querySelector("#job")?.open')
    assert page.js('return window.mark') == 1
    assert 'q=job' in page.js('return location.search')


def test_one_failure_of_a_job_leaves_what_is_shown(page, api):
    page.expect('status of 503')
    one = job(1)
    api.put(A, 'eu-west-1', [job(0), one])
    api.describe = lambda where, it: {
        **it, 'Operation': {it['Operation']: {}}, 'RoleArn': 'arn:role'}
    page.open(page.url + '?refresh=off&job=' + one['JobId'])
    has = HAS.format('job')
    page.until(has, 'arn:role')
    page.js('document.querySelector("#close").focus()')
    api.describe = lambda where, it: Problem(503, 'SlowDown', 'Later.')
    refresh_by_script(page, api)
    page.until(has, 'SlowDown')
    assert page.js(has, 'arn:role') and page.js(has, 'Job 1')
    api.describe = lambda where, it: {
        **it, 'Operation': {it['Operation']: {}}, 'RoleArn': 'arn:new'}
    refresh_by_script(page, api)
    page.until(has, 'arn:new')
    assert not page.js(has, 'SlowDown')


def test_a_selection_in_the_drawer_stays(page, api):
    jobs = [job(1)]
    api.put(A, 'eu-west-1', jobs)
    api.describe = lambda where, it: {
        **it, 'Operation': {it['Operation']: {}}, 'RoleArn': 'arn:role'}
    page.open(page.url + '?refresh=off&job=' + jobs[0]['JobId'])
    has = HAS.format('facts')
    page.until(has, 'arn:role')
    page.js('''getSelection().selectAllChildren([...document.querySelectorAll(
        '#facts bdi')].find(e => e.innerText === 'arn:role'))''')
    jobs[0] = job(1, succeeded=75)
    refresh_by_script(page, api)
    page.until(has, '75')
    assert page.js('return getSelection().toString()') == 'arn:role'


def test_the_next_job_is_shown_from_its_beginning(page, api):
    api.put(A, 'eu-west-1', [job(n) for n in range(3)])
    api.describe = lambda where, it: {**it, 'Operation': {
        it['Operation']: {f'Field{n}': 'value' for n in range(60)}}}
    page.shape(1280, 450)
    page.open(page.url + '?refresh=off&sort=-created')
    for i in 0, 1:
        click_row(page, i)
        page.until('return document.querySelector("#facts").innerText'
                   '.includes("Field59")')
        assert page.js('return document.querySelector("#job").scrollTop') == 0
        page.js('document.querySelector("#job").scrollTop = 500')
        assert page.js('return document.querySelector("#job").scrollTop') == 500


def test_back_to_an_interval_asks_again(page, api):
    api.put(A, 'eu-west-1', [job(1)])
    page.open(page.url)
    click_row(page, 0)
    page.choose('#every', 'off')
    page.until('return location.search.includes("refresh=off")')
    page.driver.back()
    page.until('return !document.querySelector("#job").open')
    assert page.find('#every').get_property('value') == '15'
    before = len(listings(api))
    until(lambda: len(listings(api)) > before, 'refresh')


def test_more_in_the_middle_of_a_refresh(page, api):
    """It is not lost, and the focus is somewhere when all are there."""
    api.put(A, 'eu-west-1', [job(n) for n in range(15)])
    api.page = 10
    page.open(page.url + '?refresh=off')
    page.js('document.querySelector("#gaps button").focus()')
    api.held.clear()
    page.js('document.querySelector("#now").click()')
    until(lambda: len(listings(api)) == 2, 'refresh')
    page.key(Keys.ENTER)
    api.held.set()
    page.until('return document.querySelector("#gaps").hidden')
    page.settled()
    assert page.text('#status') == '15 jobs'
    assert page.js('return document.activeElement.id') == 'now'


def test_listings_without_account_or_region(page, api):
    """The gateway names them by their URI."""
    api.put(A, 'eu-west-1', [])
    api.script({'Jobs': [{'AccountId': A, 'Region': 'eu-west-1', **job(1)}],
                'Incomplete': [{'URI': f'/jobs/{who}', 'status': 403,
                                'code': 'AccessDenied', 'detail': 'No.'}
                               for who in (f'{A}/x', f'{B}/us-east-1')]})
    page.open(page.url + '?refresh=off')
    assert page.texts('#gaps li b') == [f'/jobs/{A}/x',
                                        f'/jobs/{B}/us-east-1']
    assert page.text('#gaps summary') == '2 listings are not complete'


def test_filters_have_names(page, api):
    api.put(A, 'eu-west-1', [job(1, 'Failed')])
    page.open(page.url + '?refresh=off')
    assert 'Failed 1' in page.js(
        'return [...document.querySelectorAll("#filters button")]'
        '.map(e => e.textContent)')
