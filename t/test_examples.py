"""conf-examples/*.conf as shipped: only addresses and paths are replaced,
and S3 Control is a stand-in with a certificate for the names that they say,
verified as theirs would be."""

import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from documents import error, expected_ids, job_ids
from nginx import MODULE, Port, ROOT, until
from providers import ROLE, Agent, Imds, Sts
from s3control import KEY, SECRET, Reply
from wire import PATIENCE, Client

EXAMPLES = ROOT / 'conf-examples'
FILES = sorted(p.name for p in EXAMPLES.glob('*.conf'))
A, B, C = '123456789012', '210987654321', '000000000042'
HOST = f'{A}.s3-control.eu-west-1.amazonaws.com'
NAMES = [HOST, f'{A}.s3-control.us-east-1.amazonaws.com',
         f'{B}.s3-control.us-east-1.amazonaws.com']
NAMES_OF_ALL = [*NAMES, f'{C}.s3-control.us-east-1.amazonaws.com']
DEV, DEV_SECRET = 'AKIDDEV', 'devSecret/0123456789+abcdefghijklmnop'
LAB, LAB_SECRET = 'AKIDLAB', 'labSecret/0123456789+abcdefghijklmnop'


class Dns(threading.Thread):
    """Says 127.0.0.1 whatever the name is."""

    def __enter__(self):
        self.names = set()
        self.sock = socket.socket(type=socket.SOCK_DGRAM)
        self.sock.bind(('127.0.0.1', 0))
        self.start()
        return f'127.0.0.1:{self.sock.getsockname()[1]}'

    def __exit__(self, *exception):
        with socket.socket(type=socket.SOCK_DGRAM) as end:
            end.sendto(b'', self.sock.getsockname())
        self.join()
        self.sock.close()

    def run(self):
        while True:
            query, peer = self.sock.recvfrom(512)
            if not query:
                return
            question = query[12:query.index(0, 12) + 5]
            a = question[-4:] == b'\0\1\0\1'
            self.sock.sendto(
                query[:2] + b'\x81\x80\0\1' + bytes([0, a, 0, 0, 0, 0])
                + question + (b'\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4'
                              b'\x7f\0\0\1' if a else b''), peer)


@pytest.fixture
def exit_stack():
    with contextlib.ExitStack() as stack:
        yield stack


def keys(nginx, directory):
    nginx.credentials(directory / 'aws', ''.join(
        f'[{name}]\naws_access_key_id = {key}\n'
        f'aws_secret_access_key = {secret}\n' for name, key, secret in (
            ('prod', KEY, SECRET), ('dev', DEV, DEV_SECRET),
            ('lab', LAB, LAB_SECRET)))).chmod(0o640)
    if os.geteuid() == 0:
        shutil.chown(directory / 'aws', group='www-data')


