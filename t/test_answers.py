"""What S3, or something between, may answer that is no listing; what it may
not do to nginx; and what of an answer is true of the JSON."""

import contextlib
import gzip
import os
import re
import subprocess

import pytest

from documents import error, expected_ids, job_ids
from gateway import assert_ours, place, told
from nginx import until
from s3control import ACCOUNT, Reply
from troubles import at_page

MODES = ['xml', 'json']
JSON = {'xml': '', 'json': 's3jobs_json on;'}
CACHE = ('proxy_cache c; proxy_cache_valid any 1h;'
         'add_header X-Cache $upstream_cache_status always;')


@pytest.fixture
def cached(nginx, tmp_path):
    def start(location='', http='', **options):
        return nginx(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;'
                     + http, location=CACHE + location, **options)
    return start


def head(status, *lines):
    return '\r\n'.join([f'HTTP/1.1 {status}', *lines, '', '']).encode()


def whole(body):
    return head('200 OK', 'Content-Type: application/xml',
                f'Content-Length: {len(body)}') + body


def bad(r, mode):
    assert r.status == 502, r
    assert told(r, mode == 'json')[0] == 'BadUpstreamResponse', r


# only a 200 is a listing

@pytest.mark.parametrize('buffering', ['on', 'off'])
@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('status', [
    '100 Continue', '101 Switching Protocols', '102 Processing',
    '103 Early Hints', '110 Mine'])
def test_a_status_that_is_no_answer(s3, nginx, status, mode, buffering):
    """A 1xx before the good 200: that, or 502, and never two answers."""
    gw = nginx(location=f'proxy_buffering {buffering};' + JSON[mode])
    listing = b''.join(s3.listing(s3.jobs()[:3]))
    s3.always(Reply(raw=head(status, 'Link: </a>; rel=preload')
                    + whole(listing)))
    with gw.connect() as client:
        r = client.request('/jobs')
        if r.status == 200:             # nginx 1.29 reads on, after a 103
            assert status[:3] == '103' and b'JobId' in r.body
        else:
            bad(r, mode)
            assert r.closed
        # and in step: what comes next is the answer to the next request
        s3.reset()
        if not r.closed:
            assert client.request('/jobs?maxResults=x').status == 400
    assert gw.get('/jobs').status == 200


@pytest.mark.parametrize('mode', MODES)
def test_at_once(s3, nginx, mode):
    """Not when the connection to S3 ends, which it never does."""
    gw = nginx(location=JSON[mode] + 'proxy_read_timeout 1h;')
    for status in '102 Processing', '206 Partial Content', '201 Created':
        s3.always(Reply(raw=head(status), never=True))
        bad(gw.get('/jobs'), mode)
        s3.reset()


@pytest.mark.parametrize('status', [201, 202, 203, 204, 205, 206, 207, 226,
                                    299])
def test_another_success(s3, cached, status):
    """It is no listing, whatever its document is, and it is not kept."""
    gw = cached('s3jobs_json accept;')
    s3.always(lambda r: Reply(status=status, body=b'' if status in (
        204, 205) else b''.join(s3.listing(s3.jobs()))))
    for mode in 'json', 'xml', 'json':
        for method in 'GET', 'HEAD':
            r = gw.get('/jobs', [('Accept', f'application/{mode}')], method)
            assert r.status == 502 and r.complete
            assert r.header('X-Cache') == 'MISS'
            if method == 'GET':
                bad(r, mode)
    assert len(s3.requests) == 6


def test_another_success_is_told_in_the_log(s3, nginx):
    gw = nginx()
    s3.always(Reply(status=206))
    assert gw.get('/jobs').status == 502
    gw.wait_log('no usable listing: its status is not 200, status 206, '
                f'request id "{s3.requests[-1].request_id}"')


# only a listing is passed on as one

