"""The stand-in, against clients that know nothing of it: botocore's own
s3control client, botocore's signer, and the worked signatures."""

import calendar
import gzip
import itertools
import ssl
import time

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse, HeadersDict
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.session import Session

from s3control import (ACCOUNT, KEY, PATH, REGION, SECRET, STATUSES,
                       TOKEN_FRINGE, Reply, as_cli, make_jobs)
from wire import PATIENCE, Client

HOST = f'{ACCOUNT}.s3-control.{REGION}.amazonaws.com'
OTHER = '000000000042'
FRAMINGS = 'length', 'chunked', 'close'


def boto(s3, key=KEY, secret=SECRET, token=None, region=REGION):
    """botocore's client; only its connection is replaced."""
    def send(request, **_):
        target = request.url.split('//')[1].partition('/')[2]
        headers = [(n, v.decode() if isinstance(v, bytes) else v)
                   for n, v in request.headers.items()]
        with Client(s3.port) as client:
            r = client.request('/' + target, headers)
        response = AWSResponse(request.url, r.status, HeadersDict(r.headers),
                               None)
        response._content = bytes(r.body)
        return response

    client = Session().create_client(
        's3control', region, aws_access_key_id=key,
        aws_secret_access_key=secret, aws_session_token=token,
        config=Config(retries={'total_max_attempts': 1}))
    client.meta.events.register('before-send', send)
    return client


def listing(client, **parameters):
    """The pages that a client gets."""
    while True:
        page = client.list_jobs(**{'AccountId': ACCOUNT, **parameters})
        del page['ResponseMetadata']
        yield page
        if 'NextToken' not in page:
            return
        parameters['NextToken'] = page['NextToken']


def printed(value):
    """What botocore parsed, as the AWS CLI prints it."""
    if isinstance(value, dict):
        return {k: printed(v) for k, v in value.items()}
    if isinstance(value, list):
        return [printed(v) for v in value]
    return value.isoformat() if hasattr(value, 'isoformat') else value


def signed(target=PATH, method='GET', host=HOST, account=ACCOUNT,
           region=REGION, service='s3', key=KEY, secret=SECRET, token=None,
           signer=S3SigV4Auth, add={}):
    """The header of a request that botocore signs."""
    request = AWSRequest(method, f'https://{host}{target}', headers={
        'Host': host, **({'x-amz-account-id': account} if account else {}),
        **add})
    signer(Credentials(key, secret, token), service, region).add_auth(request)
    return dict(request.headers.items())


def ask(s3, target=PATH, headers=None, method='GET', body=b'', **how):
    """(verdict, response)"""
    headers = signed(target, method, **how) if headers is None else headers
    with Client(s3.port) as client:
        r = client.request(target, headers, method, body)
    return s3.requests[-1].verdict, r


@pytest.mark.parametrize('framing', FRAMINGS)
@pytest.mark.parametrize('token_first', [False, True])
def test_whole_listing(s3, framing, token_first):
    s3.framing, s3.token_first, s3.page = framing, token_first, 10
    pages = printed(list(listing(boto(s3))))
    assert pages == as_cli(list(s3.pages()))
    assert [len(page['Jobs']) for page in pages] == [10, 10, 5]
    assert {'Jobs': sum((p['Jobs'] for p in pages), [])} \
        == s3.expected(cli=True)
    assert {*TOKEN_FRINGE} <= {*pages[0]['NextToken']}
    assert [r.verdict for r in s3.requests] == [None] * 3


@pytest.mark.parametrize('indent', [0, 2])
@pytest.mark.parametrize('declaration', [False, True])
@pytest.mark.parametrize('namespace', [None, 'urn:any'])
def test_shapes(s3, indent, declaration, namespace):
    s3.indent, s3.declaration, s3.namespace = indent, declaration, namespace
    assert printed(next(listing(boto(s3)))) == s3.expected(cli=True)
    body = ask(s3)[1].text
    assert body.startswith('<?xml') == declaration
    assert ('\n  <Jobs>\n    <member>\n' in body) == bool(indent)
    s3.entry = 'JobListDescriptor'
    assert ask(s3)[1].text.count('</JobListDescriptor>') == 25