@pytest.fixture
def example(nginx, certificates, stand_in, tmp_path, exit_stack):
    """(nginx with the example, the stand-in), both over TLS; the certificate
    is for names, the CA the gateway trusts that of the certificate."""
    def start(file, names=NAMES, trusted=None, env={}, http=''):
        made = certificates(*names)
        s3 = stand_in(tls=made)
        s3.key(KEY, SECRET, accounts=(A,))
        s3.key(DEV, DEV_SECRET, accounts=(B,))
        s3.key(LAB, LAB_SECRET, accounts=(C,))
        sts = exit_stack.enter_context(Sts(s3))
        keys(nginx, tmp_path)
        shutil.copytree(ROOT / 'dashboard', tmp_path / 'share/dashboard',
                        dirs_exist_ok=True)
        text = (EXAMPLES / file).read_text()
        ports = {number: Port() for number in
                 re.findall(r'listen (?:127\.0\.0\.1:)?(\d+)', text)[1:]}
        if 'resolver' in text:
            text = text.replace('$s3jobs_host;', f'$s3jobs_host:{s3.port};')
        changes = {
            **{rf'(listen )(127\.0\.0\.1:)?{number}':
                   rf'\g<1>127.0.0.1:{port.number}'
               for number, port in ports.items()},
            r'load_module modules/ngx_http_s3jobs_module\.so;':
                MODULE and f'load_module {MODULE};',
            r'listen (127\.0\.0\.1:)?8080': 'listen 127.0.0.1:{port}',
            r'arn:aws:iam::\d+:role/jobs': ROLE,
            r'pid +/tmp/nginx\.pid;': '',
            r' /tmp/(\w+);': rf' {tmp_path}/\1;',
            r' /dev/(\w+)': rf' {tmp_path}/\1',
            r'/var/log/nginx/error\.log': f'{tmp_path}/error.log',
            r'resolver +127\.0\.0\.53': 'resolver '
            + exit_stack.enter_context(Dns()),
            r'(server +)[0-9]+\.s3-control\.[a-z0-9.-]+:443':
                rf'\g<1>127.0.0.1:{s3.port}',
            r'/etc/ssl/certs/ca-certificates\.crt': trusted or made.ca,
            r'/etc/nginx/aws': f'{tmp_path}/aws',
            r'/var/lib/nginx/s3jobs': f'{tmp_path}/cache',
            r'/etc/nginx/mime\.types': '{mime}',
            r'/usr/share/nginx-s3jobs': f'{tmp_path}/share',
            r'/var/log/nginx/s3jobs\.log': f'{tmp_path}/s3jobs.log'}
        for old, new in changes.items():
            text = re.sub(old, new, text)
        text = text.replace('http {', 'http {\n' + http, 1)
        assert MODULE in text
        assert not re.search(':80[0-9][0-9]\\b|/etc/|modules/|amazonaws.com:|/var/',
                             re.sub('#.*', '', text))

        def conf(gw):
            return (f'pid {gw.prefix}/nginx.pid;\n'
                    f'error_log {gw.prefix}/error.log info;\n'
                    # that of the system was other users' in other tests
                    + (text if 'proxy_temp_path' in text else
                       text.replace('http {', 'http {\nproxy_temp_path'
                                    f' {gw.prefix}/proxy;', 1))
                    .replace('{port}', str(gw.port))
                    .replace('{mime}', '/etc/nginx/mime.types'))
        for port in ports.values():
            port.close()
        gw = nginx(s3=s3, conf=conf, env={'AWS_ENDPOINT_URL_STS': sts.url,
                                          **env})
        gw.ports = {int(number): port.number
                    for number, port in ports.items()}
        return gw, s3
    return start


def assert_good(s3, n, hosts):
    assert len(s3.requests) == n
    for request in s3.requests:
        assert request.verdict is None
        assert request.sni == request.header('Host')
    assert {r.sni for r in s3.requests} == {*hosts}


def ids(response):
    """of JSON"""
    assert response.status == 200 and response.complete, response
    assert response.header('Content-Type') == 'application/json'
    return [job['JobId'] for job in response.json()['Jobs']]


def test_every_example_is_tested():
    assert {p.name for p in EXAMPLES.glob('*.conf')} \
        == {'minimal.conf', 'accounts.conf', 'cache.conf', 'dashboard.conf',
            'status.conf', 'ec2.conf', 'ecs.conf', 'eks.conf', 'log.conf',
            'resolver.conf', 'listings.conf', 'cluster.conf'}    # of which test_cluster is


# on Debian

@pytest.mark.parametrize('file', FILES)
def test_directories_of_what_is_written(file):
    """nginx makes a directory, but not those above it."""
    shipped = subprocess.run(['dpkg', '-L', 'nginx-common'], check=True,
                             text=True, stdout=subprocess.PIPE).stdout.split()
    text = (EXAMPLES / file).read_text()
    for path in re.findall(r'^ *(?:proxy_cache_path|access_log) +(/var/\S+?);?\s',
                           text, re.M):
        assert str(pathlib.Path(path).parent) in shipped, path


