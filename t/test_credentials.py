"""What all types of sources have in common: rotation under load, a cold start,
services that fail, proxies, TLS, a changed definition.  Where credentials
expire, the test moves the clock."""

import contextlib
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest
from botocore.credentials import ContainerProvider
from botocore.session import Session
from botocore.utils import ContainerMetadataFetcher, InstanceMetadataFetcher

from credentials import (LOG_FORMAT, STATUS, changes, expires, good, late,
                         load, locations, rotate, service, source, writing)
from nginx import until
from providers import ROLE, Agent, Fault, Imds, Sts
from s3control import ACCOUNT, KEY, REGION, SECRET, Reply
from wire import PATIENCE, Client

KINDS = 'container', 'imds', 'web_identity', 'assume_role'


def test_rotation_under_load(s3, nginx, clock, tmp_path):
    """All types at once, two workers, three generations of each."""
    token = tmp_path / 'token'
    s3.skew = 7200                      # for requests while the clock moves
    with contextlib.ExitStack() as stack:
        servers = {kind: stack.enter_context(server(s3))
                   for kind, server in (('container', Agent), ('imds', Imds),
                                        ('web_identity', Sts),
                                        ('assume_role', Sts))}
        servers['assume_role'].external_id = 'x:/4'
        token.write_text(servers['web_identity'].identity)
        urls = {kind: server.url for kind, server in servers.items()}
        gw = nginx(
            clock=clock, workers=2, level='debug', path='',
            log_format=LOG_FORMAT, http='s3jobs_credentials_timeout 1h;'
            f'upstream s3control {{ server 127.0.0.1:{s3.port};'
            f' keepalive 8; }}' + source(
                'assume_role', 'assume_role', role_arn=ROLE, duration='15m',
                external_id='x:/4', session_name='gateway@1',
                endpoint=urls['assume_role'], **{'from': 'base'})
            + source('container', 'container',
                     uri=servers['container'].uri)
            + source('imds', 'imds', endpoint=urls['imds'] + '/')
            + source('web_identity', 'web_identity', role_arn=ROLE,
                     token_file=token, endpoint=urls['web_identity'])
            + source('base', 'env'), server=locations(*KINDS))

        def all_in_use():
            used = {r.key_id for r in s3.requests}
            return all(server.issued and server.issued[-1].key_id in used
                       for server in servers.values())

        with load(gw, *(f'/{kind}' for kind in KINDS), pause=0.02) as answers:
            until(all_in_use)
            for _ in range(2):
                rotate(gw, clock, *servers.values())
                until(all_in_use, 'use of the new credentials')
            until(lambda: len({line.split()[0] for line in gw.access()}) == 2
                  and min(map(len, answers.values())) > 50, 'load')
        for kind in KINDS:
            good(answers[f'/{kind}'])
            # one call for each set of credentials, and one line
            said, issued = changes(gw, kind), servers[kind].issued
            assert len(servers[kind].calls()) == len(issued)
            if not late(gw, kind):
                assert [(kind, it.key_id[-4:]) for it in issued] == said
                assert len(said) == 3
            assert len(said) + late(gw, kind) >= len(issued)
        assert len(re.findall(r'\[warn\]', gw.log())) \
            == sum(late(gw, kind) for kind in KINDS)
    assert not [r for r in s3.requests if r.verdict]
    form = servers['assume_role'].calls()[0].form
    assert form['DurationSeconds'] == '900'
    assert form['RoleSessionName'] == 'gateway@1'
    assert all(0 < int(line.split()[2]) <= 3600 for line in gw.access())


