"""s3jobs_job: one job, by DescribeJob."""

import datetime
import random
import re
import string

import pytest
from botocore.parsers import create_parser

from describe import OPERATIONS, SHAPE, document, generate
from gateway import place, strict_json, told
from s3control import ACCOUNT, NAMESPACE, PATH, REGION, Reply

JOB = 's3jobs_json {}; s3jobs_job $id;'
WHERE = '~ ^/jobs/(?<id>.*)$'


@pytest.fixture
def gateway(nginx):
    def start(mode='on', location='', **options):
        return nginx(path=WHERE, location=JOB.format(mode) + location,
                     **options)
    return start


def job(r):
    assert r.status == 200 and r.complete, r
    assert r.header('Content-Type') == 'application/json', r
    return strict_json(r.body)


def plain(value):
    """What botocore parsed, with times as S3 sends them."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec='milliseconds') \
            .replace('+00:00', 'Z')
    return value


def parsed(body):
    answer = create_parser('rest-xml').parse(
        {'status_code': 200, 'headers': {}, 'body': body}, SHAPE)
    del answer['ResponseMetadata']
    return plain(answer)


def test_a_job_of_the_listing(s3, gateway):
    gw = gateway(server=place('= /jobs', 's3jobs_json on;'),
                 log_format='$s3jobs_jobs $s3jobs_pages')
    for listed in s3.jobs():
        r = gw.get(f'/jobs/{listed["JobId"]}')
        described = job(r)['Job']
        assert described['JobArn'].endswith('job/' + listed['JobId'])
        assert [*described['Operation']] == [listed['Operation']]
        for name in listed.keys() - {'Operation'}:
            assert described[name] == listed[name]
    for request, listed in zip(s3.requests, s3.jobs()):
        assert request.verdict is None
        assert request.target == f'{PATH}/{listed["JobId"]}'
    assert {*gw.access()} == {'1 1'}


def test_as_botocore_parses_it(s3, gateway):
    """200 descriptions, of all operations."""
    gw = gateway()
    rnd = random.Random(10)
    jobs = [generate(rnd, operation) for operation in OPERATIONS
            for _ in range(200 // len(OPERATIONS) + 1)]
    s3.descriptions = {j['JobId']: j for j in jobs}
    assert len(s3.descriptions) >= 200
    with gw.connect() as client:
        for description in jobs:
            r = client.request(f'/jobs/{description["JobId"]}')
            xml = document(description, NAMESPACE).encode()
            assert job(r) == parsed(xml) == {'Job': plain(description)}


def test_unknown_fields_pass(s3, gateway):
    gw = gateway()
    s3.descriptions['new-job'] = {
        'JobId': 'new-job', 'Colour': 'red', 'Sizes': ['1', '2'],
        'Operation': {'S3BrewCoffee': {'Cups': '3', 'Beans': {'Kind': 'x'}}}}
    assert job(gw.get('/jobs/new-job')) == {'Job': s3.descriptions['new-job']}


def test_xml_is_passed_on(s3, gateway):
    gw = gateway('accept')
    [first, *_] = s3.jobs()
    r = gw.get(f'/jobs/{first["JobId"]}')
    assert r.header('Content-Type') == 'application/xml'
    assert parsed(bytes(r.body))['Job']['JobId'] == first['JobId']
    r = gw.get(f'/jobs/{first["JobId"]}', {'Accept': 'application/json'})
    assert job(r)['Job']['JobId'] == first['JobId']


@pytest.mark.parametrize('mode', ['on', 'off'])
@pytest.mark.parametrize('path, name', [
    ('', ''), ('abcd', 'abcd'), ('a' * 37, 'a' * 37), ('abcde/f', 'abcde/f'),
    ('abc%20de', 'abc de'), ('abcde.', 'abcde.'), ('abcd%C3%A9', 'abcdé'),
    ('..%2Fjobs', None), ('a' * 100, 'a' * 64),
    ('abc%22de', None)])
def test_id_that_is_none(s3, gateway, mode, path, name):
    gw = gateway(mode)
    r = gw.get(f'/jobs/{path}')
    if r.status == 404 and '..' in path:
        return
    code, message, _ = told(r, mode == 'on')
    assert r.status == 400 and code == 'InvalidRequest'
    assert 'must be 5 to 36 of the characters' in message
    if name is not None:
        assert f'job id "{name}" ' in message
    assert s3.requests == []


@pytest.mark.parametrize('job_id', ['abcde', 'a' * 36, '-----', '__A-9__'])
def test_id_that_is_one(s3, gateway, job_id):
    s3.descriptions[job_id] = {'JobId': job_id}
    assert job(gateway().get(f'/jobs/{job_id}')) == {'Job': {'JobId': job_id}}


def test_id_that_is_shown(s3, gateway, nginx):
    """No lines of its own in the log, nothing that turns text around."""
    gw = nginx(path='~ ^/jobs/(?<id>[^/]+)$',
               location=JOB.format('on'))
    r = gw.get('/jobs/abcd%0A2026-01-01%2000:00:00%20[x]%20%1B%E2%80%AE')
    assert r.status == 400
    for text in told(r, True)[1], gw.log():
        assert '[x]' in text and not re.search('\n2026-01|[\x1b\u202e]', text)


def test_every_character(s3, gateway):
    gw = gateway()
    for byte in range(1, 256):
        for template in '{}abcd', 'abcd{}':
            job_id = template.format(chr(byte))
            s3.descriptions[job_id] = {'JobId': job_id}
            r = gw.get('/jobs/' + template.format(f'%{byte:02X}'))
            if chr(byte) in string.ascii_letters + string.digits + '_-':
                assert job(r) == {'Job': {'JobId': job_id}}
            else:
                # the location's . matches no line feed
                assert r.status in (400, 404 if byte == 10 else 400), job_id
    assert len(s3.requests) == 128


@pytest.mark.parametrize('query', ['jobStatuses=Active', 'x', 'x=1&y=2',
                                   '&&x', 'x&y', 'maxResults=1'])
def test_it_takes_no_arguments(s3, gateway, query):
    r = gateway().get('/jobs/abcdef?' + query)
    assert r.status == 400
    name = re.match(r'&*(\w+)', query)[1]
    assert f'argument "{name}" is unknown' in told(r, True)[1]
    assert s3.requests == []


def test_empty_pairs_are_ignored(s3, gateway):
    [first, *_] = s3.jobs()
    assert job(gateway().get(f'/jobs/{first["JobId"]}?&&'))


@pytest.mark.parametrize('mode', ['on', 'off'])
def test_job_that_is_not_there(s3, gateway, mode):
    gw = gateway(mode)
    r = gw.get('/jobs/abcdef')
    assert r.status == 404
    assert told(r, mode == 'on')[:2] == (
        'NoSuchJob', 'The specified job does not exist.')
    s3.always(Reply(status=400, error='NotFoundException'))
    r = gw.get(f'/jobs/{s3.jobs()[0]["JobId"]}')
    assert r.status == 404 and told(r, mode == 'on')[0] == 'NotFound'


@pytest.mark.parametrize('reply, status, code', [
    (Reply(error='AccessDenied'), 403, 'AccessDenied'),
    (Reply(body=b'<ListJobsResult/>'), 502, 'BadUpstreamResponse'),
    (Reply(body=b'<DescribeJobResult/>'), 502, 'BadUpstreamResponse'),
    (Reply(body=b'<DescribeJobResult><Job><Priority>x</Priority></Job>'
           b'</DescribeJobResult>'), 502, 'BadUpstreamResponse'),
    (Reply(cut=30), 502, 'BadUpstreamResponse')])
def test_errors(s3, gateway, reply, status, code):
    s3.always(reply)
    [first, *_] = s3.jobs()
    r = gateway().get(f'/jobs/{first["JobId"]}')
    assert r.status == status
    said, message, _ = told(r, True)
    assert said == code and 'listing' not in message


def test_cache_keys_differ(s3, gateway, tmp_path):
    gw = gateway(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
                 location='proxy_cache c; proxy_cache_valid 200 1h;',
                 server=place('= /jobs', 's3jobs_json on; proxy_cache c;'
                              'proxy_cache_valid 200 1h;'))
    ids = [j['JobId'] for j in s3.jobs()[:3]]
    for _ in range(2):
        assert len(job(gw.get('/jobs'))['Jobs']) == 25
        for job_id in ids:
            assert job(gw.get(f'/jobs/{job_id}'))['Job']['JobId'] == job_id
    assert len(s3.requests) == 4
    assert f'KEY: {ACCOUNT}:{REGION}:{PATH}/{ids[0]}\n'.encode() in b''.join(
        p.read_bytes() for p in (tmp_path / 'cache').iterdir())


def test_head_and_methods(s3, gateway):
    gw = gateway()
    [first, *_] = s3.jobs()
    r = gw.get(f'/jobs/{first["JobId"]}', method='HEAD')
    assert r.status == 200 and int(r.header('Content-Length'))
    assert gw.get(f'/jobs/{first["JobId"]}', method='POST').status == 405


def test_it_belongs_into_a_location(nginx):
    code, output = nginx.check(http='s3jobs_job $arg_x;')
    assert code == 1 and '"s3jobs_job" directive is not allowed here' in output