@pytest.mark.parametrize('file', FILES)
def test_http_block_in_conf_d(nginx, tmp_path, file):
    """As README says, beside what Debian's nginx.conf has."""
    text = (EXAMPLES / file).read_text()
    [http] = re.findall(r'^http \{\n(.*)^\}', text, re.M | re.S)
    keys(nginx, tmp_path)
    with contextlib.ExitStack() as ports:
        for old, new in {
                r' (?:/tmp|/var/log/nginx|/dev)/(\w)': rf' {tmp_path}/\1',
                r'listen (127\.0\.0\.1:)?\d+': lambda _: 'listen 127.0.0.1:'
                f'{ports.enter_context(Port()).number}',
                r'[0-9]+\.s3-control\.[a-z0-9.-]+:443': '127.0.0.1:443',
                '/etc/nginx/aws': f'{tmp_path}/aws',
                '/var/lib/nginx/s3jobs': f'{tmp_path}/cache',
                }.items():
            http = re.sub(old, new, http)
        (tmp_path / 's3jobs.conf').write_text(http)
        conf = pathlib.Path('/etc/nginx/nginx.conf').read_text()
        for old, new in {
                '/etc/nginx/modules-enabled/*.conf': f'{tmp_path}/module',
                '/etc/nginx/conf.d/*.conf': f'{tmp_path}/s3jobs.conf',
                'include /etc/nginx/sites-enabled/*;':
                    f'proxy_temp_path {tmp_path}/temp;'
                    if 'proxy_temp_path' not in http else '',
                '/run/nginx.pid': f'{tmp_path}/pid',
                '/var/log/nginx/': f'{tmp_path}/'}.items():
            assert old in conf
            conf = conf.replace(old, new)
        (tmp_path / 'module').write_text(
            f'load_module {MODULE};' if MODULE else '')
        code, said = nginx.check(conf=conf, env={
            'AWS_CONTAINER_CREDENTIALS_FULL_URI': 'http://127.0.0.1:1/'})
    assert code == 0 and 'warn' not in said.lower(), said


def test_minimal(example):
    gw, s3 = example('minimal.conf')
    with gw.connect() as client:
        for _ in range(3):
            assert ids(client.request('/jobs?jobStatuses=Active')) \
                == expected_ids(s3, A, 'eu-west-1', ['Active'])
        assert client.request('/other').status == 404
    assert_good(s3, 3, [HOST])
    assert s3.connections == 1          # kept alive
    r = gw.get('/jobs?foo')
    assert r.status == 400 and r.json()['code'] == 'InvalidRequest'


def test_accounts(example):
    gw, s3 = example('accounts.conf')
    served = [(A, 'eu-west-1', KEY), (A, 'us-east-1', KEY),
              (B, 'us-east-1', 'ASIASTS')]
    for account, region, key in served * 2:
        r = gw.get(f'/accounts/{account}/{region}/jobs?maxResults=3')
        assert job_ids(r) == expected_ids(s3, account, region)[:3]
        assert s3.requests[-1].key_id.startswith(key)
        r = gw.get(f'/accounts/{account}/{region}/jobs',
                   [('Accept', 'application/json')])
        assert ids(r) == expected_ids(s3, account, region)
        assert r.header('Vary') == 'Accept'
    assert_good(s3, 12, NAMES)
    assert s3.connections == 3          # one for each name
    s3.clear()
    for account, region in (B, 'eu-west-1'), (A, 'eu-west-2'), \
            ('111111111111', 'us-east-1'), ('1', 'us-east-1'):
        r = gw.get(f'/accounts/{account}/{region}/jobs')
        assert r.status == 403 and error(r)[0] == 'AccessDenied'
    assert gw.get(f'/accounts/{A}/jobs').status == 404
    assert s3.requests == []


