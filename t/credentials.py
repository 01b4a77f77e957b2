"""What the tests of credential sources share."""

import collections
import contextlib
import re
import threading

from nginx import until
from providers import ROLE, Agent, Imds, Sts

STATUS = 'location = /status { stub_status; access_log off; }'
LOG_FORMAT = '$pid $status $s3jobs_credentials_expires $uri'
CHANGE = r'credentials "{}" from (\w+): key id ending in "(\w+)"'


def locations(*names, more=''):
    """One location and one name of a source for each."""
    return '\n'.join(
        f'location = /{name} {{ s3jobs on; s3jobs_account 123456789012;'
        f' s3jobs_region us-east-1; s3jobs_credentials {name}; {more}'
        f' proxy_pass http://s3control; }}'
        for name in names)


def source(name, kind, **parameters):
    given = ' '.join(f'{k}={v}' for k, v in parameters.items())
    return f's3jobs_credentials_source {name} {kind} {given};\n'


@contextlib.contextmanager
def load(gw, *targets, pause=0.01, threads=2):
    """Requests all the time; what came back, by target."""
    answers = collections.defaultdict(list)
    stop = threading.Event()

    def client():
        while not stop.is_set():
            for target in targets:
                try:
                    answers[target].append(gw.get(target))
                except OSError as e:
                    answers[target].append(e)
                stop.wait(pause)

    started = [threading.Thread(target=client) for _ in range(threads)]
    for thread in started:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in started:
            thread.join()


def good(answers):
    bad = [a for a in answers if getattr(a, 'status', None) != 200]
    assert not bad, f'{len(bad)} of {len(answers)} failed: {bad[0]}'
    return len(answers)


def rotate(gw, clock, *servers):
    """Their credentials, of an hour, are due; and good for four minutes.
    Those that have no hour left when nginx reads them are not due."""
    assert {server.lifetime for server in servers} == {3600}
    until(lambda: all(server.issued[-1].key_id[-4:] in gw.log()
                      for server in servers), 'use of what was handed out')
    before = [len(server.issued) for server in servers]
    clock.advance(3600 - 240)
    until(lambda: all(len(server.issued) > n for server, n
                      in zip(servers, before)), 'rotation')


def late(gw, name='ops'):
    """Calls that the module gave up, since the machine was busy."""
    return len(re.findall(rf'credentials "{name}" from .*timed out', gw.log()))


def writing(gw, n):
    """Waits until n requests are in nginx, besides the one that asks: the
    server has the location STATUS."""
    until(lambda: f'Writing: {n + 1} ' in gw.get('/status').text,
          f'{n} requests in nginx')


def changes(gw, name):
    return re.findall(CHANGE.format(name), gw.log())


def expires(gw):
    """What $s3jobs_credentials_expires was for the last request."""
    return int(until(gw.access, what='access log')[-1].split()[2])


def service(kind, s3, tmp_path, **options):
    """A server, and the source "ops" that gets its credentials there."""
    if kind == 'container':
        server = Agent(s3, **options)
        return server, source('ops', kind, uri=server.uri)
    if kind == 'imds':
        server = Imds(s3, **options)
        return server, source('ops', kind, endpoint=server.url)
    server = Sts(s3, **options)
    if kind == 'web_identity':
        token = tmp_path / 'token'
        token.write_text(server.identity + '\n')
        return server, source('ops', kind, role_arn=ROLE, token_file=token,
                              endpoint=server.url)
    return server, source('ops', kind, role_arn=ROLE, endpoint=server.url,
                          **{'from': 'base'}) + source('base', 'env')