NO_LISTING = {
    'html': b'<!DOCTYPE html><html><body>Maintenance</body></html>',
    'html without a doctype': b'<html><body>Maintenance</body></html>',
    'xhtml': b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml'
             b'"></html>',
    'nothing': b'', 'white space': b' \r\n\t', 'text': b'upstream timed out',
    'json': b'{"Jobs":[]}', 'gzip': b'\x1f\x8b\x08\0\0\0\0\0\0\x03',
    'nul': b'\0' * 600, 'utf-16': '<ListJobsResult/>'.encode('utf-16'),
    'one job': b'<DescribeJobResult><Job/></DescribeJobResult>',
    'another case': b'<listjobsresult/>', 'longer': b'<ListJobsResults/>',
    'a declaration only': b'<?xml version="1.0"?>',
    'a comment only': b'<!-- <ListJobsResult> -->',
    'a comment without end': b'<!-- <ListJobsResult>',
    'end tag': b'</ListJobsResult>', 'cut': b'<ListJobsResul',
    'nearly an error': b'<Errors><Code>SlowDown</Code></Errors>',
}


@pytest.mark.parametrize('framing', ['length', 'chunked', 'close'])
@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('name', NO_LISTING)
def test_no_listing(s3, cached, name, mode, framing):
    gw = cached(JSON[mode])
    for chunks in (16384,), (1,):
        s3.always(Reply(body=NO_LISTING[name], framing=framing,
                        chunks=chunks))
        r = gw.get('/jobs')
        bad(r, mode)
        assert r.header('X-Cache') == 'MISS'
    assert gw.get('/jobs', method='HEAD').status == 502
    s3.reset()
    assert gw.get('/jobs').header('X-Cache') == 'MISS'


def test_no_job(s3, nginx):
    """A listing describes no job."""
    gw = nginx(server=place('~ ^/job/(?<id>.*)$', 's3jobs_job $id;'))
    s3.always(Reply(body=NO_LISTING['one job']))
    target = f'/job/{expected_ids(s3)[0]}'
    assert gw.get(target).status == 200
    s3.always(Reply(body=b'<ListJobsResult/>'))
    bad(gw.get(target), 'xml')


@pytest.mark.parametrize('encoding', ['gzip', 'br', 'deflate', 'identity'])
@pytest.mark.parametrize('mode', MODES)
def test_content_encoding(s3, cached, mode, encoding):
    gw = cached(JSON[mode])
    s3.always(Reply(headers=(('Content-Encoding', encoding),)))
    for _ in range(2):
        bad(gw.get('/jobs'), mode)
    assert len(s3.requests) == 2


@pytest.mark.parametrize('prolog', [
    '', '\ufeff', '\n', '<?xml version="1.0" encoding="UTF-8"?>\n',
    '<!-- a - -- b -->', '<?a ?>\r\n<!----> ', '<!--' + 'x' * 400 + '-->'])
@pytest.mark.parametrize('root', [
    '<ListJobsResult/>', '<ListJobsResult><Jobs/></ListJobsResult>',
    '<a:ListJobsResult xmlns:a="b"/>', '<ListJobsResult\n/>',
    '<ListJobsResult>' + 'y' * 30000 + '</ListJobsResult>'])
@pytest.mark.parametrize('buffering', ['on', 'off'])
def test_listings_pass_untouched(s3, cached, prolog, root, buffering):
    body = (prolog + root).encode()
    gw = cached('proxy_buffer_size 1k; proxy_buffers 2 1k;'
                f'proxy_busy_buffers_size 1k; proxy_buffering {buffering};')
    for target, chunks in ('/jobs', (16384,)), ('/jobs?maxResults=1',
                                                [1] * 100 + [16384]):
        s3.always(Reply(body=body, chunks=chunks, framing='chunked'))
        for state in 'MISS', 'HIT' if buffering == 'on' else 'MISS':
            r = gw.get(target)
            assert (r.status, bytes(r.body)) == (200, body)
            assert r.header('X-Cache') == state
        r = gw.get(target, method='HEAD')
        assert (r.status, r.body) == (200, b'')


