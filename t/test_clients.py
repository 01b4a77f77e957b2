"""The clients that people have, through the gateway, in XML mode: Debian's
AWS CLI by HTTP_PROXY, and the AWS SDK for JavaScript from npm by a name that
resolves to loopback.  Their own signatures stay at the gateway.

S3JOBS_LONG=1 for 25,000 jobs instead of 5,000 page by page with the CLI."""

import json
import os
import shutil
import subprocess

import pytest

from gateway import place, strict_json
from jobs import Many
from nginx import ROOT
from s3control import ACCOUNT, KEY, PATH, REGION, Reply, as_cli
from troubles import THROTTLES, share
from wire import PATIENCE

LONG = bool(os.environ.get('S3JOBS_LONG'))
AWS = '/usr/bin/aws'
DUMMY = 'AKIDDUMMY'
LOCATION = f'= {PATH}'              # the path that an SDK asks for


def assert_ours(s3, n):
    """n good requests, nothing of the client's in them."""
    assert len(s3.requests) == n
    for request in s3.requests:
        assert request.verdict is None and request.key_id == KEY
        assert sorted(name.lower() for name, value in request.headers) \
            == ['authorization', 'host', 'x-amz-account-id',
                'x-amz-content-sha256', 'x-amz-date']
        assert 'DUMMY' not in repr(request.headers).upper()


@pytest.fixture
def aws(tmp_path):
    """The real AWS CLI, with dummy credentials."""
    def run(gw, *arguments, check=True):
        done = subprocess.run(
            [AWS, 's3control', 'list-jobs', '--account-id', ACCOUNT,
             '--endpoint-url', 'http://s3-control.us-east-1.amazonaws.com',
             '--output', 'json', '--no-cli-pager', *arguments],
            env={'PATH': '/usr/bin:/bin', 'HOME': str(tmp_path),
                 'LC_ALL': 'C.UTF-8', 'AWS_REGION': 'us-east-1',
                 'AWS_ACCESS_KEY_ID': DUMMY,
                 'AWS_SECRET_ACCESS_KEY': 'dummy',
                 'AWS_SESSION_TOKEN': 'dummytoken', 'AWS_MAX_ATTEMPTS': '1',
                 'HTTP_PROXY': f'http://127.0.0.1:{gw.port}'},
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE)
        assert (done.returncode == 0) == check, done.stderr
        return json.loads(done.stdout) if check else done.stderr
    return run


def pages(aws, gw, *arguments):
    """All pages, by the tokens that it printed; it does not do that itself
    for list-jobs."""
    page = aws(gw, *arguments)
    yield page
    while 'NextToken' in page:
        page = aws(gw, f'--next-token={page["NextToken"]}', *arguments)
        yield page


def test_aws_cli(s3, nginx, aws):
    """All pages; prints exactly what the stand-in holds."""
    s3.page = 10
    gw = nginx(path=LOCATION, log_format='$request|$http_authorization'
               '|$http_x_amz_security_token|$status')
    printed = list(pages(aws, gw))
    assert printed == as_cli(list(s3.pages()))
    assert {'Jobs': sum((page['Jobs'] for page in printed), [])} \
        == s3.expected(cli=True)
    assert_ours(s3, 3)
    # it came by the proxy, and signed
    first = gw.access()[0].split('|')
    assert first[0] == (f'GET http://{ACCOUNT}.s3-control.us-east-1'
                        f'.amazonaws.com{PATH} HTTP/1.1')
    assert DUMMY in first[1] and first[2:] == ['dummytoken', '200']


def test_aws_cli_with_parameters(s3, nginx, aws):
    s3.framing, s3.token_first = 'chunked', True
    statuses = ['Active', 'Complete', 'New', 'Failed']
    printed = list(pages(aws, nginx(path=LOCATION), '--max-results', '3',
                         '--job-statuses', *statuses))
    assert printed == as_cli(list(s3.pages(statuses=statuses, size=3)))
    assert len(printed) > 2
    assert_ours(s3, len(printed))


def test_aws_cli_reads_errors(s3, nginx, aws):
    """Ours and S3's: both are S3's own document."""
    gw = nginx(path=LOCATION)
    said = aws(gw, '--job-statuses', 'Nonsense', check=False)
    assert '(InvalidRequest) when calling the ListJobs operation' in said
    assert ': argument "jobStatuses" has an unknown status' in said
    assert s3.requests == []
    s3.script(Reply(error='AccessDenied', message='secret role'))
    said = aws(gw, check=False)
    assert '(AccessDenied) when calling' in said
    assert 'secret role' not in said


