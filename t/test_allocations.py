"""Every allocation of a request fails once, whoever makes it: nginx, OpenSSL,
libxml2 or this module.  The request may end in an error, but nothing goes
upstream that is not signed right, and the next request is served."""

import ssl

import pytest

from failing import FailingAllocations
from gateway import place, strict_json
from nginx import until
from s3control import Reply
from test_cache import CACHE

PAGES = 's3jobs_json on; s3jobs_max_pages 100;'
MERGE = 'location = /all { s3jobs_merge /jobs /other; }' + place(
    '= /other', PAGES, account='210987654321')


def again(request):
    """Every second request of a listing is good."""
    return Reply(status=503, body=b'', headers=(('Retry-After', '0'),)) \
        if request.serial % 2 else None


KINDS = {
    'xml': ({}, '/jobs?maxResults=3', None),
    'json': ({'location': 's3jobs_json on;'}, '/jobs?maxResults=3', None),
    'streamed': ({'location': 's3jobs_json on; s3jobs_json_buffer_size 1k;'},
                 '/jobs', None),
    'accept': ({'location': 's3jobs_json accept;'}, '/jobs', None),
    'variables': ({'account': '$a', 'region': '$g', 'http':
                   'map $uri $a { default 123456789012; }'
                   'map $uri $g { default us-east-1; }'}, '/jobs', None),
    'cached': ({'location': CACHE + 's3jobs_json on;'}, '/jobs', None),
    'refused': ({}, '/jobs?maxResults=x', 400),
    'error': ({'location': 's3jobs_json on;'}, '/jobs', Reply(error='NoSuch')),
    'throttled': ({}, '/jobs', Reply(error='SlowDown')),
    'broken': ({'location': 's3jobs_json on;'}, '/jobs', Reply(body=b'<a')),
    'pages': ({'location': PAGES}, '/jobs', None),
    'pages to a file': ({'location': PAGES + 's3jobs_json_buffer_size 1k;'},
                        '/jobs', None),
    'merge': ({'location': PAGES, 'server': MERGE}, '/all', None),
    'tries': ({'location': 's3jobs_json on;'}, '/jobs', again),
    'tries in xml': ({}, '/jobs', again),
    'tries of pages': ({'location': PAGES}, '/jobs', again),
    'job': ({'location': 's3jobs_json on;', 'server': place(
        '~ /jobs/(?<id>.+)', 's3jobs_json on; s3jobs_job $id;')},
        '/jobs/abcde', None),
}


@pytest.fixture
def fault(tmp_path):
    return FailingAllocations(tmp_path)


def end(gw, target):
    """What the client got, which may be nothing, and says if it is less."""
    try:
        r = gw.get(target)
    except (ConnectionError, EOFError):
        return None
    if r.status == 200 and r.complete and r.body.startswith(b'{"Jobs"'):
        document = strict_json(r.body)
        assert document.keys() & {'Incomplete', 'NextToken'} \
            or len(document['Jobs']) in (25, 50)
    return r.status


@pytest.mark.parametrize('kind', KINDS)
def test_nth_fails(s3, nginx, fault, tmp_path, kind):
    options, target, answer = KINDS[kind]
    if CACHE in options.get('location', ''):
        options = {**options, 'http': f'proxy_cache_path {tmp_path}/cache '
                   'keys_zone=c:1m inactive=1d;'}
    # the library of the parser stays when nginx unloads the module
    gw = nginx(env=fault.environment, master=False, **options)
    gw.expect(r'(malloc|posix_memalign)\(.*\) failed|memory')
    s3.page = 15 if PAGES in options.get('location', '') else 1000
    s3.descriptions['abcde'] = {'JobId': 'abcde', 'Priority': '1'}
    assert gw.get('/jobs').status == 200
    normal = answer if isinstance(answer, int) else None
    if answer != normal:
        s3.always(answer)
    if normal is None:
        normal = gw.get(target).status

    n = 1
    statuses = set()
    while True:
        before = fault.arm(n)
        statuses.add(end(gw, target))
        if fault.arm(0) == before:
            break
        statuses.add(end(gw, target))   # connects anew, if need be
        n += 1
    assert n > 4
    assert statuses <= {normal, 200, 400, 500, 502, 503, None}, statuses
    assert {r.verdict for r in s3.requests} == {None}
    s3.reset()
    assert gw.get('/jobs').body.count(b'JobId') in (25, 50)


def test_signature_fails(s3, nginx, fault):
    """There is one place for a failure in which nginx has all it needs and
    sends the request: the signature itself.  It is not sent."""
    gw = nginx(env=fault.environment, master=False, log_format='$request_uri '
               '[$s3jobs_date$s3jobs_security_token$s3jobs_authorization]')
    gw.expect(r'(malloc|posix_memalign)\(.*\) failed')
    seen = 0
    for n in range(1, 400):
        assert gw.get('/jobs').status == 200
        s3.clear()
        before, target = fault.arm(n), f'/jobs?maxResults={n}'
        status = end(gw, target)
        if fault.arm(0) == before:
            break
        if 'request could not be signed' in gw.log()[seen:]:
            assert (status, s3.requests) == (500, [])
            seen = len(gw.log())
            # nginx asks twice for a value: the second answer has to be
            # nothing too, since there is no room for it
            until(lambda: f'{target} [---]' in gw.access(), what='a line')
    # OpenSSL 3.5 needs no memory for a signature: nothing of it can fail;
    # before, some three can, but a new connection among the requests shifts
    # the others, past one of them
    least = 1 if ssl.OPENSSL_VERSION_INFO < (3, 5) else 0
    for said in ('request could not be signed, it is not sent',
                 'no port in upstream "(none, for a request'):
        assert gw.log().count(said) >= least
    assert until(lambda: gw.get('/jobs').status == 200, what='an answer')