def test_the_root_comes_early(s3, cached):
    """What is not known to be a listing is not passed on as one."""
    gw = cached()
    s3.always(Reply(body=b'<!--' + b'x' * 600 + b'--><html/>'))
    for _ in range(2):
        bad(gw.get('/jobs'), 'xml')


@pytest.mark.parametrize('framing', ['length', 'chunked'])
@pytest.mark.parametrize('cut', [0, 1, 14, 15, 60])
def test_cut_before_the_root_is_known(s3, nginx, cut, framing):
    gw = nginx()
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n<ListJobsResult><Jobs/>'
    s3.always(Reply(body=body, cut=cut, framing=framing))
    r = gw.get('/jobs')
    if cut == 60:           # as nginx does it, once it has begun
        assert r.status == 200 and not r.complete
    else:
        bad(r, 'xml')


@pytest.mark.parametrize('module', ['gzip on; gzip_types *; gzip_min_length 1;',
                                    'sub_filter JobId JobID;'
                                    'sub_filter_types *; sub_filter_once off;',
                                    'ssi on; ssi_types *;'])
@pytest.mark.parametrize('cache', [False, True])
def test_filters_behind(s3, nginx, tmp_path, module, cache):
    """They change what was in a file as what was in memory."""
    gw = nginx(http=f'sendfile on; proxy_cache_path {tmp_path}/cache'
               ' keys_zone=c:1m;', location=module
               + ('proxy_cache c; proxy_cache_valid 200 1h;' if cache else ''))
    s3.set_jobs(ACCOUNT, s3.jobs() * 30)
    s3.page = 1000
    text = b''.join(s3.listing(s3.jobs())).decode()
    for _ in range(2):
        r = gw.get('/jobs', [('Accept-Encoding', 'gzip')])
        assert r.status == 200
        if 'sub' in module:
            assert r.text == text.replace('JobId', 'JobID')
        elif 'gzip' in module:
            assert gzip.decompress(r.body).decode() == text
        else:
            assert r.text == text


@pytest.fixture
def refreshed(s3, nginx, tmp_path):
    def start(location):
        gw = nginx(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
                   location='proxy_cache c; proxy_cache_valid any 1s;'
                   'proxy_cache_use_stale updating;'
                   'proxy_cache_background_update on;'
                   'add_header X-Cache $upstream_cache_status always;'
                   + location)
        assert gw.get('/jobs').status == 200
        return gw
    return start


REFRESHED = {'html': NO_LISTING['html without a doctype'],
             'error': b'<Error><Code>InvalidToken</Code></Error>'}


@pytest.mark.parametrize('framing', ['length', 'chunked'])
@pytest.mark.parametrize('document', REFRESHED)
@pytest.mark.parametrize('mode', MODES)
def test_refreshed_in_the_background(s3, refreshed, tmp_path, document, mode,
                                     framing):
    """Nobody sees it, and it is not kept."""
    gw = refreshed(JSON[mode])
    s3.always(Reply(body=REFRESHED[document], framing=framing, chunks=(7,)))

    def asked():
        r = gw.get('/jobs')
        assert r.status == 200 and r.complete
        return len(s3.requests) > 5
    until(asked, what='refreshes')
    assert 0 < gw.log().count('no listing to update the cache with') \
        <= len(s3.requests)

    def files():
        return [p for place in (tmp_path / 'cache', gw.prefix / 'proxy_temp')
                for p in place.rglob('*') if p.is_file()]
    until(lambda: len(files()) == 1, 'nothing but what was there')
    s3.reset()
    until(lambda: gw.get('/jobs').header('X-Cache') == 'HIT', 'refresh')


def test_refreshed_with_a_late_root(s3, refreshed):
    """What becomes JSON may begin with anything."""
    gw = refreshed(JSON['json'])
    s3.set_jobs(ACCOUNT, s3.jobs()[:3])
    s3.always(Reply(framing='chunked', chunks=(7,), body=b'<!--%s-->'
                    % (b'x' * 600) + b''.join(
                        s3.listing(s3.jobs())).partition(b'?>')[2]))
    until(lambda: len(gw.get('/jobs').json()['Jobs']) == 3, 'refresh')