@pytest.mark.parametrize('kind', KINDS)
def test_botocore_gets_the_same(s3, nginx, tmp_path, kind, monkeypatch):
    server, sources = service(kind, s3, tmp_path)
    with server:
        server.hold = server.issue()
        gw = nginx(sources=sources, log_format=LOG_FORMAT)
        assert gw.get().status == 200
        assert s3.requests[-1].key_id == server.hold.key_id
        assert 3000 < expires(gw) <= 3600

        monkeypatch.setattr(ContainerMetadataFetcher, 'TIMEOUT_SECONDS',
                            PATIENCE)
        if kind == 'container':
            creds = ContainerProvider(environ={
                'AWS_CONTAINER_CREDENTIALS_FULL_URI': server.uri}).load()
            got = creds.get_frozen_credentials()
            got = got.access_key, got.secret_key, got.token
        elif kind == 'imds':
            monkeypatch.delenv('AWS_EC2_METADATA_DISABLED', raising=False)
            creds = InstanceMetadataFetcher(timeout=PATIENCE, config={
                'ec2_metadata_service_endpoint': server.url + '/'
            }).retrieve_iam_role_credentials()
            got = (creds['access_key'], creds['secret_key'], creds['token'])
        else:
            base = next(iter(s3.keys))
            client = Session().create_client(
                'sts', 'us-east-1', endpoint_url=server.url,
                aws_access_key_id=base,
                aws_secret_access_key=s3.keys[base].secret)
            if kind == 'assume_role':
                creds = client.assume_role(RoleArn=ROLE, RoleSessionName='me')
            else:
                creds = client.assume_role_with_web_identity(
                    RoleArn=ROLE, RoleSessionName='me',
                    WebIdentityToken=server.identity)
            creds = creds['Credentials']
            got = (creds['AccessKeyId'], creds['SecretAccessKey'],
                   creds['SessionToken'])
        assert got == (server.hold.key_id, server.hold.secret,
                       server.hold.token)


@pytest.mark.parametrize('kind', KINDS)
def test_cold_start(s3, nginx, tmp_path, port, kind):
    """200 requests come before the first credentials: no call is theirs."""
    server, sources = service(kind, s3, tmp_path)
    with server:
        server.fault = Fault(status=500)
        gw = nginx(sources=sources, workers=2, log_format=LOG_FORMAT,
                   main='worker_rlimit_nofile 4096;',
                   # without it one worker may accept them all
                   server=f'listen 127.0.0.1:{port.number} reuseport;'
                   + STATUS)
        clients = [Client(port.number) for _ in range(200)]
        for client in clients:
            client.send('GET /jobs HTTP/1.1\r\nHost: h\r\n\r\n')
        writing(gw, 200)
        assert not s3.requests
        server.fault = None
        answers = [client.response() for client in clients]
        assert good(answers) == 200
        assert len(server.issued) <= 1 + late(gw)
        assert len(server.calls(None)) <= len(
            re.findall(r'\[warn\] .*next try', gw.log())) \
            + (3 if kind == 'imds' else 1) * len(server.issued)
        assert len({line.split()[0] for line in gw.access()}) == 2


def warned(gw, name):
    """(reason, milliseconds, what is said of those in use) of each failure."""
    return gw.wait_log(rf'\[warn\] .*credentials "{name}" from container: '
                       r'(.*), next try in (\d+) ms, those (.*)')


def bad_certificate(agent, certificates):
    agent.context.load_cert_chain(certificates.certificate, certificates.key)


# what goes wrong, and what the log says of it
FAULTS = {
    'error': (Fault(status=500), 'answered 500$'),
    'unavailable': (Fault(status=503, body=b'<html>'), 'answered 503$'),
    'garbage': (Fault(body=b'<html>sorry</html>'), 'are not a JSON object'),
    'empty': (Fault(body=b''), 'are not a JSON object'),
    'short': (Fault(body=lambda body: body[:-30]), 'are not a JSON object'),
    'truncated': (Fault(cut=100), r'^http://127\.0\.0\.1:\d+: .'),
    'code': (Fault(body=b'{"Code":"AssumeRoleUnauthorizedAccess",'
                   b'"Message":"EC2 can\\not \\u00e4"}'),
             r'answered 200 "AssumeRoleUnauthorizedAccess": "EC2 can\?ot \?\?"'),
    'expiration': (Fault(body=lambda body: re.sub(
        rb'"Expiration": "[^"]*', b'"Expiration": "tomorrow', body)),
        'have an unreadable Expiration'),
    'expired': (Fault(change=lambda it: setattr(it, 'expires',
                                                it.expires - 3609)),
                r'have expired \d+ s ago'),
    'incomplete': (Fault(body=b'{"AccessKeyId":"AKIA"}'),
                   'have no SecretAccessKey'),
    'never': (Fault(never=True), 'timed out'),
    'large': (Fault(body=b' ' * 10_000_000), 'is larger than 64k'),
    'redirect': (Fault(status=302, body=b'', headers=(
        ('Location', '/v2/credentials/0f1e2d3c'),)), 'answered 302$'),
    'certificate': (None, ': .*certificate'),
}


