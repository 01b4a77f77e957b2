"""Every row of what a client sees when something went wrong, as JSON and as
XML: the JSON read by Python, the XML by botocore and by the AWS CLI."""

import itertools
import re
import subprocess

import pytest

from gateway import parses, place, told
from nginx import until
from s3control import ACCOUNT, CODES, KEY, REGION, SECRET, Reply
from wire import PATIENCE

MODES = 'json', 'xml'
LOG = ('$http_x_mark $request_id $status error=$s3jobs_error id=$s3jobs_request_id'
       ' jobs=$s3jobs_jobs')

CLIENTS = 'InvalidRequest', 'InvalidNextToken', 'InvalidArgument', 'InvalidURI'
DENIED = 'AccessDenied', 'AllAccessDisabled', 'AccountProblem', 'NotSignedUp'
GATEWAYS = ('ExpiredToken', 'InvalidToken', 'TokenRefreshRequired',
            'InvalidAccessKeyId', 'SignatureDoesNotMatch',
            'RequestTimeTooSkewed', 'AuthorizationHeaderMalformed',
            'MissingSecurityHeader', 'InvalidHostHeader',
            'MissingAuthenticationToken', 'PermanentRedirectControlError')
BUSY = 'SlowDown', 'ServiceUnavailable', 'TooManyRequests'
THEIRS = 'InternalError', 'InternalService', 'NoSuchBucket', 'Teapot.x_y-1'

ROLE = f'arn:aws:sts::{ACCOUNT}:assumed-role/gateway/i-0abc12'
SECRETIVE = f'User: {ROLE} is not <authorized> & "so" on'
FIELDS = {'AWSAccessKeyId': 'AKIDLEAK', 'StringToSign': 'AWS4-LEAK',
          'CanonicalRequest': 'GET LEAK', 'Token-0': 'LEAK',
          'Nested': ROLE}


def both(nginx, json='', xml='', server='', **options):
    """A gateway that speaks JSON at /json and XML at /xml, and asks once."""
    options['http'] = 's3jobs_tries 1;' + options.get('http', '')
    return nginx(path='= /json', location=f's3jobs_json on; {json}',
                 server=server + place('= /xml', xml), log_format=LOG,
                 **options)


marks = map(str, itertools.count())


def get(gw, target, headers=(), **how):
    """An answer, with .log: what the access log says of it, by LOG."""
    mark = next(marks)
    r = gw.get(target, [*dict(headers).items(), ('X-Mark', mark)], **how)

    def line():
        return [line.split(' ') for line in gw.access()
                if line.startswith(mark + ' ')]

    _, request_id, status, *more = until(line, what='line')[0]
    r.log = {'request_id': request_id, 'status': status,
             **dict(word.split('=') for word in more)}
    return r


def ask(gw, mode, arguments='', **how):
    r = get(gw, f'/{mode}{arguments}', **how)
    return r, told(r, mode == 'json')


def logged(gw, before, *needles):
    """The level of the one new line in the error log that has them all."""
    new = gw.log()[before:]
    lines = [line for line in new.splitlines()
             if all(needle in line for needle in needles)]
    assert len(lines) == 1, new
    return re.search(r'\[(\w+)\]', lines[0])[1]


def documents(s3):
    """The shapes of S3's errors, in turn."""
    for s3.error_root, s3.ids_in_errors, s3.namespace, s3.declaration in \
            itertools.product(('ErrorResponse', 'Error'), (True, False),
                              (None, 'urn:any'), (True, False)):
        yield


@pytest.mark.parametrize('suffix', ['', 'Exception'])
@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('codes, status, level', [
    (CLIENTS, 400, 'info'), (DENIED, 403, 'error'), (GATEWAYS, 502, 'error'),
    (BUSY, 503, 'warn'), (THEIRS, 502, 'error')])