@pytest.mark.parametrize('mode', MODES)
def test_refreshed_with_nothing(s3, refreshed, mode):
    """It is refused when it is served."""
    gw = refreshed(JSON[mode])
    s3.always(Reply(body=b''))

    def refused():
        r = gw.get('/jobs')
        if r.status == 200:
            return False
        assert r.status == 502 and r.complete
        assert told(r, mode == 'json')[0] == 'BadUpstreamResponse'
        return r.header('X-Cache') == 'HIT'
    until(refused, what='refused document')
    s3.reset()
    assert gw.get('/jobs').header('X-Cache') == 'MISS'


# an error under 200

ERROR_SHAPES = ['<ErrorResponse>{}</ErrorResponse>', '{}',
                '<?xml version="1.0"?>\n{}']


@pytest.mark.parametrize('shape', ERROR_SHAPES)
@pytest.mark.parametrize('code,status,told_code', [
    ('SlowDown', 503, 'SlowDown'), ('ServiceUnavailable', 503,
                                    'ServiceUnavailable'),
    ('InternalError', 502, 'InternalError'),
    ('InvalidRequestException', 400, 'InvalidRequest'),
    ('AccessDenied', 403, 'AccessDenied'),
    ('ExpiredToken', 502, 'ExpiredToken'), ('Unheard', 502, 'Unheard')])
@pytest.mark.parametrize('mode', MODES)
def test_error_under_200(s3, cached, mode, code, status, told_code, shape):
    """The table of errors, by its code, as under any other status."""
    gw = cached('s3jobs_tries 1;' + JSON[mode])
    document = (f'<Error><Code>{code}</Code><Message>m</Message></Error>')
    for chunks in (16384,), (1,):
        s3.always(Reply(body=shape.format(document).encode(),
                        framing='chunked', chunks=chunks,
                        headers=(('Retry-After', '7'),)))
        r = gw.get('/jobs')
        assert r.status == status and r.header('X-Cache') == 'MISS'
        assert told(r, mode == 'json')[0] == told_code
        assert (r.header('Retry-After') == '7') == (status == 503)
    s3.always(Reply(body=b'<Error><Code>SlowDown'))
    bad(gw.get('/jobs'), mode)


@pytest.mark.parametrize('shape', ERROR_SHAPES)
@pytest.mark.parametrize('mode', MODES)
def test_error_under_200_is_asked_again(s3, cached, mode, shape):
    gw = cached(JSON[mode])
    s3.script(*[Reply(body=shape.format('<Error><Code>SlowDown</Code></Error>')
                      .encode())] * 2)
    r = gw.get('/jobs')
    assert r.status == 200 and len(s3.requests) == 3
    assert expected_ids(s3) == (job_ids(r) if mode == 'xml' else
                                [job['JobId'] for job in r.json()['Jobs']])


@pytest.mark.parametrize('mode', MODES)
def test_no_listing_when_asked_again(s3, nginx, mode):
    """The second answer is looked at as the first one is."""
    gw = nginx(location=JSON[mode])
    for reply in (Reply(body=NO_LISTING['html']), Reply(status=206),
                  Reply(gzip=True), Reply(raw=head('102 Processing'))):
        s3.script(Reply(error='SlowDown'), reply)
        bad(gw.get('/jobs'), mode)


# what an answer may not do to nginx

STEERING = {
    'X-Accel-Redirect': '/secret', 'X-Accel-Expires': '3600',
    'X-Accel-Limit-Rate': '1', 'X-Accel-Buffering': 'no',
    'X-Accel-Charset': 'koi8-r',
}


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('name', STEERING)
@pytest.mark.parametrize('reply', [{}, {'error': 'AccessDenied'}])
def test_steering_headers(s3, nginx, tmp_path, name, mode, reply):
    gw = nginx(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
               server='location = /secret { internal; return 200 "secret"; }',
               location='proxy_cache c; add_header X-Cache'
               ' $upstream_cache_status always;' + JSON[mode])
    s3.always(Reply(headers=((name, STEERING[name]),), **reply))
    for _ in range(2):
        r = gw.get('/jobs')
        assert r.status == (403 if reply else 200)
        assert 'secret' not in r.text and r.header(name) is None
        assert r.header('X-Cache') == 'MISS'
        assert 'koi8' not in r.header('Content-Type')
    assert len(s3.requests) == 2


