"""What the tests of the filters share: locations, and the checks of an
answer against parsers that are not ours."""

import http
import json
import re

from botocore.parsers import create_parser
from botocore.session import Session

from nginx import DEFAULTS, location
from s3control import ACCOUNT, KEY, PATH, REGION

# what S3 may say and no client may see
UNSPEAKABLE = ('StringToSign', 'CanonicalRequest', 'AWSAccessKeyId', 'Token-0',
               'assumed-role', 'AKIDEXAMPLE')

HOST = f'{ACCOUNT}.s3-control.{REGION}.amazonaws.com'
EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
SIGNED = 'host;x-amz-account-id;x-amz-content-sha256;x-amz-date'

# RFC 9110, section 15, where Python is older
PHRASES = {413: 'Content Too Large', 414: 'URI Too Long'}

SHAPE = Session().get_service_model('s3control').operation_model('ListJobs') \
                 .output_shape


def place(path, lines='', **options):
    """A further location like the standard one; belongs into server=."""
    return location({**DEFAULTS, 'path': path, 'location': lines, **options})


def pairs(members):
    names = [name for name, value in members]
    assert len(names) == len({*names}), f'a name twice: {names}'
    return dict(members)


def strict_json(body):
    """Parsed, and refused if it is not UTF-8 or has a name twice."""
    return json.loads(bytes(body).decode(), object_pairs_hook=pairs)


def parses(body):
    try:
        json.loads(bytes(body))
    except ValueError:
        return False
    return True


def botocore(r):
    """What an AWS SDK makes of an answer in XML."""
    return create_parser('rest-xml').parse(
        {'status_code': r.status, 'headers': dict(r.headers),
         'body': bytes(r.body)}, SHAPE)


def told(r, json):
    """(code, message, request id) of an error, of which the shape, the
    framing and the headers are checked."""
    assert r.complete and r.status >= 400, r
    assert not any(word in f'{r.headers}{r.text}' for word in UNSPEAKABLE), r
    for name in 'ETag', 'Last-Modified', 'Accept-Ranges', 'Location', \
            'Content-Encoding':
        assert not r.all(name), r
    if r.version != 'HTTP/2':
        assert r.header('Content-Length') == str(len(r.body)), r

    if not json:
        assert r.header('Content-Type') == 'application/xml', r
        said = botocore(r)
        # the error parser takes what it finds: all of it is to be S3's shape
        assert re.fullmatch(
            r'<\?xml version="1.0" encoding="UTF-8"\?>\n<ErrorResponse><Error>'
            r'<Code>[^<]+</Code><Message>[^<]+</Message></Error>'
            r'<RequestId>[^<]+</RequestId></ErrorResponse>', r.text), r
        assert said['ResponseMetadata']['HTTPStatusCode'] == r.status
        assert said['Error'].keys() == {'Code', 'Message'}
        return (said['Error']['Code'], said['Error']['Message'],
                said['ResponseMetadata']['RequestId'])

    assert r.header('Content-Type') == 'application/problem+json', r
    problem = strict_json(r.body)
    assert list(problem) == ['type', 'title', 'status', 'detail', 'code',
                             'requestId'], r
    assert problem['type'] == 'about:blank'
    assert problem['status'] == r.status
    assert problem['title'] == PHRASES.get(
        r.status, http.HTTPStatus(r.status).phrase), r
    return problem['code'], problem['detail'], problem['requestId']


def assert_ours(request, token=None, more=(), query=''):
    """Exactly our headers, each once, with these values, all signed; and
    more, (name, value), of the operator."""
    assert request.verdict is None, request
    assert (request.method, request.target, request.version) \
        == ('GET', PATH + (query and f'?{query}'), 'HTTP/1.1')
    assert (bytes(request.body), request.extra) == (b'', b'')
    headers = sorted((n.lower(), v) for n, v in request.headers)
    date = request.header('x-amz-date')
    assert re.fullmatch(r'\d{8}T\d{6}Z', date)
    signed = SIGNED + (';x-amz-security-token' if token else '')
    authorization = request.header('authorization')
    assert re.fullmatch(
        f'AWS4-HMAC-SHA256 Credential={KEY}/{date[:8]}/{REGION}/s3'
        f'/aws4_request, SignedHeaders={signed}, Signature=[0-9a-f]{{64}}',
        authorization)
    expected = [('authorization', authorization), ('host', HOST),
                ('x-amz-account-id', ACCOUNT),
                ('x-amz-content-sha256', EMPTY), ('x-amz-date', date)]
    if token:
        expected.append(('x-amz-security-token', token))
    assert headers == sorted([*expected, *more])