def test_s3_errors(s3, nginx, codes, status, level, mode, suffix):
    gw = both(nginx)
    client, denied = codes is CLIENTS, codes is DENIED
    message = 'Not <this> & not "that", é.' if client else SECRETIVE
    for code in codes:
        for _ in documents(s3) if code is codes[0] else [None]:
            before = len(gw.log())
            s3.script(Reply(error=code + suffix, message=message,
                            fields=FIELDS,
                            status=CODES.get(code + suffix, CODES.get(code))))
            r, (told_code, told_message, request_id) = ask(gw, mode)

            asked = s3.requests[-1]
            assert asked.verdict is None
            assert r.status == status
            assert told_code == ('AccessDenied' if denied else code)
            assert (told_message == message) == client
            assert request_id == asked.request_id
            assert 'LEAK' not in f'{r.headers}{r.text}'
            assert r.header('Retry-After') == ('1' if codes is BUSY else None)

            assert logged(gw, before, f'"{code}{suffix}"', message,
                          asked.request_id) == level
            assert 'LEAK' not in gw.log()[before:]
            assert r.log == {
                'request_id': r.log['request_id'], 'status': str(status),
                'error': told_code, 'id': asked.request_id, 'jobs': '-'}


@pytest.mark.parametrize('mode', MODES)
def test_busy_has_any_status(s3, nginx, mode):
    gw = both(nginx)
    for status in 301, 400, 403, 429, 500, 503:
        s3.script(Reply(error='SlowDown', status=status))
        r, (code, _, _) = ask(gw, mode)
        assert (r.status, code) == (503, 'SlowDown')
        assert r.header('Retry-After') == '1'


@pytest.mark.parametrize('mode', MODES)
def test_retry_after(s3, nginx, mode):
    gw = both(nginx)
    for given, expected in {
            None: '1', '0': '0', '7': '7', '3600': '3600', '3601': '1',
            '99999999999999999999': '1', '-1': '1', '1.5': '1', '7x': '1',
            'Wed, 21 Oct 2015 07:28:00 GMT': '1'}.items():
        headers = (('Retry-After', given),)
        for reply in (Reply(error='SlowDown', headers=headers),
                      Reply(status=503, body=b'', headers=headers)):
            s3.script(reply)
            r, _ = ask(gw, mode)
            assert r.status == 503
            assert r.all('Retry-After') == [expected], given


@pytest.mark.parametrize('mode', MODES)
def test_no_document(s3, nginx, mode):
    """Answers of 300 and more without a code of S3's."""
    gw = both(nginx)
    document = b'<Error><Code>AccessDenied</Code><Message>m</Message></Error>'
    bodies = {
        'nothing': b'', 'html': b'<html><body>Bad <b>luck</b></body></html>',
        'text': b'no', 'cut': document[:-3], 'two': document * 2,
        'json': b'{"code":"AccessDenied"}', 'no code': b'<Error/>',
        'doctype': b'<!DOCTYPE Error [<!ENTITY a "b">]>' + document,
        'bad code': document.replace(b'AccessDenied', b'no "code" at all'),
        'wrong root': b'<Errors>' + document + b'</Errors>',
        'latin-1': document.replace(b'>m<', b'>\xe9<'),
        'long': b'x' * 100000}
    for name, body in bodies.items():
        for status in 300, 301, 302, 400, 401, 403, 404, 429, 500, 502, 504, \
                599, 503:
            s3.script(Reply(status=status, body=body, headers=(
                ('Location', 'http://127.0.0.1:1/elsewhere'),
                ('ETag', '"x"'), ('Accept-Ranges', 'bytes'),
                ('Last-Modified', 'Wed, 21 Oct 2015 07:28:00 GMT'))))
            r, (code, _, request_id) = ask(gw, mode)
            assert (r.status, code) == (
                (503, 'ServiceUnavailable') if status in (429, 503) else
                (502, 'BadUpstreamResponse')), (name, status)
            assert request_id == s3.requests[-1].request_id
    s3.script(Reply(status=304, body=b''))
    assert ask(gw, mode)[1][0] == 'BadUpstreamResponse'


@pytest.mark.parametrize('mode', MODES)
def test_cut_error_document(s3, nginx, mode):
    """What is cut short is not believed, wherever it is cut."""
    gw = both(nginx)
    body = b'<Error><Code>AccessDenied</Code><Message>m</Message></Error>'
    for framing in 'length', 'chunked', 'close':
        for cut in range(0, len(body), 7 if framing == 'length' else 5):
            s3.script(Reply(status=403, body=body, framing=framing, cut=cut))
            r, (code, _, request_id) = ask(gw, mode)
            assert (r.status, code) == (502, 'BadUpstreamResponse')
            assert request_id == s3.requests[-1].request_id