def test_parameters(s3):
    client = boto(s3)
    for size in 1, 7, 24, 25, 1000:
        pages = list(listing(client, MaxResults=size))
        assert printed(pages) == as_cli(list(s3.pages(size=size)))
    few = ['Active', 'New']
    assert printed(list(listing(client, JobStatuses=few, MaxResults=1))) \
        == as_cli(list(s3.pages(statuses=few, size=1)))
    assert {j['Status'] for j in s3.jobs(statuses=few)} == {*few}
    assert printed(next(listing(client, MaxResults=0))) \
        == s3.expected(cli=True)


def test_jobs_are_real_looking(s3):
    jobs = list(make_jobs(ACCOUNT, REGION, 100))
    assert jobs == list(make_jobs(ACCOUNT, REGION, 100))
    assert {job['Status'] for job in jobs} == {*STATUSES}
    assert len({job['JobId'] for job in jobs}) == 100
    for field in 'Description', 'TerminationDate', 'ProgressSummary':
        assert 0 < sum(field in job for job in jobs) < 100


def test_accounts_and_regions(s3):
    for account, region in itertools.product((ACCOUNT, OTHER),
                                             (REGION, 'eu-west-1')):
        pages = list(listing(boto(s3, region=region), AccountId=account))
        assert printed(pages) == [as_cli(s3.expected(account, region))]
    assert len({str(s3.jobs(a, r)) for a in (ACCOUNT, OTHER)
                for r in (REGION, 'eu-west-1')}) == 4
    s3.set_jobs(OTHER, [])
    assert next(listing(boto(s3), AccountId=OTHER)) == {'Jobs': []}


def test_worked_signatures(s3):
    s3.clock = lambda: calendar.timegm((2026, 1, 2, 3, 4, 5))
    for query, code, signature in [
            ('', None, '0c587a1f6eae9027e2a6093eb63e5da2'
             'e64e54a8e7af9d53c8eb956f70a8263e'),
            ('?jobStatuses=Active&jobStatuses=Complete&maxResults=1000', None,
             'f4c257e4cfbe5aad0cab6d8def51e0c0'
             '4229e5c5f1aa3682c0df87bd8ffce179'),
            ('?nextToken=Ab0%2B%2F%3D%3A%3F%23%24%25%26%27%28%29%2A%2C-.%3B'
             '%3C%3E%40%5B%5C%5D%5E_', 'InvalidNextToken',
             'cbc55820955c50dae0b255aa0a6a9acb'
             'f645d6f40b4003a71fec3bfeac852b5b')]:
        headers = {
            'Host': HOST, 'X-Amz-Account-Id': ACCOUNT, 'X-Amz-Content-Sha256':
            'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
            'X-Amz-Date': '20260102T030405Z', 'Authorization':
            f'AWS4-HMAC-SHA256 Credential={KEY}/20260102/us-east-1/s3/'
            'aws4_request, SignedHeaders=host;x-amz-account-id;'
            f'x-amz-content-sha256;x-amz-date, Signature={signature}'}
        assert ask(s3, PATH + query, headers)[0] == code
        headers['Authorization'] = headers['Authorization'][:-1] + 'x'
        assert ask(s3, PATH + query, headers)[0] \
            == 'AuthorizationHeaderMalformed'


def changed(change, **how):
    headers = signed(**how)
    change(headers)
    return headers