def test_cache(example, tmp_path):
    gw, s3 = example('cache.conf')
    assert job_ids(gw.get('/jobs?jobStatuses=New')) \
        == expected_ids(s3, A, 'eu-west-1', ['New'])
    # what is kept is XML, and serves both
    assert ids(gw.get('/jobs?jobStatuses=%4Eew',
                      [('Accept', 'application/json')])) \
        == expected_ids(s3, A, 'eu-west-1', ['New'])
    assert gw.get('/jobs?foo').status == 400
    assert_good(s3, 1, [HOST])
    request_id = s3.requests[0].request_id
    n = len(s3.jobs(A, 'eu-west-1', ['New']))
    lines = [line.partition('" ')[2] for line in
             (tmp_path / 's3jobs.log').read_text().splitlines()]
    assert lines == [f'200 MISS jobs=- error=- request_id={request_id}',
                     f'200 HIT jobs={n} error=- request_id={request_id}',
                     '400 - jobs=- error=InvalidRequest request_id=-']


def test_cold_cache(example):
    """Two hundred ask at once for what nobody has asked for."""
    gw, s3 = example('cache.conf')
    hold = threading.Event()
    s3.always(lambda request: hold.wait(PATIENCE) and None)
    clients = [gw.connect() for _ in range(200)]
    for client in clients:
        client.send(b'GET /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n')
    s3.wait_for(1)
    hold.set()
    answers = [client.response() for client in clients]
    assert {r.status for r in answers} == {200}
    assert len({bytes(r.body) for r in answers}) == 1
    assert len(s3.requests) == 1


def test_s3_is_down(example, tmp_path):
    """What was kept is served on, and renewed when S3 is back."""
    gw, s3 = example('cache.conf')
    before = gw.get().body
    for trouble in Reply(error='SlowDown', status=503), Reply(reset=True), \
            Reply(status=500, body=b''):
        s3.always(trouble)
        n = len(s3.requests)
        # until the ten seconds are over, and S3 is asked again, in vain
        until(lambda: slowly(gw).body == before and len(s3.requests) > n)
        for _ in range(5):
            assert slowly(gw).body == before
    s3.always(None)
    s3.set_jobs(A, s3.jobs(A, 'eu-west-1')[:3], 'eu-west-1')
    until(lambda: len(job_ids(slowly(gw))) == 3)
    assert ' STALE ' in (tmp_path / 's3jobs.log').read_text()


def slowly(gw):
    """Below the limit of the example."""
    time.sleep(0.05)
    r = gw.get()
    assert r.status == 200 and r.complete, r
    return r


def test_limit(example):
    """Beyond 200 at once it is 429, in the shape of all errors; and so it is
    for what is in the cache."""
    gw, s3 = example('cache.conf')
    gw.get()
    with gw.connect() as client:
        client.send(b'GET /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n' * 500)
        answers = [client.response() for _ in range(500)]
    count = collections.Counter(r.status for r in answers)
    assert count.keys() == {200, 429} and count[200] >= 200
    for r in answers:
        assert r.status == 200 or error(r)[0] == 'TooManyRequests'
    assert len(s3.requests) == 1