@pytest.mark.parametrize('mode', MODES)
def test_request_id(s3, nginx, mode):
    """S3's from the header, or from the document; else nginx's."""
    gw = both(nginx)
    none = ('x-amz-request-id', None),
    for shape in 'Error', 'ErrorResponse':
        s3.error_root = shape
        s3.script(Reply(error='InvalidRequest', headers=none))
        r, (_, _, request_id) = ask(gw, mode)
        assert request_id == s3.requests[-1].request_id == r.log['id']

    s3.ids_in_errors = False
    s3.script(Reply(error='InvalidRequest', headers=none))
    r, (_, _, request_id) = ask(gw, mode)
    assert re.fullmatch('[0-9a-f]{32}', request_id)
    assert r.log['request_id'] == request_id
    assert r.log['id'] == '-'

    s3.script(Reply(raw=b'HTTP/1.1 500 Error\r\nx-amz-request-id: '
                        b'A<&"\\b\x01\r\n\r\n'))
    r = gw.get('/' + mode)
    assert r.status == 502 and (mode == 'xml' or parses(r.body)), r


@pytest.mark.parametrize('mode', MODES)
def test_our_own(s3, nginx, mode):
    """Refused by the module: nothing goes upstream."""
    lines = 's3jobs_json on;' if mode == 'json' else ''
    server = ''.join(place(path, lines, **{name: value})
                     for path, name, value in [
                         ('= /account', 'account', '$arg'),
                         ('= /region', 'region', '$arg'),
                         ('= /source', 'credentials', '$arg')])
    gw = both(nginx, server=server + 'set $arg "x1";')
    json = mode == 'json'

    for arguments, name in {
            '?maxResults=1001': 'maxResults', '?jobStatuses=Done':
            'jobStatuses', '?nextToken=': 'nextToken', '?accountId=1':
            'accountId', '?maxResults=1&maxResults=1': 'maxResults',
            '?a"<b>%C3%A9&=1': 'a', '?nextToken=%00': 'nextToken'}.items():
        r, (code, message, request_id) = ask(gw, mode, arguments)
        assert (r.status, code) == (400, 'InvalidRequest')
        assert name in message
        assert r.log == {'request_id': request_id, 'status': '400',
                             'error': code, 'id': '-', 'jobs': '-'}

    for method in 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND':
        r, (code, _, _) = ask(gw, mode, method=method, body=b'x' * 5000
                              if method in ('POST', 'PUT') else b'')
        assert (r.status, code) == (405, 'MethodNotAllowed')
        assert r.all('Allow') == ['GET, HEAD']

    for path, status, code in [('/account', 403, 'AccessDenied'),
                               ('/region', 403, 'AccessDenied'),
                               ('/source', 503, 'CredentialsUnavailable')]:
        before = len(gw.log())
        r = get(gw, path)
        said = told(r, json)
        assert (r.status, said[0]) == (status, code)
        assert r.all('Retry-After') == (['1'] if status == 503 else [])
        assert logged(gw, before, '"x1"') == ('error' if status == 503
                                              else 'info')
        assert r.log['error'] == code

    assert not s3.requests


@pytest.mark.parametrize('mode', MODES)
def test_no_credentials(s3, nginx, mode):
    gw = both(nginx, env={'AWS_ACCESS_KEY_ID': None,
                          'AWS_SECRET_ACCESS_KEY': None})
    for method in 'GET', 'HEAD':
        before = len(gw.log())
        r = get(gw, '/' + mode, method=method)
        assert r.status == 503 and r.all('Retry-After') == ['1']
        assert logged(gw, before, 'no usable credentials') == 'error'
        assert r.log['error'] == 'CredentialsUnavailable'
    assert ask(gw, mode)[1][0] == 'CredentialsUnavailable'
    assert not s3.requests