def test_failures(s3, nginx, clock, certificates):
    """The last good credentials serve to their end, then 503; all recover
    without a reload.  Every failure has its own agent, all at once."""
    trusted, other = certificates('localhost'), certificates('localhost')
    with contextlib.ExitStack() as stack:
        agents = {name: stack.enter_context(Agent(
            s3, tls=trusted if name == 'certificate' else None))
            for name in FAULTS}
        urls = {name: agent.uri for name, agent in agents.items()}
        urls['certificate'] = urls['certificate'].replace('127.0.0.1',
                                                          'localhost')
        names = list(FAULTS)
        gw = nginx(clock=clock, env={'AWS_CA_BUNDLE': trusted.ca}, path='',
                   workers=2, http='s3jobs_credentials_timeout 1h;'
                   f'upstream s3control {{ server 127.0.0.1:{s3.port};'
                   f' keepalive 8; }}' + ''.join(
                       source(name, 'container', uri=urls[name])
                       for name in names), server=locations(*names))
        for name in names:
            assert gw.get(f'/{name}').status == 200
            agents[name].fault = FAULTS[name][0]
        bad_certificate(agents['certificate'], other)

        # due, and good for four minutes
        clock.advance(3600 - 240)
        for name in names:
            warnings = warned(gw, name)
            assert re.search(FAULTS[name][1], warnings[0][0]), warnings
            good([gw.get(f'/{name}')])
        # without it a request waits for the call that is due next
        gw.reload(http=gw.options['http'].replace('timeout 1h', 'timeout 0'))
        clock.advance(300)
        for name in names:
            r = gw.get(f'/{name}')
            assert r.status == 503, r
            assert r.header('Retry-After') == '1'
            assert 'CredentialsUnavailable' in r.text
        for name in names:
            # one line for each call, the back-off between them
            for n, (_, pause, those) in enumerate(warned(gw, name), 1):
                longest = min(1000 << min(n, 6), 60000)
                assert longest // 2 <= int(pause) <= longest
                assert re.fullmatch(r'in use are good for \d+ s'
                                    '|so far have expired', those)
            if name not in ('never', 'certificate'):
                until(lambda: len(agents[name].calls()) - 1
                      == len(warned(gw, name)), 'line for each call')
            agents[name].fault = None
            agents[name].release()
        # the path of the agent's URL authorizes whoever knows it
        assert Agent.path not in gw.log()
        bad_certificate(agents['certificate'], trusted)
        for name in names:
            until(lambda: gw.get(f'/{name}').status == 200, 'recovery')
    assert not [r for r in s3.requests if r.verdict]


def test_refused_by_s3(s3, nginx):
    """ExpiredToken and its kin bring new credentials at once."""
    with Agent(s3) as agent:
        gw = nginx(sources=source('ops', 'container', uri=agent.uri),
                   workers=2, location='s3jobs_tries 1;')
        assert gw.get().status == 200
        s3.script(Reply(error='AccessDenied'))
        assert gw.get().status == 403
        time.sleep(1.2)
        assert len(agent.calls()) == 1
        s3.script(Reply(error='TokenRefreshRequired'),
                  Reply(error='ExpiredToken'))
        assert gw.get().status == 502
        assert gw.get().status == 502
        agent.wait_for(2)
        until(lambda: len(changes(gw, 'ops')) == 2, 'new credentials')
        assert gw.get().status == 200
        assert s3.requests[-1].key_id == agent.issued[1].key_id
        # the same ones again are no change, and are not asked for at once
        agent.hold = agent.issued[1]
        assert len(agent.calls()) == 2