def test_dashboard(example):
    """What it serves; what a browser makes of it is in test_page*."""
    gw, s3 = example('dashboard.conf', NAMES_OF_ALL)
    places = [(A, 'eu-west-1'), (A, 'us-east-1'), (B, 'us-east-1'),
              (C, 'us-east-1')]
    whole = [(account, region, job_id) for account, region in places
             for job_id in expected_ids(s3, account, region)]
    r = gw.get('/jobs')
    assert r.status == 200 and r.complete
    assert 'Incomplete' not in r.json()
    assert sorted((job['AccountId'], job['Region'], job['JobId'])
                  for job in r.json()['Jobs']) == sorted(whole)
    for account, region in places:
        assert ids(gw.get(f'/jobs/{account}/{region}')) \
            == expected_ids(s3, account, region)
    for account, region, job_id in whole[::20] * 2:
        job = gw.get(f'/jobs/{account}/{region}/{job_id}').json()['Job']
        assert job['JobId'] == job_id
        assert f':{region}:{account}:' in job['JobArn']
    # none of them twice in ten seconds
    assert_good(s3, len(places) + len(whole[::20]), NAMES_OF_ALL)

    for target in '/', '/jobs', '/jobs/x':
        r = gw.get(target)
        assert "default-src 'none'" in r.header('Content-Security-Policy')
        assert r.header('X-Content-Type-Options') == 'nosniff'
        assert r.header('Referrer-Policy') == 'no-referrer'
    for target in '/dashboard.js', '/jobs':
        r = gw.get(target, [('Accept-Encoding', 'gzip')])
        assert r.header('Content-Encoding') == 'gzip'
    s3.clear()
    for place in f'{B}/eu-west-1', f'{A}/eu-west-2', '1/us-east-1':
        for target in place, f'{place}/{whole[0][2]}':
            assert gw.get(f'/jobs/{target}').status == 403
    for target in '/jobs/x', '/nginx.conf', '/../conf-examples/minimal.conf':
        assert gw.get(target).status in (400, 404)
    assert s3.requests == []


KEYS = {'AWS_ACCESS_KEY_ID': None, 'AWS_SECRET_ACCESS_KEY': None}


def test_ec2(example, s3):
    with Imds() as imds:
        gw, s3 = example('ec2.conf', env={
            **KEYS, 'AWS_EC2_METADATA_SERVICE_ENDPOINT': imds.url + '/'})
        imds.s3 = s3
        assert_signed_by(gw, s3, imds)


def test_ecs(example):
    with Agent() as agent:
        gw, s3 = example('ecs.conf', env={
            **KEYS, 'AWS_CONTAINER_CREDENTIALS_FULL_URI': agent.uri})
        agent.s3 = s3
        assert_signed_by(gw, s3, agent)
        assert gw.get('/ready').json() == {'ready': True}


def test_eks_by_irsa(example, tmp_path):
    (tmp_path / 'token').write_text(Sts.identity)
    with Sts() as sts:
        gw, s3 = example('eks.conf', env={
            **KEYS, 'AWS_ROLE_ARN': ROLE, 'AWS_REGION': 'eu-west-1',
            'AWS_WEB_IDENTITY_TOKEN_FILE': f'{tmp_path}/token',
            'AWS_ENDPOINT_URL_STS': sts.url})
        sts.s3 = s3
        assert_signed_by(gw, s3, sts)
        gw.wait_log('type "default" has chosen "web_identity"')
        assert gw.get('/live').status == 204
        assert gw.get('/ready').status == 200
        assert gw.get('/metrics').status == 404
        assert 'nginx_s3jobs_jobs_total' in get(
            gw.ports[9113], '/metrics').text


def test_eks_by_pod_identity(example, tmp_path):
    with Agent() as agent:
        gw, s3 = example('eks.conf', env={
            **KEYS, 'AWS_CONTAINER_CREDENTIALS_FULL_URI': agent.uri})
        agent.s3 = s3
        assert_signed_by(gw, s3, agent)
        gw.wait_log('type "default" has chosen "container"')


def assert_signed_by(gw, s3, server):
    """By credentials that the server issued, which may have been before the
    stand-in knew of it."""
    until(lambda: server.issued)
    for it in server.issued:
        s3.key(it.key_id, it.secret, it.token, it.expires)
    assert ids(gw.get('/jobs')) == expected_ids(s3, A, 'eu-west-1')
    assert s3.requests[-1].key_id in {it.key_id for it in server.issued}
    assert_good(s3, 1, [HOST])


