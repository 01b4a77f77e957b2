"""The page on conf-examples/dashboard.conf and the module, in front of the
stand-in, over TLS: three accounts, of which one cannot be read, with jobs that
go on while one looks."""

import re
import signal
import subprocess
import sys

import pytest

import demo
import fleet
from browser import Keys, browser  # noqa: F401
from nginx import ROOT, until
from s3control import ACCOUNT, REGION, Reply
from test_examples import (A, B, C, LAB, LAB_SECRET, NAMES_OF_ALL,  # noqa
                           example, exit_stack)
from test_page import HOSTILE, MIME, PRECONNECTED, ROWS, job, shown
from test_page_live import WATCH

JOBS = {(A, 'eu-west-1'): 2500, (A, 'us-east-1'): 30, (B, 'us-east-1'): 12,
        (C, 'us-east-1'): 0}


@pytest.fixture
def page(browser, example):                     # noqa: F811
    gw, s3 = example('dashboard.conf', NAMES_OF_ALL, http=PRECONNECTED)
    s3.key(LAB, LAB_SECRET, accounts=())
    browser.gw, browser.s3 = gw, s3
    browser.fleets = fleet.command(s3, JOBS)
    browser.url = f'http://127.0.0.1:{gw.port}/'
    yield browser
    browser.leave()


def everything(page):
    return {f'{account}/{region}/{one["JobId"]}'
            for (account, region), jobs in page.fleets.items()
            for one in jobs.jobs()}


def all_ids(page):
    """Row by row, by scrolling."""
    found = set()
    while True:
        found.update(shown(page))
        page.js('scrollBy(0, innerHeight)')
        page.until('return new Promise(done => requestAnimationFrame('
                   '() => setTimeout(() => done(true))))')
        if page.js('return scrollY + innerHeight >='
                   ' document.documentElement.scrollHeight - 1'):
            return found | {*shown(page)}


def test_all_pages_of_all_accounts(page):
    page.shape(1280, 8000)
    page.open(page.url + '?refresh=off')
    assert page.text('#status') == '2,542 jobs loaded, not all'
    assert '1 listing is not complete' in page.text('#gaps')
    assert f'{C} us-east-1 403 AccessDenied' in page.text('#gaps')
    assert all_ids(page) == everything(page)
    assert page.s3.unsigned == 0


def test_a_job_goes_on(page):
    """By itself, on the page and in the drawer."""
    page.shape(1280, 2000)
    page.open(page.url + '?status=Active&in=' + f'{A}/us-east-1')
    page.js(WATCH)
    key = shown(page)[0]
    page.js('''[...document.querySelectorAll('#jobs tbody a')].find(
        a => a.href.includes(encodeURIComponent(arguments[0]))).click()''',
            key)
    page.until('return document.querySelector("#job").ariaBusy === "false"')
    before = {row['id']: row['full'] for row in page.js(ROWS)}, \
        page.text('#facts')

    def went_on():
        now = {row['id']: row['full'] for row in page.js(ROWS)}
        return now.get(key, before[0][key]) != before[0][key] \
            and page.text('#facts') != before[1]
    until(went_on, 'progress')
    assert page.text('#facts').count('Succeeded') == 1


def test_one_job(page):
    """As DescribeJob has it, through the module."""
    [where] = [w for w in page.fleets if w == (A, 'us-east-1')]
    failed = next(one for one in page.fleets[where].jobs()
                  if one['Status'] == 'Failed')
    told = page.fleets[where].describe(failed)
    page.open(page.url + f'?refresh=off&job={A}/us-east-1/{failed["JobId"]}')
    page.until('return document.querySelector("#job").ariaBusy === "false"')
    facts = page.text('#facts')
    for word in (told['FailureReasons'][0]['FailureReason'], told['RoleArn'],
                 told['JobArn'], failed['Operation'],
                 f'{failed["ProgressSummary"]["NumberOfTasksFailed"]:,}',
                 f's3://ops-reports/batch/job-{failed["JobId"]}/'):
        assert word in facts, word
    assert page.find('#console').get_attribute('href') == (
        'https://us-east-1.console.aws.amazon.com/s3/jobs/'
        f'{failed["JobId"]}?region=us-east-1')
    page.key(Keys.ESCAPE)
    page.until('return !document.querySelector("#job").open')
    page.expect('status of 404')
    page.open(page.url + f'?refresh=off&job={A}/us-east-1/no-such-job')
    page.until('return document.querySelector("#facts").innerText'
               '.includes("404 NoSuchJob")')