# bytes from outside

# what no log and no text that is shown has in it
HIDDEN = re.compile('[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f'
                    '\u2028-\u202e\u2066-\u2069]')


def clean(gw, r):
    for text in gw.log().replace('\n', ' '), bytes(r.body).decode(), \
            *(value for _, value in r.headers):
        assert not HIDDEN.search(text.replace('\n', ' ')), text


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('value', [
    '\x1b[2J\x07id', 'a b', 'caf\xe9', '\x7f', 'x\x01', '', 'y' * 4000,
    b'\xc2\x9b31m'.decode('latin-1'), '\t'])
@pytest.mark.parametrize('reply', [
    {}, {'error': 'AccessDenied'}, {'body': b'<ListJobsResult>'},
    {'status': 204}])
def test_an_id_that_is_no_id(s3, nginx, mode, value, reply):
    gw = nginx(location=JSON[mode], log_format='$s3jobs_request_id')
    s3.always(Reply(headers=(('x-amz-request-id', value),
                             ('x-amz-id-2', value)), **reply))
    r = gw.get('/jobs')
    if not (mode == 'xml' and 'body' in reply):
        clean(gw, r)
        for name in 'x-amz-request-id', 'x-amz-id-2':
            given = r.header(name)
            assert given is None or re.fullmatch('[!-~]+', given), given
    assert until(gw.access)[-1] != value


@pytest.mark.parametrize('mode', MODES)
def test_ids_are_passed(s3, nginx, mode):
    gw = nginx(location=JSON[mode])
    for reply in Reply(), Reply(error='AccessDenied'):
        s3.always(reply)
        r = gw.get('/jobs')
        assert r.header('x-amz-request-id') == s3.requests[-1].request_id


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('mark', [
    '\x85', '\x9b', '\x80', '\x9f', '\x7f', '\u202e', '\u202a', '\u2066',
    '\u2069', '\u200e', '\u200f', '\u061c', '\u2028', '\u2029'])
def test_marks_in_a_message(s3, nginx, mode, mark):
    gw = nginx(location=JSON[mode])
    s3.always(Reply(status=400, body=(
        '<Error><Code>InvalidRequest</Code><Message>one'
        f'{mark}two \u20ac</Message></Error>').encode()))
    r = gw.get('/jobs')
    assert told(r, mode == 'json')[1] == 'one two \u20ac'
    clean(gw, r)
    assert 'one two \u20ac' in gw.log()


@pytest.mark.parametrize('mark', ['\x9b31m', '\u202e', '\x85', '\u2028'])
def test_marks_of_a_client(s3, nginx, mark):
    """In what the module itself says of a request."""
    gw = nginx(account='$arg_a', server=place('= /r', region='$arg_a')
               + place('= /c', credentials='$arg_a')
               + place('= /h', 's3jobs_endpoint $arg_a;')
               + place('= /q'))
    for target in '/jobs', '/r', '/c', '/h', '/q':
        argument = '?maxResults=1' if target == '/q' else ''
        r = gw.get(f'{target}?{"x" if target == "/q" else "a="}'
                   + mark.encode().decode('latin-1') + argument)
        assert r.status in (400, 403, 500, 503)
        assert not HIDDEN.search(bytes(r.body).decode().replace('\n', ' '))
    # nginx itself logs the request line as it is
    ours = re.findall(r'(?:client sent|invalid|unknown).*?, client:',
                      gw.log())
    assert ours and not any(HIDDEN.search(text) for text in ours)


# a client cannot age a signature

