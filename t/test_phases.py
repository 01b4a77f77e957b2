"""The location beside the rest of nginx: access control, limits, error pages,
mirrors, subrequests."""

import base64
import re
import subprocess

import pytest

from documents import error, expected_ids, job_ids
from nginx import BUILD, MODULE, ROOT
from s3control import ACCOUNT, Reply

OURS = ('authorization', 'x-amz-account-id', 'x-amz-date',
        'x-amz-content-sha256', 'x-amz-security-token')
TOKEN = 'FwoGZXIvYXdzEXAMPLE' * 8
A, B = '000000000001', '000000000002'


def basic(user='ops', password='open'):
    return 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode()


@pytest.fixture
def auth(tmp_path):
    passwords = tmp_path / 'htpasswd'
    passwords.write_text('ops:{PLAIN}open\n')
    return f'auth_basic "jobs, please"; auth_basic_user_file {passwords};'


@pytest.fixture
def pages(tmp_path):
    """(location, function that writes a page of it)"""
    root = tmp_path / 'html'
    root.mkdir()
    return (f'location /pages/ {{ ssi on; root {root}; }}',
            lambda name, text: ((root / 'pages').mkdir(exist_ok=True),
                                (root / 'pages' / name).write_text(text)))


def proxied(path, account, more=''):
    """A further location for an account."""
    return (f'location {path} {{ s3jobs on; s3jobs_account {account};'
            f's3jobs_region us-east-1; s3jobs_credentials ops; {more}'
            f' proxy_pass http://s3control; }}\n')


def assert_good(s3, n):
    requests = s3.wait_for(n)
    assert len(requests) == n
    for request in requests:
        assert request.verdict is None, request


# access

@pytest.mark.parametrize('json', [False, True])
def test_auth_basic(s3, nginx, auth, json):
    gw = nginx(location=auth + ('s3jobs_json on;' if json else ''))
    for headers in [], [('Authorization', basic(password='wrong'))], \
            [('Authorization', 'AWS4-HMAC-SHA256 Credential=a')]:
        r = gw.get('/jobs', headers)
        assert r.status == 401
        assert r.header('WWW-Authenticate') == 'Basic realm="jobs, please"'
        assert (r.json()['code'] if json else error(r)[0]) == 'Unauthorized'
    assert s3.requests == []
    assert gw.get('/jobs', [('Authorization', basic())]).status == 200
    assert_good(s3, 1)


def test_deny(s3, nginx):
    gw = nginx(location='deny all;')
    for target in '/jobs', '/jobs?foo=1':
        r = gw.get(target)
        assert r.status == 403 and error(r)[0] == 'Forbidden'
    assert gw.get(method='POST').status == 403
    assert s3.requests == []


@pytest.mark.parametrize('rules,expected', [
    ('satisfy any; deny all;', (401, 200)),
    ('satisfy any; allow 127.0.0.1; deny all;', (200, 200)),
    ('satisfy all; deny all;', (403, 403)),
    ('satisfy all; allow 127.0.0.1; deny all;', (401, 200)),
])
def test_satisfy(s3, nginx, auth, rules, expected):
    """We never speak for the client."""
    gw = nginx(location=rules + auth)
    assert (gw.get().status,
            gw.get('/jobs', [('Authorization', basic())]).status) == expected
    assert_good(s3, expected.count(200))


@pytest.mark.parametrize('status', [204, 401, 403, 500])
def test_auth_request(s3, nginx, status):
    """Of another location, before ours."""
    gw = nginx(location='auth_request /auth;', server='location = /auth'
               f' {{ internal; return {status}; }}')
    r = gw.get()
    assert r.status == (200 if status == 204 else status)
    assert_good(s3, 1 if status == 204 else 0)
    if status != 204:
        assert error(r)[0] in ('Unauthorized', 'Forbidden',
                               'InternalServerError')


def test_a_listing_as_auth_request(s3, nginx, pages):
    """Ours as the subrequest whose status counts."""
    location, write = pages
    write('page.html', 'the page')
    gw = nginx(server=location.replace('ssi on;', 'auth_request /jobs;'),
               location='s3jobs_tries 1;')
    s3.script(None, Reply(error='AccessDenied'), Reply(error='SlowDown'))
    for status in 200, 403, 500, 200:
        r = gw.get('/pages/page.html')
        assert r.status == status
        assert (r.text == 'the page') == (status == 200)
    assert_good(s3, 4)


# limits