def test_token_files(s3, nginx, clock, tmp_path):
    """Both kinds of token are read again for every fetch."""
    token = tmp_path / 'token'
    with Agent(s3) as agent, Sts(s3) as sts:
        agent.authorization = sts.identity = lambda: token.read_text().strip()
        token.write_text('first  \r\n')
        gw = nginx(clock=clock, sources=source(
            'ops', 'container', uri=agent.uri, token_file=token) + source(
                'web', 'web_identity', role_arn=ROLE, token_file=token,
                endpoint=sts.url), server=locations('web'))
        good([gw.get(), gw.get('/web')])
        token.write_text('second')
        rotate(gw, clock, agent, sts)
        assert [c.headers['authorization'] for c in agent.calls()][:2] \
            == ['first', 'second']
        assert [c.form['WebIdentityToken'] for c in sts.calls()][:2] \
            == ['first', 'second']
        for name in 'ops', 'web':
            until(lambda: len(changes(gw, name)) == 2, 'second set')
        token.write_text('a\nb')
        clock.advance(3600 - 240)
        gw.wait_log(r'"ops" .*holds a character other than printable')
        gw.wait_log(r'"web" .*holds a character other than printable')
        token.unlink()
        gw.wait_log('cannot be read: No such file')
        token.write_text('third')
        calls = len(agent.calls())
        agent.wait_for(calls + 1)
        assert agent.calls()[-1].headers['authorization'] == 'third'


class Proxy:
    """Notes the first line of each request, and ends it."""

    def __init__(self):
        self.lines = []
        self.sock = socket.create_server(('127.0.0.1', 0))
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.sock.accept()
                with sock:
                    self.lines.append(sock.recv(4096).split(b'\r\n')[0])


@pytest.mark.parametrize('region, host', [
    ('eu-west-1', 'sts.eu-west-1.amazonaws.com'),
    ('cn-north-1', 'sts.cn-north-1.amazonaws.com.cn'),
    (None, 'sts.amazonaws.com')])
def test_proxy(s3, nginx, region, host):
    """STS goes through HTTPS_PROXY as in the SDKs, local services never."""
    proxy = Proxy()
    with Agent(s3) as agent, Imds(s3) as imds:
        gw = nginx(
            env={'HTTPS_PROXY': f'http://127.0.0.1:{proxy.port}',
                 'HTTP_PROXY': f'http://127.0.0.1:{proxy.port}',
                 'http_proxy': f'http://127.0.0.1:{proxy.port}',
                 'ALL_PROXY': f'http://127.0.0.1:{proxy.port}',
                 'AWS_REGION': region},
            sources=source('ops', 'container', uri=agent.uri)
            + source('im', 'imds', endpoint=imds.url)
            + source('role', 'assume_role', role_arn=ROLE,
                     **{'from': 'ops'}))
        assert gw.get().status == 200
        imds.wait_for(1)
        until(lambda: proxy.lines, what='a request to the proxy')
        assert proxy.lines[0] == f'CONNECT {host}:443 HTTP/1.1'.encode()
        gw.wait_log('credentials "role" from assume_role: https://' + host)
    proxy.sock.close()


def test_tls(s3, nginx, certificates):
    """Verified against the CA that the environment names, host name too."""
    tls, wrong = certificates('localhost'), certificates('elsewhere')
    with Agent(s3, tls=tls) as agent, Sts(s3, tls=tls) as sts, \
            Agent(s3, tls=wrong) as other:
        def sources(server):
            return server.url.replace('127.0.0.1', 'localhost')
        gw = nginx(env={'AWS_CA_BUNDLE': tls.ca}, sources=source(
            'ops', 'assume_role', role_arn=ROLE, endpoint=sources(sts),
            **{'from': 'base'}) + source(
                'base', 'container', uri=sources(agent) + agent.path))
        assert gw.get().status == 200
        gw = nginx(env={'AWS_CA_BUNDLE': wrong.ca}, sources=source(
            'ops', 'container', uri=sources(other) + other.path))
        gw.wait_log(r'https://localhost\S+: .*certificate.*, next try')
        gw = nginx(sources=source('ops', 'container',
                                  uri=sources(agent) + agent.path))
        gw.wait_log(r'https://localhost\S+: .*certificate.*, next try')
        assert len(agent.calls()) == 1 and not other.calls()


UNSHARE = ['unshare', '-m', 'sh', '-c']