def test_a_body_that_drips(s3, nginx):
    """S3 is asked before the body is there; nothing of it is waited for."""
    gw = nginx()
    with gw.connect() as client:
        client.send(b'GET /jobs HTTP/1.1\r\nHost: a\r\n'
                    b'Content-Length: 100000\r\n\r\nx')
        s3.wait_for(1)
        assert job_ids(client.response()) == expected_ids(s3)
    with gw.connect() as client:
        client.send(b'GET /jobs HTTP/1.1\r\nHost: a\r\n'
                    b'Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n')
        s3.wait_for(2)
        assert job_ids(client.response()) == expected_ids(s3)
    for request in s3.requests:
        assert_ours(request)


def test_a_body_and_a_mirror(s3, nginx):
    gw = nginx(location='mirror /void;', server='location /void'
               ' { return 204; }')
    for _ in range(2):
        assert gw.get('/jobs', body=b'x' * 20000).status == 200
    for request in s3.wait_for(2):
        assert_ours(request)


# what is true of the JSON

METADATA = {
    'Content-MD5': 'XrY7u+Ae7tCTyyK7j1rNww==', 'Digest': 'md5=XrY7u+Ae7t==',
    'Content-Digest': 'sha-256=:AAAA:', 'Repr-Digest': 'sha-256=:AAAA:',
    'Content-Language': 'en', 'Content-Location': '/jobs.xml',
    'Content-Disposition': 'attachment; filename="jobs.xml"',
    'Content-Range': 'bytes 0-9/10', 'Signature': 'sig1=:AAAA:',
    'Signature-Input': 'sig1=("content-digest")', 'ETag': '"a"',
    'Last-Modified': 'Thu, 01 Jan 2026 00:00:00 GMT', 'Accept-Ranges': 'bytes',
    'x-amz-checksum-sha256': 'AAAA', 'x-amz-checksum-crc32': 'AAAA',
}


@pytest.mark.parametrize('reply', [{}, {'error': 'AccessDenied'}])
def test_metadata_of_the_xml(s3, nginx, reply):
    gw = nginx(location='s3jobs_json on;', server=place('= /xml'))
    s3.always(Reply(headers=(*METADATA.items(), ('x-amz-other', 'kept')),
                    **reply))
    r = gw.get('/jobs')
    assert r.status == (403 if reply else 200)
    assert {name.lower() for name, _ in r.headers} == {
        'server', 'date', 'content-type', 'content-length', 'connection',
        'x-amz-request-id', 'x-amz-id-2', *([] if reply else ['x-amz-other'])}
    if not reply:
        r = gw.get('/xml')
        assert all(r.header(name) == value for name, value in METADATA.items())


# faults of the gateway

@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('code', [
    'ExpiredToken', 'InvalidToken', 'TokenRefreshRequired',
    'InvalidAccessKeyId', 'SignatureDoesNotMatch', 'RequestTimeTooSkewed',
    'AuthorizationHeaderMalformed'])
def test_its_own_faults_are_not_cached(s3, cached, mode, code):
    gw = cached(JSON[mode])
    s3.script(Reply(error=code))
    r = gw.get('/jobs')
    assert r.status == 502 and told(r, mode == 'json')[0] == code
    r = gw.get('/jobs')
    assert r.status == 200 and r.header('X-Cache') == 'MISS'


# faults of the gateway

@pytest.fixture
def disk(tmp_path):
    """A file system that is soon full."""
    path = tmp_path / 'disk'
    path.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', path],
                   check=True)
    yield path
    subprocess.run(['umount', '-l', path], check=True)