@pytest.mark.parametrize('part', [.1, .5])
def test_aws_cli_and_throttling(s3, nginx, aws, part):
    """It asks once: the gateway asks again, and no page fails."""
    s3.page = 5
    gw = nginx(path=LOCATION, location='s3jobs_tries 40 1m;',
               log_format='$status $s3jobs_tries')
    s3.always(share(part, *THROTTLES, seed=7))
    assert list(pages(aws, gw)) == as_cli(list(s3.pages()))
    tries = [line.split() for line in gw.access()]
    assert [status for status, n in tries] == ['200'] * 5
    assert sum(int(n) for status, n in tries) == len(s3.requests) > 5
    assert_ours(s3, len(s3.requests))


@pytest.fixture(scope='session')
def sdk(node_modules):
    """A function that runs t/node/list.mjs."""
    node = shutil.which('node')

    def run(gw, **parameters):
        done = subprocess.run(
            [node, 'list.mjs', str(gw.port),
             json.dumps({'AccountId': ACCOUNT, **parameters})],
            cwd=node_modules, capture_output=True, text=True, timeout=PATIENCE,
            env={'PATH': os.environ['PATH']})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return run


def as_javascript(value):
    """Its numbers are doubles."""
    if isinstance(value, dict):
        return {k: as_javascript(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_javascript(v) for v in value]
    return int(float(value)) if isinstance(value, int) else value


def test_sdk_for_javascript(s3, nginx, sdk):
    s3.page = 10
    gw = nginx(path=LOCATION,
               log_format='$http_host|$http_authorization|$status')
    answer = sdk(gw)
    assert answer['pages'] == 3
    assert as_javascript(answer['jobs']) \
        == as_javascript(s3.expected()['Jobs'])
    assert_ours(s3, 3)
    for line in gw.access():
        host, authorization, status = line.split('|')
        assert host == f'{ACCOUNT}.gateway.test:{gw.port}'
        assert DUMMY in authorization and status == '200'


def test_sdk_for_javascript_with_parameters(s3, nginx, sdk):
    statuses = ['Ready', 'Suspended', 'New']
    answer = sdk(nginx(path=LOCATION), JobStatuses=statuses, MaxResults=1)
    assert as_javascript(answer['jobs']) \
        == as_javascript(s3.jobs(statuses=statuses))
    assert answer['pages'] == len(s3.jobs(statuses=statuses)) > 2
    assert_ours(s3, answer['pages'])


def test_sdk_for_javascript_reads_errors(s3, nginx, sdk):
    gw = nginx(path=LOCATION, location='s3jobs_tries 1;')
    answer = sdk(gw, JobStatuses=['Nonsense'])
    assert (answer['error'], answer['status']) == ('InvalidRequest', 400)
    assert answer['message'].startswith('argument "jobStatuses" ')
    s3.script(Reply(error='SlowDown'))
    answer = sdk(gw)
    assert (answer['error'], answer['status']) == ('SlowDown', 503)
    assert_ours(s3, 1)


@pytest.fixture
def both(nginx):
    """Page by page at LOCATION, in one answer at /jobs."""
    return nginx(path=LOCATION, server=place(
        '= /jobs', 's3jobs_json on; s3jobs_max_pages 100;'))


def all_at_once(s3, gw, n):
    s3.set_jobs(ACCOUNT, Many(ACCOUNT, REGION, n * 1000))
    r = gw.get()
    assert r.status == 200 and r.complete
    document = strict_json(r.body)
    assert list(document) == ['Jobs'] and len(document['Jobs']) == n * 1000
    assert_ours(s3, n)
    s3.clear()
    return document['Jobs']


def test_one_answer_is_what_sdk_for_javascript_pages(s3, both, sdk):
    jobs = all_at_once(s3, both, 25)
    answer = sdk(both)
    assert answer['pages'] == 25
    assert answer['jobs'] == jobs
    assert_ours(s3, 25)


def test_one_answer_is_what_aws_cli_gives_page_by_page(s3, both, aws):
    n = 25 if LONG else 5
    jobs = as_cli(all_at_once(s3, both, n))
    printed = list(pages(aws, both))
    assert [len(page['Jobs']) for page in printed] == [1000] * n
    assert sum((page['Jobs'] for page in printed), []) == jobs
    assert_ours(s3, n)


def test_lock_names_no_registry():
    lock = json.loads((ROOT / 't/node/package-lock.json').read_text())
    assert len(lock['packages']) > 10
    for name, package in lock['packages'].items():
        assert 'resolved' not in package, name
        assert name == '' or package['integrity'].startswith('sha512-'), name