NGINX_ERRORS = {
    'basic': (401, 'Unauthorized', 'auth_basic r; auth_basic_user_file none;'),
    'deny': (403, 'Forbidden', 'deny all;'),
    'big': (413, 'ContentTooLarge', 'client_max_body_size 10;'),
    'rate429': (429, 'TooManyRequests',
                'limit_req zone=none; limit_req_status 429;'),
    'rate': (503, 'ServiceUnavailable', 'limit_req zone=none;'),
    'down': (502, 'BadGateway', ''),
    'slow': (504, 'GatewayTimeout', 'proxy_read_timeout 100ms;'),
    '500': (500, 'InternalServerError', 'return 500;'),
    '404': (404, 'NotFound', 'return 404;'),
    '410': (410, 'Gone', 'return 410;'),
    '418': (418, 'Error', 'return 418;'),
    '402': (402, 'PaymentRequired', 'return 402;'),
    'request': (401, 'Unauthorized', 'auth_request /401;'),
    'loop': (500, 'InternalServerError', 'rewrite ^ /loop;'),
}


@pytest.mark.parametrize('mode', MODES)
def test_nginx_errors(s3, nginx, mode):
    """The shape is that of all others, whoever makes the error."""
    gw = both(nginx, server='location = /401 { return 401; }' + ''.join(
        place(f'= /{name}', f's3jobs_json {"on" if mode == "json" else "off"};'
              + lines, proxy_pass='http://127.0.0.1:1' if name == 'down'
              else 'http://s3control')
        for name, (_, _, lines) in NGINX_ERRORS.items()),
        http='limit_req_zone $binary_remote_addr zone=none:32k rate=1r/m;')
    for path in 'rate', 'slow':
        if path == 'rate':
            assert gw.get('/rate').status == 200
        for name, (status, code, _) in NGINX_ERRORS.items():
            if (name == 'slow') != (path == 'slow'):
                continue
            s3.always(Reply(never=True) if name == 'slow' else None)
            for method in 'GET', 'HEAD':
                r = get(gw, '/' + name, method=method,
                        body=b'x' * 11 if name == 'big' else b'')
                assert r.status == status and r.complete, r
                assert r.all('WWW-Authenticate') == (
                    ['Basic realm="r"'] if name == 'basic' else [])
                assert r.all('Content-Type') == [
                    'application/problem+json' if mode == 'json'
                    else 'application/xml']
                assert (r.log['error'], r.log['id']) == (code, '-')
                if method == 'HEAD':
                    assert r.header('Content-Length') and not r.body
                elif status != 418:         # which has no phrase
                    said = told(r, mode == 'json')
                    assert (said[0], said[2]) == (code, r.log['request_id'])


@pytest.mark.parametrize('mode', MODES)
def test_broken_upstream_header(s3, nginx, mode):
    gw = both(nginx, json='proxy_buffer_size 1k; proxy_buffers 4 1k;',
              xml='proxy_buffer_size 1k; proxy_buffers 4 1k;')
    head = b'HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n\r\n'
    for raw in (b'', b'nonsense\r\n\r\n', b'\0' * 100, head[:20], head[:-1],
                b'HTTP/1.1 200 OK\r\nX: ' + b'x' * 2000 + b'\r\n\r\n'):
        s3.always(Reply(raw=raw))
        r, (code, _, request_id) = ask(gw, mode)
        # what has no status line is of HTTP/0.9 to nginx: a body
        assert (r.status, code) == (502, 'BadUpstreamResponse' if raw[:1] in (
            b'n', b'\0') else 'BadGateway'), raw
        assert r.log['request_id'] == request_id


@pytest.mark.parametrize('mode', MODES)
def test_precondition_failed(s3, nginx, mode, tmp_path):
    """nginx's 412 is made of a cached answer: another filter finalizes it."""
    lines = ('proxy_cache one; '
             ' proxy_cache_valid 200 1h;')
    gw = both(nginx, lines, lines,
              http=f'proxy_cache_path {tmp_path}/cache keys_zone=one:1m;')
    s3.always(Reply(headers=(('ETag', '"right"'),)))
    for _ in range(3):
        assert gw.get('/' + mode).status == 200
        r, (code, _, _) = ask(gw, mode, headers={'If-Match': '"wrong"'})
        assert (r.status, code) == (412, 'PreconditionFailed')
    assert len(s3.requests) == 1