def test_limit_req_by_account(s3, nginx):
    """$s3jobs_account has its value before the content phases."""
    gw = nginx(http='limit_req_zone $s3jobs_account zone=z:1m rate=1r/m;',
               path=r'~ ^/(?<account>\d+)/jobs$', account='$account',
               location='limit_req zone=z; limit_req_status 429;')
    assert [gw.get(f'/{account}/jobs').status
            for account in (A, B, A, B, '000000000003', A)] \
        == [200, 200, 429, 429, 200, 429]
    assert_good(s3, 3)


@pytest.mark.parametrize('variable,zero', [('$s3jobs_account', A),
                                           ('$s3jobs_region', 'eu-west-1')])
def test_identity_in_any_phase(nginx, variable, zero):
    gw = nginx(account=A, region='eu-west-1',
               location=f'if ({variable} = "{zero}") {{ return 418; }}')
    assert gw.get().status == 418


def test_identity_outside(s3, nginx):
    """Where "s3jobs" is off, and when a value is bad, there is none."""
    gw = nginx(account='$http_x_account', http='s3jobs_region us-east-1;'
               's3jobs_account 000000000007;',
               server='location = /off { return 200'
               ' "<$s3jobs_account><$s3jobs_region><$s3jobs_authorization>'
               '<$s3jobs_host>"; }',
               location='add_header X-A "<$s3jobs_account>" always;')
    assert gw.get('/off').text == '<><><><>'
    assert gw.get('/jobs', [('X-Account', 'x')]).header('X-A') == '<>'
    assert gw.get('/jobs', [('X-Account', A)]).header('X-A') == f'<{A}>'
    assert_good(s3, 1)


# elsewhere: nothing of ours

def assert_nothing_of_ours(other, n=1):
    requests = other.wait_for(n)
    assert len(requests) == n
    for request in requests:
        for name in OURS:
            assert request.all(name) == [], request
        assert TOKEN not in repr(request.headers)


@pytest.fixture
def other(stand_in):
    """An upstream that S3's headers must not reach."""
    server = stand_in()
    server.verify = False
    server.always(Reply(body=b'from the other'))
    return server


def test_error_page_at_another_upstream(s3, other, nginx):
    s3.key('AKIDTEMPORARY', 'temporarysecretkey0123456789', token=TOKEN)
    other.unsigned_expected = 3
    gw = nginx(env={'AWS_ACCESS_KEY_ID': 'AKIDTEMPORARY',
                    'AWS_SECRET_ACCESS_KEY': 'temporarysecretkey0123456789',
                    'AWS_SESSION_TOKEN': TOKEN},
               location='proxy_intercept_errors on;'
               'error_page 502 503 504 = @other;'
               'error_page 403 = /other;',
               server='location @other { proxy_pass'
               f' http://127.0.0.1:{other.port}; }} location = /other'
               f' {{ proxy_pass http://127.0.0.1:{other.port}; }}')
    for reply in Reply(error='SlowDown'), Reply(raw=b''), \
            Reply(error='AccessDenied'):
        s3.script(reply)
        r = gw.get()
        assert (r.status, r.text) == (200, 'from the other'), r
    assert gw.get().status == 200
    assert len(s3.requests) == 4
    assert {r.verdict for r in s3.requests} == {None}
    assert_nothing_of_ours(other, 3)


def test_mirror_to_another_upstream(s3, other, nginx):
    other.unsigned_expected = 1
    gw = nginx(location='mirror /mirror;', server='location = /mirror'
               f' {{ internal; proxy_pass http://127.0.0.1:{other.port}; }}')
    r = gw.get()
    assert job_ids(r) == expected_ids(s3)
    assert_good(s3, 1)
    assert_nothing_of_ours(other)


def test_mirrored_listing(s3, nginx, pages):
    """Another location's requests, mirrored to ours: signed, and nothing of
    it in the answer."""
    location, write = pages
    write('page.html', 'the page')
    gw = nginx(server=location.replace('ssi on;', 'mirror /jobs; mirror /b;')
               + proxied('= /b', B))
    r = gw.get('/pages/page.html')
    assert (r.status, r.text) == (200, 'the page')
    assert r.header('Content-Type') == 'text/html'
    assert_good(s3, 2)
    assert {x.account for x in s3.requests} == {ACCOUNT, B}
    assert '[crit]' not in gw.log()


def test_mirrored_listing_of_a_listing(s3, nginx):
    gw = nginx(location='mirror /b;', server=proxied('= /b', B))
    with gw.connect() as client:
        for n in 1, 2, 3:
            assert job_ids(client.request('/jobs?maxResults=3')) \
                == expected_ids(s3)[:3]
            assert_good(s3, 2 * n)
    assert sorted(r.account for r in s3.requests) == [B] * 3 + [ACCOUNT] * 3
    assert {r.query for r in s3.requests} == {'maxResults=3'}