@pytest.mark.parametrize('code,headers', [
    ('AccessDenied', lambda: {'Host': HOST}),
    ('AccessDenied', lambda: changed(
        lambda h: h.update({'x-amz-meta': 'unsigned'}))),
    ('AccessDenied', lambda: changed(
        lambda h: h.update({'X-Amz-Date': 'yesterday'}))),
    ('AccessDenied', lambda: changed(lambda h: h.pop('X-Amz-Date'))),
    ('AuthorizationHeaderMalformed', lambda: changed(
        lambda h: h.update(Authorization='AWS AKIDEXAMPLE:abc'))),
    ('AuthorizationHeaderMalformed', lambda: signed(region='eu-west-1')),
    ('AuthorizationHeaderMalformed', lambda: signed(service='s3-control')),
    ('AuthorizationHeaderMalformed', lambda: changed(
        lambda h: h.update({'X-Amz-Date': '20260102T030405Z'}))),
    ('InvalidAccessKeyId', lambda: signed(key='AKIDUNKNOWN')),
    ('InvalidAccessKeyId', lambda: signed(key='ASIDTOKEN', secret='s')),
    ('InvalidToken', lambda: signed(key='ASIDTOKEN', secret='s', token='x')),
    ('InvalidToken', lambda: signed(token='x')),
    ('ExpiredToken', lambda: signed(key='ASIDOLD', secret='s', token='t')),
    ('InvalidRequest', lambda: signed(signer=SigV4Auth)),
    ('InvalidRequest', lambda: signed(account=None)),
    ('InvalidRequest', lambda: signed(account=OTHER)),
    ('InvalidRequest', lambda: signed(account='12345678901x')),
    ('InvalidHostHeader', lambda: signed(host='localhost')),
    ('InvalidHostHeader', lambda: signed(
        host=f'{ACCOUNT}.s3-control.cn-north-1.amazonaws.com')),
    ('SignatureDoesNotMatch', lambda: signed(secret='wrong')),
    ('SignatureDoesNotMatch', lambda: signed(PATH + '?maxResults=1')),
    ('SignatureDoesNotMatch', lambda: signed(method='POST')),
    ('SignatureDoesNotMatch', lambda: changed(
        lambda h: h.update({'x-amz-account-id': OTHER}),
        host=f'{OTHER}.s3-control.{REGION}.amazonaws.com')),
    ('SignatureDoesNotMatch', lambda: changed(lambda h: h.update(
        Authorization=h['Authorization'].replace('host;x-amz-account-id',
                                                 'x-amz-account-id;host')))),
    ('XAmzContentSHA256Mismatch', lambda: changed(
        lambda h: h.update({'X-Amz-Content-SHA256': '0' * 64}))),
    ('AccessDenied', lambda: signed(key='AKIDOTHERS', secret='s')),
    (None, lambda: signed(key='ASIDTOKEN', secret='s', token='t')),
    (None, lambda: signed(host=HOST + ':8443')),
    (None, lambda: signed(
        host=f'{ACCOUNT}.s3-control-fips.dualstack.{REGION}.amazonaws.com')),
    (None, lambda: signed(
        host=f'{ACCOUNT}.control.vpce-1a-b.s3.{REGION}.vpce.amazonaws.com')),
])
def test_refusals(s3, code, headers):
    headers = headers()
    s3.key('ASIDTOKEN', 's', token='t')
    s3.key('ASIDOLD', 's', token='t', expires=time.time() - 1)
    s3.key('AKIDOTHERS', 's', accounts=(OTHER,))
    verdict, r = ask(s3, headers=headers)
    assert verdict == code and (r.status == 200) == (code is None), \
        s3.requests
    if code:
        assert f'<Error><Code>{code}</Code>' in r.text
        assert r.status == (400 if 'Invalid' in code and code != 'Invalid'
                            'AccessKeyId' or 'Expired' in code or 'Malformed'
                            in code or 'Mismatch' in code else 403)
    s3.unsigned_expected = int('Authorization' not in headers)
    assert s3.unsigned == s3.unsigned_expected


@pytest.mark.parametrize('code,method,query', [
    ('MethodNotAllowed', 'POST', ''),
    ('MethodNotAllowed', 'HEAD', ''),
    ('InvalidURI', 'GET', None),
    ('InvalidRequest', 'GET', 'maxResults=1001'),
    ('InvalidRequest', 'GET', 'maxResults=-1'),
    ('InvalidRequest', 'GET', 'maxResults='),
    ('InvalidRequest', 'GET', 'maxResults=1&maxResults=2'),
    ('InvalidRequest', 'GET', 'jobStatuses=Active%2CNew'),
    ('InvalidRequest', 'GET', 'jobStatuses=active'),
    ('InvalidRequest', 'GET', 'nextToken=%20'),
    ('InvalidRequest', 'GET', 'nextToken=' + 1025 * 'a'),
    ('InvalidRequest', 'GET', 'unknown=1'),
    ('InvalidNextToken', 'GET', 'nextToken=' + 1024 * 'a'),
    ('InvalidNextToken', 'GET', 'nextToken=ae'),
    ('InvalidRequest', 'GET', 'nextToken=%C3%A4'),
    ('SignatureDoesNotMatch', 'GET', 'nextToken=%E4'),
    # sent as signed, but that is not the canonical form
    ('SignatureDoesNotMatch', 'GET', 'maxResults'),
    ('SignatureDoesNotMatch', 'GET', 'nextToken=%2f'),
    ('SignatureDoesNotMatch', 'GET', 'nextToken=/'),
    ('SignatureDoesNotMatch', 'GET', 'nextToken=%61'),
    ('SignatureDoesNotMatch', 'GET', 'maxResults=1&jobStatuses=New'),
    ('SignatureDoesNotMatch', 'GET', 'jobStatuses=New&jobStatuses=Active'),
    ('SignatureDoesNotMatch', 'GET', 'maxResults=1&'),
    (None, 'GET', 'jobStatuses=Active&jobStatuses=New&maxResults=1'),
])
def test_queries(s3, code, method, query):
    target = '/v20180820/job' if query is None \
        else PATH + ('?' + query if query else '')
    verdict, r = ask(s3, target, method=method)
    assert verdict == code, s3.requests
    assert r.complete