def fill(disk, rest=0):
    with contextlib.suppress(OSError), open(disk / 'filler', 'wb', 0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(disk / 'filler', (disk / 'filler').stat().st_size - rest)


def not_taken(gw):
    gw.wait_log('could not be taken, for a reason on this machine')
    assert 'S3 Control sent no usable' not in gw.log()
    assert re.search('No space left|has written only', gw.log())


@pytest.mark.skipif(os.geteuid() != 0, reason='mounts a small file system')
@pytest.mark.parametrize('framing', ['length', 'chunked'])
@pytest.mark.parametrize('location', [
    's3jobs_json on; s3jobs_json_buffer_size 10m;', 's3jobs_json on;', ''])
def test_a_full_disk(s3, nginx, disk, framing, location):
    """It is not S3's fault, and neither log nor answer say so."""
    gw = nginx(http=f'proxy_cache_path {disk}/cache keys_zone=c:1m'
               ' use_temp_path=off;',
               location='proxy_cache c; proxy_cache_valid 200 1h;' + location)
    s3.set_jobs(ACCOUNT, s3.jobs() * 40)
    s3.page = 1000
    s3.framing = framing
    fill(disk)
    r = gw.get('/jobs')
    assert r.status == 500 and r.complete
    assert told(r, bool(location))[0] == 'InternalServerError', r
    not_taken(gw)


@pytest.mark.skipif(os.geteuid() != 0, reason='mounts a small file system')
@pytest.mark.parametrize('buffering', ['', 'proxy_cache c;'
                                       'proxy_cache_valid 200 1h;'])
def test_a_full_disk_and_pages(s3, nginx, disk, buffering):
    """Pages after the first are kept, and so told of by themselves."""
    gw = nginx(http=f'proxy_cache_path {disk}/cache keys_zone=c:1m'
               ' use_temp_path=off;',
               location='s3jobs_json on; s3jobs_max_pages 2;'
               f's3jobs_json_buffer_size 4k; proxy_temp_path {disk}/temp;'
               + buffering)
    big = b''.join(s3.listing(s3.jobs() * 40))
    s3.page = 10
    s3.always(at_page(2, last=Reply(body=big)))
    fill(disk, 12000)
    r = gw.get('/jobs')
    assert r.status == 200 and r.complete
    [why] = r.json()['Incomplete']
    assert (why['status'], why['code']) == (500, 'InternalServerError')
    assert r.json()['NextToken'] and len(r.json()['Jobs']) == 10
    not_taken(gw)


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('cache', ['', 'proxy_cache c;',
                                   'proxy_buffering off;'])
def test_a_chunk_that_is_none_is_the_fault_of_s3(s3, nginx, tmp_path, cache,
                                                 mode):
    gw = nginx(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
               location=JSON[mode] + cache)
    for chunks in b'zz\r\n', b'5\r\n<List\r\nzz\r\n':
        s3.always(Reply(raw=head('200 OK', 'Transfer-Encoding: chunked')
                        + chunks))
        bad(gw.get('/jobs'), mode)
    assert 'this machine' not in gw.log()


# a document that breaks

@pytest.mark.parametrize('mode,body', [
    ('json', b'<html>'), ('json', b'{'), ('json', b'<ListJobsResult><a></b>'),
    ('json', b'<ListJobsResult><Jobs/><Jobs/>'), ('json', b'<!DOCTYPE a>'),
    ('json', b'\x1f\x8b\x08'), ('xml', b'<html>'), ('xml', b'{'),
    ('xml', b'<!DOCTYPE a>')])
@pytest.mark.parametrize('buffering', ['on', 'off'])
@pytest.mark.parametrize('cache', ['', 'proxy_cache c;'
                                   'proxy_cache_valid any 1h;'])
@pytest.mark.parametrize('framing', ['length', 'chunked'])
def test_broken_is_told_at_once(s3, nginx, tmp_path, mode, body, buffering,
                                cache, framing):
    """S3 would never end it.  (nginx shows what fills one of its buffers.)"""
    body += b' ' * 20000 if buffering == 'on' or b'List' in body else b''
    gw = nginx(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
               location=JSON[mode] + cache + 'proxy_read_timeout 1h;'
               f'proxy_buffering {buffering};')
    raw = head('200 OK', 'Content-Length: 1000000') + body \
        if framing == 'length' else \
        head('200 OK', 'Transfer-Encoding: chunked') \
        + b'%x\r\n%s\r\n' % (len(body), body)
    s3.always(Reply(raw=raw, never=True))
    with gw.connect() as client:
        bad(client.request('/jobs'), mode)
        s3.reset()
        assert client.request('/jobs').status == 200
    assert len(re.findall('no usable listing', gw.log())) == 1


def test_broken_is_told_at_once_by_http2(s3, nginx):
    gw = nginx(location='s3jobs_json on; proxy_read_timeout 1h;', h2=True)
    s3.always(Reply(raw=head('200 OK', 'Content-Length: 1000000') + b'<html>'
                    + b' ' * 20000, never=True))
    for _ in range(3):
        bad(gw.get_h2('/jobs'), 'json')


def test_broken_page_is_told_at_once(s3, nginx):
    gw = nginx(location='s3jobs_json on; s3jobs_max_pages 3;'
               'proxy_read_timeout 1h;')
    s3.page = 10
    s3.always(at_page(2, last=Reply(
        raw=head('200 OK', 'Content-Length: 1000000') + b'<html>',
        never=True)))
    r = gw.get('/jobs')
    assert r.status == 200 and r.complete
    assert r.json()['Incomplete'][0]['code'] == 'BadUpstreamResponse'


def test_broken_is_told_at_once_when_asked_again(s3, nginx):
    gw = nginx(location='s3jobs_json accept; proxy_read_timeout 1h;')
    for mode in MODES:
        s3.script(Reply(error='SlowDown'), Reply(
            raw=head('200 OK', 'Content-Length: 1000000') + b'<html>'
            + b' ' * 20000, never=True))
        bad(gw.get('/jobs', [('Accept', f'application/{mode}')]), mode)
        s3.reset()


@pytest.mark.parametrize('cut', [0, 200, 5000, 200000])
@pytest.mark.parametrize('flags', ['', 'set="x"', 'set="x" wait="yes"',
                                   'wait="yes"'])
@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('framing', ['length', 'chunked'])
def test_a_cut_listing_in_a_page(s3, nginx, mode, flags, cut, framing):
    """The page around it is answered."""
    gw = nginx(location='subrequest_output_buffer_size 1m;' + JSON[mode],
               server='location = /page { ssi on; ssi_types *;'
               'default_type text/html; return 200 \'before<!--# include'
               f' virtual="/jobs" {flags} -->after\'; }}')
    s3.set_jobs(ACCOUNT, s3.jobs() * 40)
    s3.page = 1000
    s3.always(Reply(cut=cut, framing=framing))
    r = gw.get('/page')
    assert r.status == 200
    assert r.text.startswith('before') and r.text.endswith('after')


# requests that other modules of nginx make

@pytest.mark.parametrize('mode', MODES)
def test_slices(s3, nginx, mode):
    """nginx would ask for the rest by a clone that nobody has signed."""
    gw = nginx(location='slice 1m; proxy_set_header Range $slice_range;'
               + JSON[mode])
    assert gw.get('/jobs').status == 200
    s3.always(Reply(status=206, body=b'x' * (1 << 20), headers=(
        ('Content-Range', f'bytes 0-{(1 << 20) - 1}/{3 << 20}'),
        ('ETag', '"a"'))))
    bad(gw.get('/jobs'), mode)
    assert len(s3.requests) == 2


@pytest.mark.parametrize('reply', [{'error': 'ExpiredToken'},
                                   {'status': 206}, {'gzip': True}])
def test_a_refresh_does_not_cache_what_is_no_listing(s3, nginx, tmp_path,
                                                     reply):
    gw = nginx(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
               location='proxy_cache c; proxy_cache_valid any 1s;'
               'proxy_cache_use_stale updating;'
               'proxy_cache_background_update on;')
    assert gw.get('/jobs').status == 200
    s3.always(Reply(**reply))
    until(lambda: gw.get('/jobs').status == 200 and len(s3.requests) >= 3,
          what='refreshes')
    assert gw.get('/jobs').status == 200