@pytest.mark.skipif(subprocess.run([*UNSHARE, 'mount --bind /etc /etc'],
                                   stderr=subprocess.DEVNULL).returncode,
                    reason='this user cannot have mounts of its own')
@pytest.mark.parametrize('pinned', [False, True])
def test_bundle_in_place_of_the_system(s3, nginx, certificates, pinned):
    """Debian's libcurl looks into a directory, too."""
    system, other = certificates('localhost'), certificates('elsewhere')
    directory = pathlib.Path(system.ca).parent
    subprocess.run(['openssl', 'rehash', directory], check=True)
    shutil.copy(other.ca, directory / 'ca-certificates.crt')
    with Agent(s3, tls=system) as agent:
        gw = nginx(env={'AWS_CA_BUNDLE': other.ca} if pinned else {},
                   sources=source('ops', 'container', uri=agent.uri.replace(
                       '127.0.0.1', 'localhost')),
                   wrapper=[*UNSHARE, f'mount --bind {directory}'
                            ' /etc/ssl/certs && exec "$0" "$@"'])
        if pinned:
            gw.wait_log(r'https://localhost\S+: .*certificate.*, next try')
            assert not agent.calls()
        else:
            assert gw.get().status == 200


def test_failure_is_nobody_elses(s3, nginx, stand_in, certificates):
    """OpenSSL keeps errors, and nginx logs those that it finds."""
    tls = certificates(
        'localhost', f'{ACCOUNT}.s3-control.{REGION}.amazonaws.com')
    other = certificates('elsewhere')
    upstream = stand_in(tls=tls)
    upstream.key(KEY, SECRET)
    with Agent(s3, tls=tls) as agent:
        gw = nginx(s3=upstream, env={'AWS_CA_BUNDLE': other.ca},
                   sources=source('ops', 'env') + source(
                       'bad', 'container', uri=agent.uri.replace(
                           '127.0.0.1', 'localhost')),
                   location=f'proxy_ssl_trusted_certificate {tls.ca};',
                   proxy_pass='https://s3control')
        for n in 1, 2, 3:
            gw.wait_log(r'https://localhost\S+: .*certificate.*, next try', n)
            assert gw.get().status == 200
        assert 'SSL error' not in gw.log()


def test_changed_certificate(s3, nginx, clock, certificates):
    """It is looked at in each fetch: no TLS session is resumed."""
    trusted, other = certificates('localhost'), certificates('localhost')
    with Agent(s3, tls=trusted) as agent:
        gw = nginx(clock=clock, env={'AWS_CA_BUNDLE': trusted.ca},
                   sources=source('ops', 'container', uri=agent.uri.replace(
                       '127.0.0.1', 'localhost')))
        assert gw.get().status == 200
        bad_certificate(agent, other)
        clock.advance(3600 - 240)
        gw.wait_log(r'https://localhost\S+: .*certificate.*, next try')
        assert len(agent.issued) == 1
        bad_certificate(agent, trusted)
        until(lambda: len(agent.issued) == 2, 'recovery')
        assert gw.get().status == 200


def test_changed_definition(s3, nginx):
    """A source that means something else now never gives the old key."""
    with Agent(s3) as one, Agent(s3) as two:
        gw = nginx(sources=source('ops', 'container', uri=one.uri),
                   location='s3jobs_credentials_timeout 400ms;')
        until(lambda: gw.get().status == 200, 'credentials')
        two.fault = Fault(status=500)
        gw.reload(sources=source('ops', 'container', uri=two.uri))
        assert gw.get().status == 503
        two.fault = None
        until(lambda: gw.get().status == 200, 'credentials')
        assert s3.requests[-1].key_id == two.issued[-1].key_id
        # and back: what is still good is there at once
        gw.reload(sources=source('ops', 'container', uri=one.uri))
        assert gw.get().status == 200
        assert s3.requests[-1].key_id == one.issued[0].key_id
        assert len(one.calls()) == 1


def test_port_that_nobody_has(s3, nginx, port):
    gw = nginx(sources=source('ops', 'container',
                              uri=f'http://127.0.0.1:{port.number}/'),
               location='s3jobs_credentials_timeout 100ms;')
    assert gw.get().status == 503
    gw.wait_log(f'http://127.0.0.1:{port.number}: .*connect.*, next', count=2)