def test_log(example, tmp_path):
    gw, s3 = example('log.conf')
    gw.get('/jobs?maxResults=4')
    gw.get('/jobs?maxResults="')
    listed, refused = until(lambda: len(lines := (
        tmp_path / 's3jobs.log').read_text().splitlines()) == 2 and [
            json.loads(line) for line in lines])
    assert (listed['status'], listed['jobs'], listed['error']) == (200, '4', '')
    assert listed['aws_request_id'] == s3.requests[0].request_id
    assert listed['account'] == A and listed['region'] == 'eu-west-1'
    assert refused['status'] == 400
    assert refused['error'] == 'InvalidRequest'
    assert refused['request'].startswith('GET /jobs?maxResults="')


def test_resolver(example):
    gw, s3 = example('resolver.conf')
    for region in 'eu-west-1', 'us-east-1':
        assert ids(gw.get(f'/{region}/jobs')) == expected_ids(s3, A, region)
    assert_good(s3, 2, NAMES[:2])
    assert gw.get('/eu-west-2/jobs').status == 403


def get(port, target, headers=()):
    with Client(port) as client:
        return client.request(target, headers)


def test_status(example):
    gw, s3 = example('status.conf')
    assert ids(gw.get('/jobs')) == expected_ids(s3, A, 'eu-west-1')
    port = gw.ports[8081]
    assert get(port, '/ready').json() == {'ready': True}
    assert get(port, '/status').json()['sources'][0]['name'] == 'ops'
    assert 'nginx_s3jobs_jobs_total 25\n' in get(port, '/metrics').text
    assert gw.get('/status').status == 404


FILES = [('minimal.conf', '/jobs'), ('cache.conf', '/jobs'),
         ('dashboard.conf', f'/jobs/{A}/eu-west-1'), ('status.conf', '/jobs'),
         ('log.conf', '/jobs'),
         ('accounts.conf', f'/accounts/{A}/eu-west-1/jobs')]


@pytest.mark.parametrize('file,target', FILES)
def test_certificate_for_another_name(example, file, target):
    """proxy_ssl_verify verifies: 502, and nothing is sent."""
    other = f'{A}.s3-control.eu-west-2.amazonaws.com', 'amazonaws.com', \
        '*.eu-west-1.amazonaws.com'
    gw, s3 = example(file, names=other)
    r = gw.get(target)
    assert r.status == 502
    assert s3.requests == [] and s3.connections >= 1
    gw.wait_log(f'upstream SSL certificate does not match "{HOST}"')


@pytest.mark.parametrize('file,target', FILES)
def test_certificate_of_another_authority(example, certificates, file,
                                          target):
    gw, s3 = example(file, trusted=certificates(*NAMES).ca)
    assert gw.get(target).status == 502
    assert s3.requests == [] and s3.connections >= 1
    gw.wait_log('upstream SSL certificate verify error')


def test_kept_connection_is_not_used_for_another_name(example):
    """accounts.conf has a group for each name for that reason: here they
    share a certificate, and a listing must still come over its own."""
    gw, s3 = example('accounts.conf', names=NAMES[:2])
    assert gw.get(f'/accounts/{A}/us-east-1/jobs').status == 200
    assert gw.get(f'/accounts/{B}/us-east-1/jobs').status == 502
    assert {r.account for r in s3.requests} == {A}


def test_listings(example):
    where = [(A, 'eu-west-1'), (A, 'us-east-1'), (B, 'us-east-1'),
             (C, 'us-east-1')]
    names = [f'{a}.s3-control.{r}.amazonaws.com' for a, r in where]
    gw, s3 = example('listings.conf', names)
    s3.page = 10
    listed = ids(gw.get('/jobs'))
    assert sorted(listed) == sorted(
        job['JobId'] for w in where for job in s3.jobs(*w))
    assert_good(s3, 4 * 3, names)
    assert ids(gw.get('/jobs/lab/us-east-1')) == expected_ids(s3, C,
                                                              'us-east-1')
    r = gw.get(f'/jobs/dev/us-east-1/{s3.jobs(B, "us-east-1")[3]["JobId"]}')
    assert r.json()['Job']['JobId'] == s3.jobs(B, 'us-east-1')[3]['JobId']
    assert gw.get('/jobs/dev/eu-west-9').status == 403
