"""Requests that come before the first credentials wait for them, or do not."""

import os
import signal
import socket
import time

from credentials import STATUS, locations, source, writing
from nginx import until
from providers import ROLE, Agent, Fault, Silent
from wire import Client


def test_wait(s3, nginx):
    """How long, and what a client that leaves does."""
    silent = Silent()
    gw = nginx(sources=source('ops', 'container', uri=silent.url + '/x'),
               server=STATUS + locations(
                   'ops', more='s3jobs_credentials_timeout 300ms;'),
               location='s3jobs_credentials_timeout 1h;', h2=True,
               main='worker_rlimit_nofile 4096;')
    start = time.monotonic()
    r = gw.get('/ops')
    assert time.monotonic() - start > 0.25
    assert r.status == 503 and r.header('Retry-After') == '1'
    assert gw.get('/ops', method='HEAD').status == 503
    assert gw.get_h2('/ops').status == 503
    for leave in Client.close, Client.abort:
        clients = [Client(gw.port) for _ in range(20)]
        for client in clients:
            client.send('GET /jobs HTTP/1.1\r\nHost: h\r\n\r\n')
        writing(gw, 20)
        for client in clients:
            leave(client)
        gw.wait_log('client prematurely closed', count=20)
    until(lambda: len(gw.access()) == 43, what='the end of all requests')
    # the worker is not kept from its work, nor from its end
    assert gw.get('/jobs?x=1').status == 400
    silent.sock.close()


def test_inheritance(s3, nginx):
    """http, server, location, nested location: the innermost counts."""
    silent = Silent()
    wait, none = (f's3jobs_credentials_timeout {t};' for t in ('1h', '0'))

    def place(http, server, location, nested):
        gw = nginx(
            sources=source('ops', 'container', uri=silent.url + '/x'),
            path='/', location=location + 'location = /jobs {'
            f'{nested} proxy_pass http://s3control; }}', http=http,
            server=STATUS + server + 'location = /s { s3jobs_status json; }')
        with gw.connect() as client:
            client.send('GET /jobs HTTP/1.1\r\nHost: h\r\n\r\n')
            if [*filter(None, (http, server, location, nested))][-1] == wait:
                writing(gw, 1)
                client.abort()
                return
            assert client.response().status == 503
            # it did not wait, not for the default of five seconds either
            [it] = gw.get('/s').json()['sources']
            assert it['waitTimeouts'] == 0

    for levels in ((wait, '', '', ''), (none, '', '', ''),
                   (wait, none, '', ''), (none, wait, '', ''),
                   (wait, '', none, ''), (none, '', '', wait),
                   (wait, '', wait, none)):
        place(*levels)
    silent.sock.close()


def test_no_wait_in_vain(s3, nginx):
    """Nothing to wait for: expired, or nothing to fetch with."""
    gw = nginx(env={'AWS_ACCESS_KEY_ID': None, 'AWS_SECRET_ACCESS_KEY': None},
               sources=source('ops', 'env') + source('container', 'container')
               + source('web_identity', 'web_identity', role_arn=ROLE),
               location='s3jobs_credentials_timeout 1h;',
               server=locations('container', 'web_identity',
                                more='s3jobs_credentials_timeout 1h;'))
    for target in '/jobs', '/container', '/web_identity':
        assert gw.get(target).status == 503


def test_wait_in_subrequests(s3, nginx):
    """Two subrequests of one page wait, the page goes on."""
    with Agent(s3) as agent:
        agent.fault = Fault(delay=0.7)
        gw = nginx(sources=source('ops', 'container', uri=agent.uri),
                   server=locations('ops') + '''
                   location = /page {
                       add_before_body /ops; add_after_body /jobs;
                       addition_types *; return 200 "|middle|";
                   }''')
        r = gw.get('/page')
        assert r.status == 200 and r.complete
        assert r.text.count('<JobId>') == 50 and '|middle|' in r.text
        assert len(agent.calls()) == 1


def test_client_that_has_left(s3, nginx):
    """Together with its request."""
    with socket.create_server(('127.0.0.1', 0)) as silent:
        gw = nginx(sources=source('ops', 'imds', endpoint='http://127.0.0.1:'
                                  f'{silent.getsockname()[1]}'),
                   location='s3jobs_credentials_timeout 1h;')
        [worker] = gw.workers()
        os.kill(worker, signal.SIGSTOP)
        with socket.create_connection(('127.0.0.1', gw.port)) as client:
            client.sendall(b'GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
        os.kill(worker, signal.SIGCONT)
        [line] = until(gw.access, 'access log')
        assert ' 499 ' in line


def test_nobody_waits_in_vain(s3, nginx, port):
    """No attempt is due within the time that a request would wait."""
    gw = nginx(sources=source('ops', 'container',
                              uri=f'http://127.0.0.1:{port.number}/'),
               location='s3jobs_credentials_timeout 300ms;', level='debug')
    gw.wait_log(f'http://127.0.0.1:{port.number}: .*connect.*, next')

    def at_once():
        before = gw.log().count('end of wait for credentials')
        assert gw.get().status == 503
        return gw.log().count('end of wait for credentials') == before

    until(at_once, 'answer without waiting')