def test_internal_redirect_to_the_location(s3, nginx):
    gw = nginx(server='location = /old { rewrite ^ /jobs last; }'
               'location = /gone { error_page 410 = /jobs?$args; return 410; }'
               'location / { try_files /nothing @s3; }'
               + proxied('@s3', B))
    for target, account in ('/old', ACCOUNT), ('/gone', ACCOUNT), ('/x', B):
        assert job_ids(gw.get(f'{target}?maxResults=2')) \
            == expected_ids(s3, account)[:2]
    assert_good(s3, 3)
    assert {r.query for r in s3.requests} == {'maxResults=2'}


def test_post_action(s3, nginx):
    gw = nginx(server='location = /p { post_action /jobs; return 204; }')
    for n in 1, 2:
        gw.get('/p')
        assert_good(s3, n)


def test_redirect_by_a_cached_answer(s3, nginx, other, tmp_path):
    """nginx forgets that it was cached when it asks another cache only."""
    other.unsigned_expected = 1
    gw = nginx(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
               server='location = /c {'
               f' proxy_pass http://127.0.0.1:{other.port};'
               ' proxy_force_ranges on; proxy_cache c;'
               ' proxy_cache_valid 200 1h; error_page 416 = /jobs; }')
    assert gw.get('/c').text == 'from the other'
    s3.script(Reply(error='SlowDown'))
    r = gw.get('/c', [('Range', 'bytes=100-200')])
    assert job_ids(r) == expected_ids(s3)
    assert_good(s3, 2)


def test_try_files_in_the_location(s3, nginx):
    """Ours has prepared the request before: it goes on at the other."""
    gw = nginx(location='try_files /nothing @s3;', server=proxied('@s3', B))
    assert job_ids(gw.get('/jobs?maxResults=2&jobStatuses=New')) \
        == expected_ids(s3, B, 'us-east-1', ['New'])[:2]
    assert gw.get('/jobs?foo=1').status == 400
    assert_good(s3, 1)


# subrequests

def ids_of(text):
    return re.findall(r'<JobId>([^<]+)</JobId>', text)


PAGE = ('location = /page { ssi on; ssi_types *; return 200 \'before'
        '<!--# include virtual="/jobs" set="x" -->'
        '<!--# echo var="x" encoding="none" -->after\'; }')


@pytest.mark.parametrize('lines, replies', [
    ('', []), ('', [Reply(error='SlowDown')]),
    ('s3jobs_json on;', [Reply(error='SlowDown')]),
    ('s3jobs_json on; s3jobs_max_pages 9;', [])])
def test_subrequest_in_memory(s3, nginx, lines, replies):
    """nginx nests none of these."""
    s3.page = 10
    gw = nginx(location='subrequest_output_buffer_size 1m;' + lines,
               server=PAGE)
    s3.script(*replies)
    r = gw.get('/page')
    assert r.status == 200 and r.complete
    document = re.fullmatch('before(.*)after', r.text, re.S)[1]
    ids = [a or b for a, b in re.findall(
        r'<JobId>([^<]+)<|"JobId":"([^"]+)"', document)]
    whole = expected_ids(s3)
    assert ids == (whole if 'max_pages' in lines else whole[:10])
    assert_good(s3, 3 if 'max_pages' in lines else 1 + len(replies))


@pytest.mark.parametrize('wait', ['', ' wait="yes"'])
@pytest.mark.parametrize('cached', [False, True])
def test_ssi_page_of_two_accounts(s3, nginx, pages, tmp_path, wait, cached):
    """Each listing is signed for its own account; subrequests share
    r->variables."""
    location, write = pages
    write('both.html', 'first ' + ''.join(
        f'<!--# include virtual="/{name}?jobStatuses={status}"{wait} -->'
        f' after {name} ' for name, status in (
            ('a', 'New'), ('b', 'Active'), ('a', 'Active'), ('b', 'New'))))
    cache = ('proxy_cache c; '
             'proxy_cache_valid 200 1h;') if cached else ''
    gw = nginx(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
               server=location + proxied('= /a', A, cache)
               + proxied('= /b', B, cache))
    for _ in range(3):
        r = gw.get('/pages/both.html')
        assert r.status == 200 and r.complete
        assert ids_of(r.text) == sum((expected_ids(
            s3, account, 'us-east-1', [status]) for account, status in (
                (A, 'New'), (B, 'Active'), (A, 'Active'), (B, 'New'))), [])
        assert re.sub(r'<\?xml.*?</ListJobsResult>', '', r.text,
                      flags=re.S).split() \
            == 'first after a after b after a after b'.split()
    assert_good(s3, 4 if cached else 12)
    assert sorted({(r.account, r.query) for r in s3.requests}) == sorted(
        (account, f'jobStatuses={status}') for account in (A, B)
        for status in ('New', 'Active'))