@pytest.mark.parametrize('mode', MODES)
def test_cached_error(s3, nginx, mode, tmp_path):
    lines = ('proxy_cache one; '
             ' proxy_cache_valid any 1h;'
             ' add_header X-Cache $upstream_cache_status always;')
    gw = both(nginx, lines, lines,
              http=f'proxy_cache_path {tmp_path}/cache keys_zone=one:1m;')
    s3.script(Reply(error='AccessDenied', message=SECRETIVE, fields=FIELDS))
    for status in 'MISS', 'HIT', 'HIT':
        r, (code, _, request_id) = ask(gw, mode)
        assert (r.status, code) == (403, 'AccessDenied')
        assert r.header('X-Cache') == status
        assert request_id == s3.requests[0].request_id
    assert len(s3.requests) == 1


@pytest.mark.parametrize('reply', [
    {'error': 'AccessDenied'}, {'error': 'InternalError'},
    {'status': 200, 'body': b'<html>'}])
@pytest.mark.parametrize('mode', MODES)
def test_headers_of_the_document_that_is_replaced(s3, nginx, mode, reply):
    if mode == 'xml' and reply.get('status') == 200:
        reply = {'status': 404, 'body': b'<html>'}
    gw = both(nginx)
    s3.script(Reply(headers=[
        ('Cache-Control', 'max-age=999'), ('Expires', '0'),
        ('Set-Cookie', 'a=b'), ('Refresh', '0; url=/'), ('Link', '<a>'),
        ('WWW-Authenticate', 'Basic'), ('Content-Disposition', 'inline'),
        ('X-New', 'role/secret')], **reply))
    r, _ = ask(gw, mode)
    assert r.status >= 400 and r.header('x-amz-id-2')
    assert {name.lower() for name, value in r.headers} <= {
        'server', 'date', 'content-type', 'content-length', 'connection',
        'x-amz-id-2', 'x-amz-request-id'}


@pytest.mark.parametrize('reply', [{}, {'error': 'SlowDown'}])
@pytest.mark.parametrize('mode', MODES)
def test_fallback_location(s3, nginx, mode, reply):
    """After error_page the answer is S3's, whatever the status was."""
    fallback = place('@fallback', 's3jobs_json '
                     f'{"on" if mode == "json" else "off"};')
    gw = nginx(location='error_page 502 @fallback;', server=fallback,
               proxy_pass='http://127.0.0.1:1')
    if reply:
        s3.always(Reply(**reply))
        r = gw.get('/jobs')
        assert (r.status, told(r, mode == 'json')[0]) == (503, 'SlowDown')
        assert len(s3.requests) == 3, 'tries elsewhere do not count'
        return
    r = gw.get('/jobs')
    assert r.status == 502, 'nginx keeps the status'
    jobs = (r.json()['Jobs'] if mode == 'json'
            else re.findall('<JobId>', r.text))
    assert len(jobs) == len(s3.jobs(ACCOUNT, REGION))
    # its own errors stay what they are
    gw = nginx(location='error_page 502 @fallback;', sources='',
               server=fallback.replace('s3jobs_region us-east-1',
                                       's3jobs_region $nothing'),
               http='s3jobs_credentials_source ops env;'
                    'map x $nothing { default ""; }',
               proxy_pass='http://127.0.0.1:1')
    r = gw.get('/jobs')
    assert (r.status, told(r, mode == 'json')[0]) == (403, 'AccessDenied')


@pytest.mark.parametrize('mode', MODES)
def test_error_page(s3, nginx, mode):
    """What the operator puts in the place of an error stays as it is."""
    gw = both(nginx, 'error_page 502 503 = /static;',
              'error_page 502 503 = /static;', server='location = /static {'
              ' default_type text/plain; return 200 mine; }')
    s3.script(Reply(raw=b''))
    r = gw.get('/' + mode)
    assert (r.status, r.text) == (200, 'mine')
    # S3's own errors are not nginx's
    s3.script(Reply(error='SlowDown'))
    assert ask(gw, mode)[1][0] == 'SlowDown'