def test_throttled(page):
    """503 with Retry-After, shown; and it recovers by itself."""
    page.expect('status of 503')
    page.s3.keys[LAB].accounts = (C,)       # or not all have one status
    page.s3.always(Reply(error='SlowDown', headers=[('Retry-After', '2')]))
    page.open(page.url)
    assert '503 SlowDown' in page.text('#trouble')
    assert 'Request id' in page.text('#trouble')
    assert 'Next try at' in page.text('#trouble')
    page.s3.always(None)
    page.until('return document.querySelector("#jobs tbody tr")')
    assert not page.find('#trouble').is_displayed()


def test_gateway_without_credentials(page):
    """The reason is the gateway's own, and so is what to do."""
    page.expect('status of 403')
    for key in page.s3.keys.values():
        key.accounts = ()
    page.open(page.url + '?refresh=off')
    assert '403 AccessDenied' in page.text('#trouble')
    assert 's3:ListJobs' in page.text('#trouble')


def test_hostile_description(page):
    texts = [text for text in HOSTILE if text.strip() and '\u0007' not in text]
    page.s3.set_jobs(B, [job(n, Description=text)
                         for n, text in enumerate(texts)])
    page.open(page.url + f'?refresh=off&in={B}/us-east-1')
    assert page.js('return [...document.querySelectorAll("#jobs tbody bdi")]'
                   '.map(e => e.textContent)') == texts
    assert not page.js('return document.querySelector("img")')


def test_one_listing(browser, s3, nginx):       # noqa: F811
    """Not merged: what is asked of the real S3 by make demo."""
    gw = nginx(http=f'include {MIME}; {PRECONNECTED}',
               server=demo.page_of_listing(ACCOUNT, REGION,
                                           'http://s3control'))
    s3.set_jobs(ACCOUNT, [job(n) for n in range(105)])
    s3.page = 1
    browser.shape(1280, 6000)
    browser.open(f'http://127.0.0.1:{gw.port}/dashboard/?refresh=off')
    assert browser.text('#status') == '100 jobs loaded, not all'
    browser.click('#gaps button')
    browser.until('return document.querySelector("#gaps").hidden')
    assert {*shown(browser)} == {one['JobId'] for one in s3.jobs()}
    browser.click('#jobs tbody a')
    browser.until('return document.querySelector("#job").ariaBusy'
                  ' === "false"')
    assert 'arn:aws:s3:' in browser.text('#facts')
    browser.leave()


def test_demo(browser):                         # noqa: F811
    """make demo's page, and it ends as it is told to."""
    process = subprocess.Popen([sys.executable, ROOT / 't/demo.py'], text=True,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    try:
        said = ''
        while 'Ctrl-C' not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        [url] = re.findall(r'^the page is +(http://\S+)$', said, re.M)
        browser.open(url)
        assert browser.text('#status') == '1,265 jobs loaded, not all'
        assert '000000000042 us-east-1 403 AccessDenied' \
            in browser.text('#gaps')
        for status in 'Suspended', 'Failed', 'Active', 'Complete':
            assert browser.find(f'#filters [data-status={status}]')
        browser.click('#filters [data-status=Active]')
        before = browser.text('#jobs tbody')
        browser.until('return document.querySelector("#jobs tbody").innerText'
                      ' !== arguments[0]', before)
        browser.leave()
    finally:
        process.send_signal(signal.SIGTERM)
        rest = process.communicate()[0]
    assert process.returncode == 0, said + rest