def test_ssi_page_with_errors(s3, nginx, pages):
    """A refused one is an error document, the other is not touched."""
    location, write = pages
    write('page.html', '<!--# include virtual="/a?foo" -->'
          '<!--# include virtual="/b" --><!--# include virtual="/c" -->end')
    s3.always(lambda r: Reply(error='SlowDown') if r.account == A else None)
    gw = nginx(server=location + proxied('= /a', B) + proxied('= /b', B)
               + proxied('= /c', A), http='s3jobs_tries 1;')
    r = gw.get('/pages/page.html')
    assert r.status == 200 and r.complete and r.text.endswith('end')
    assert re.findall('<Code>(.*?)</Code>', r.text) \
        == ['InvalidRequest', 'SlowDown']
    assert ids_of(r.text) == expected_ids(s3, B)
    assert_good(s3, 2)


def test_add_after_body(s3, nginx, pages):
    location, write = pages
    write('page.html', 'the page\n')
    gw = nginx(server=location.replace(
        'ssi on;', 'add_before_body /a; add_after_body /b;')
        + proxied('= /a', A) + proxied('= /b', B))
    with gw.connect() as client:
        for n in 2, 4:
            r = client.request('/pages/page.html')
            assert r.status == 200 and r.complete
            assert r.header('Content-Type') == 'text/html'
            before, page, after = r.text.partition('the page\n')
            assert ids_of(before) == expected_ids(s3, A)
            assert ids_of(after) == expected_ids(s3, B)
            assert_good(s3, n)


def test_log_phase(s3, nginx):
    """The variables keep what was sent."""
    s3.script(None, Reply(error='SlowDown'))
    gw = nginx(log_format='$status|$s3jobs_account|$s3jobs_region|$s3jobs_host'
               '|$s3jobs_date|$s3jobs_error|$s3jobs_request_id|$s3jobs_jobs'
               '|$s3jobs_cache_key', location='s3jobs_tries 1;')
    for target in '/jobs', '/jobs?maxResults=2', '/jobs?foo':
        gw.get(target)
    good, busy, bad = (line.split('|') for line in gw.access()
                       if line.count('|') == 8)
    host = f'{ACCOUNT}.s3-control.us-east-1.amazonaws.com'
    for line, request, code in (good, s3.requests[0], '-'), \
            (busy, s3.requests[1], 'SlowDown'):
        assert line[1:] == [ACCOUNT, 'us-east-1', host,
                            request.header('x-amz-date'), code,
                            request.request_id, '-',
                            f'{ACCOUNT}:us-east-1:{request.query}']
    assert [good[0], busy[0], bad[0]] == ['200', '503', '400']
    assert bad[5:8] == ['InvalidRequest', '-', '-']


@pytest.fixture(scope='session')
def finalizer(tmp_path_factory):
    """A module whose filter, below ours, finalizes each request."""
    module = tmp_path_factory.mktemp('finalizer') / 'finalize_filter.so'
    tree = BUILD / 'src'
    subprocess.run(
        ['cc', '-shared', '-fPIC', '-o', module,
         *(f'-I{tree}/{part}' for part in (
             'objs', 'src/core', 'src/event', 'src/event/quic',
             'src/os/unix', 'src/http', 'src/http/modules', 'src/http/v2',
             'src/http/v3')),
         ROOT / 't/modules/finalize_filter.c'], check=True)
    return module


@pytest.mark.parametrize('buffering', ['on', 'off'])
@pytest.mark.parametrize('size', ['1k', '1m'])
def test_another_filter_finalizes(s3, nginx, finalizer, size, buffering):
    """While the listing is streamed, and after it was held to its end."""
    gw = nginx(module=f'{finalizer}; load_module {MODULE}' if MODULE
               else finalizer,
               location=f's3jobs_json on; s3jobs_json_buffer_size {size};'
               f'proxy_buffering {buffering};')
    # the end comes when nobody wants it any more
    s3.always(Reply(chunks=(512,), framing='chunked', drip=(2048, 0.01)))
    for _ in range(3):
        r = gw.get('/jobs')
        assert r.status == 403 and r.json()['code'] == 'Forbidden'