def test_empty_query_is_not_canonical(s3):
    assert ask(s3, PATH + '?', signed())[0] == 'SignatureDoesNotMatch'


def test_page_tokens_are_bound(s3):
    """To account, region and statuses."""
    [first, *_] = s3.pages(size=5)
    for how in ({'region': 'eu-west-1'}, {'statuses': ['Active']},
                {'account': OTHER}):
        with pytest.raises(ClientError, match='InvalidNextToken'):
            next(listing(
                boto(s3, region=how.get('region', REGION)),
                AccountId=how.get('account', ACCOUNT),
                JobStatuses=how.get('statuses', []),
                NextToken=first['NextToken']))


def test_clock(s3):
    for offset, code in ((0, None), (890, None), (-890, None),
                         (910, 'RequestTimeTooSkewed'),
                         (-910, 'RequestTimeTooSkewed')):
        s3.clock = lambda: time.time() + offset
        assert ask(s3)[0] == code
    assert '<ServerTime>' in ask(s3)[1].text


def test_rotation(s3):
    s3.key(KEY, 'another')
    assert ask(s3)[0] == 'SignatureDoesNotMatch'
    assert ask(s3, secret='another')[0] is None
    del s3.keys[KEY]
    assert ask(s3, secret='another')[0] == 'InvalidAccessKeyId'
    assert {SECRET, 'another'} <= s3.secrets


def test_error_documents(s3):
    text = ask(s3, secret='wrong')[1].text
    for element in ('AWSAccessKeyId', 'StringToSign', 'CanonicalRequest'):
        assert f'</{element}>' in text
    for root, ids in itertools.product(('ErrorResponse', 'Error'),
                                       (True, False)):
        s3.error_root, s3.ids_in_errors = root, ids
        r = ask(s3, secret='wrong')[1]
        assert f'</{root}>' in r.text and ids == ('<RequestId>' in r.text)
        assert r.header('x-amz-request-id') == s3.requests[-1].request_id
        with pytest.raises(ClientError) as e:
            next(listing(boto(s3, secret='wrong')))
        assert e.value.response['Error']['Code'] == 'SignatureDoesNotMatch'
    s3.script(Reply(error='SlowDown', headers=[('Retry-After', '7')]))
    verdict, r = ask(s3)
    assert (verdict, r.status, r.header('Retry-After')) == (None, 503, '7')
    assert '<Code>SlowDown</Code>' in r.text


def test_requests_as_received(s3):
    s3.unsigned_expected = 3
    with Client(s3.port) as client:
        client.send('GET /a%2f?b HTTP/1.1\r\nhOst: x\r\nA: 1\r\na:  2 \r\n'
                    'Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n')
        assert [client.response().status for _ in range(2)] == [400, 400]
        client.send('smuggled\r\n\r\n')
        assert client.response().closed
    first, second, third = s3.wait_for(3)
    assert (first.method, first.target) == ('GET', '/a%2f?b')
    assert first.headers == [('hOst', 'x'), ('A', '1'), ('a', '2'),
                             ('Content-Length', '3')]
    assert first.body == b'abc'
    assert first.extra == b'GET / HTTP/1.1\r\n\r\n' and second.extra == b''
    assert [(r.connection, r.serial) for r in s3.requests] \
        == [(1, 1), (1, 2), (1, 3)]
    assert third.verdict == 'BadRequest'
    headers = [*signed().items(), ('X-Amz-Date', 'again')]
    assert ask(s3, headers=headers)[0] == 'InvalidRequest'
    assert s3.connections == 2 and s3.total == 4
    s3.clear()
    with pytest.raises(AssertionError):
        s3.wait_for(1, timeout=0.1)