@pytest.mark.parametrize('mode', MODES)
def test_one_connection(s3, nginx, mode):
    """Errors and listings in turn: the connection stays in step."""
    gw = both(nginx)
    client = gw.connect()
    for _ in range(3):
        for code in 'InvalidRequest', 'SlowDown', 'InternalError':
            s3.script(Reply(error=code))
            r = client.request('/' + mode)
            assert told(r, mode == 'json')[0] == code
            assert client.request('/' + mode, method='HEAD').status == 200
            assert client.request('/' + mode).status == 200
            s3.script(Reply(error=code))
            r = client.request('/' + mode, method='HEAD')
            assert r.status in (400, 502, 503) and not r.body
            assert r.header('Content-Type') == (
                'application/problem+json' if mode == 'json'
                else 'application/xml')
            assert client.request('/' + mode, [], 'POST').status == 405
    # in XML, nginx leaves the body of a HEAD unread, and the connection with it
    assert s3.connections == 1 or mode == 'xml'


@pytest.mark.parametrize('mode', MODES)
def test_http2_errors(s3, nginx, mode):
    gw = both(nginx, h2=True)
    for code, status in ('AccessDenied', 403), ('SlowDown', 503):
        s3.script(Reply(error=code, message=SECRETIVE, fields=FIELDS))
        r = gw.get_h2('/' + mode)
        assert r.status == status
        assert told(r, mode == 'json')[0] == code
    assert told(gw.get_h2(f'/{mode}?x=1'), mode == 'json')[0] \
        == 'InvalidRequest'


# the AWS CLI, which puts the account's label before any endpoint: it is
# given nginx as its proxy

CLI_ROWS = [
    (Reply(error='InvalidRequestException', message='Not <this>.'),
     'InvalidRequest', 'Not <this>.'),
    (Reply(error='AccessDenied', message=SECRETIVE), 'AccessDenied', None),
    (Reply(error='ExpiredToken', fields=FIELDS), 'ExpiredToken', None),
    (Reply(error='SignatureDoesNotMatch', fields=FIELDS),
     'SignatureDoesNotMatch', None),
    (Reply(error='SlowDown'), 'SlowDown', None),
    (Reply(error='TooManyRequestsException'), 'TooManyRequests', None),
    (Reply(error='InternalServiceException'), 'InternalService', None),
    (Reply(status=503, body=b''), 'ServiceUnavailable', None),
    (Reply(status=404, body=b'<html/>'), 'BadUpstreamResponse', None),
    (Reply(raw=b''), 'BadGateway', 'Bad Gateway'),
    (Reply(never=True), 'GatewayTimeout', 'Gateway Timeout'),
]


def aws(gw, *arguments):
    done = subprocess.run(
        ['/usr/bin/aws', 's3control', 'list-jobs', '--account-id', ACCOUNT,
         '--region', 'eu-west-1', '--endpoint-url', 'http://gateway.test',
         '--no-paginate', '--output', 'json', *arguments],
        env={'PATH': '/usr/bin:/bin', 'HOME': '/nonexistent',
             'HTTP_PROXY': f'http://127.0.0.1:{gw.port}',
             'AWS_ACCESS_KEY_ID': 'AKIDOFTHECLIENT',
             'AWS_SECRET_ACCESS_KEY': 'not the secret of the gateway',
             'AWS_MAX_ATTEMPTS': '1', 'AWS_EC2_METADATA_DISABLED': 'true'},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=PATIENCE)
    found = re.search(r'An error occurred \((.*?)\) when calling the ListJobs'
                      r' operation(?: \(reached max retries: 0\))?: (.*)',
                      done.stderr, re.S)
    return done, found and (found[1], found[2].strip())


def test_aws_cli(s3, nginx):
    patient, impatient = (
        nginx(path='= /v20180820/jobs', location=lines, log_format=LOG)
        for lines in ('', 'proxy_read_timeout 200ms;'))
    for reply, code, message in CLI_ROWS:
        s3.always(reply)
        gw = impatient if code == 'GatewayTimeout' else patient
        done, said = aws(gw)
        assert said and said[0] == code, (reply, done)
        assert said[1] == (message or said[1]) and said[1]
        assert 'LEAK' not in done.stderr and ROLE not in done.stderr
        until(lambda: f'error={code} ' in '\n'.join(gw.access()), code)
        s3.reset()
    asked = len(s3.requests)
    done, said = aws(gw, '--job-statuses', 'Finished')
    assert said[0] == 'InvalidRequest' and 'jobStatuses' in said[1], done
    assert len(s3.requests) == asked
    assert {r.key_id for r in s3.requests} == {KEY}
    assert SECRET not in patient.log() + impatient.log()