def test_keepalive(s3):
    with Client(s3.port) as client:
        for _ in range(3):
            assert client.request(PATH, signed()).status == 200
    assert [r.serial for r in s3.requests] == [1, 2, 3]
    assert s3.connections == 1


@pytest.mark.parametrize('reset', [False, True])
@pytest.mark.parametrize('framing', FRAMINGS)
def test_cut(s3, framing, reset):
    whole = bytes(ask(s3)[1].body)
    for n in 0, 1, 100, len(whole) - 1, len(whole):
        s3.script(Reply(cut=n, framing=framing, reset=reset, chunks=(7, 50)))
        r = ask(s3)[1]
        assert r.status == 200 and r.framing == framing
        assert r.body == whole[:n] and (r.closed or r.complete)
        assert r.complete == (framing == 'close' and not reset or
                              framing == 'length' and n == len(whole))


def test_scripts(s3):
    whole = bytes(ask(s3)[1].body)
    s3.script(None, Reply(framing='chunked', chunks=(1, 3)),
              Reply(gzip=True), Reply(status=204), Reply(raw=b''),
              Reply(body=b'<x/>', status=418, headers=[
                  ('Content-Type', 'text/html'), ('x-amz-request-id', None)]),
              lambda request: Reply(body=request.target.encode()),
              Reply(body=(b'%d,' % i for i in range(100000))),
              Reply(drip=(50, 0.0001)), Reply(close=True))
    plain, chunked, zipped, empty, nothing, teapot, echo, huge, drip, close \
        = [ask(s3)[1] for _ in range(10)]
    assert plain.body == chunked.body == drip.body == close.body == whole
    assert chunked.framing == 'chunked' and close.closed
    assert zipped.header('Content-Encoding') == 'gzip'
    assert gzip.decompress(zipped.body) == whole
    assert empty.status == 204 and empty.complete
    assert nothing.status is None and nothing.closed
    assert (teapot.status, teapot.body) == (418, b'<x/>')
    assert teapot.all('Content-Type') == ['text/html']
    assert teapot.header('x-amz-request-id') is None
    assert echo.text == PATH
    assert huge.body.endswith(b',99999,') and huge.complete

    s3.always(Reply(status=500))
    assert [ask(s3)[1].status for _ in range(2)] == [500, 500]
    assert ask(s3, secret='wrong')[1].status == 403
    s3.reset()
    assert ask(s3)[1].status == 200
    s3.verify = False
    verdict, r = ask(s3, secret='wrong')
    assert verdict == 'SignatureDoesNotMatch' and r.status == 200


def test_delays(s3):
    s3.script(Reply(delay=0.2, body_delay=0.2))
    start = time.monotonic()
    with Client(s3.port) as client:
        client.send(f'GET {PATH} HTTP/1.1\r\n' + ''.join(
            f'{n}: {v}\r\n' for n, v in signed().items()) + '\r\n')
        r = client.head()
        head = time.monotonic() - start
        client.body(r)
    assert head >= 0.2 and time.monotonic() - start >= 0.4


def test_never(s3):
    s3.always(Reply(never=True))
    with Client(s3.port, timeout=0.3) as client:
        with pytest.raises(TimeoutError):
            client.request(PATH, signed())
        client.sock.settimeout(PATIENCE)
        s3.reset()
        assert client.head().closed


def test_http_10(s3):
    s3.framing = 'chunked'
    with Client(s3.port) as client:
        client.send(f'GET {PATH} HTTP/1.0\r\n' + ''.join(
            f'{n}: {v}\r\n' for n, v in signed().items()) + '\r\n')
        r = client.response()
    assert r.status == 200 and r.framing == 'close' and r.closed


def test_tls(stand_in, certificates):
    made = certificates(HOST, 'localhost')
    s3 = stand_in(tls=made)
    trusting = ssl.create_default_context(cafile=made.ca)
    with Client(s3.port, tls=trusting, name=HOST) as client:
        r = client.request(PATH, signed())
        assert r.status == 200 and r.complete
    assert s3.requests[0].sni == HOST
    for tls, name in ((trusting, 'example.org'),
                      (ssl.create_default_context(), HOST)):
        with pytest.raises(ssl.SSLCertVerificationError):
            Client(s3.port, tls=tls, name=name)
    s3.script(Reply(cut=5))
    with Client(s3.port, tls=trusting, name=HOST) as client:
        r = client.request(PATH, signed())
        assert r.body == b'<?xml' and not r.complete
