"""What the other tests stand on, where it is not obvious."""

import base64
import binascii
import socket

import pytest

from nginx import Port


def test_port_is_ours(nginx, port):
    """Nobody is given it, nobody answers there, and nginx can have it."""
    with socket.socket() as stranger, pytest.raises(OSError):
        stranger.bind(('127.0.0.1', port.number))
    with Port() as one, Port() as two:
        assert len({port.number, one.number, two.number}) == 3
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(('127.0.0.1', port.number))
    gw = nginx(server=f'listen 127.0.0.1:{port.number};')
    assert gw.port != port.number
    socket.create_connection(('127.0.0.1', port.number)).close()
    # nor is it anybody's, once nginx listens
    with pytest.raises(OSError):
        Port(port.number)


SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'


@pytest.mark.parametrize('data', [
    SECRET.encode(),
    SECRET[::-1].encode(),
    binascii.hexlify(SECRET.encode()),
    binascii.hexlify(SECRET.encode()).upper(),
    b'wJalrXUtnFEMI%2FK7MDENG%2BbPxRfiCYEXAMPLEKEY',
    b'wJalrXUtnFEMI%2fK7MDENG%2bbPxRfiCYEXAMPLEKEY',
    b'wJalrXUtnFEMI/K7MDENG%2BbPxRfiCYEXAMPLEKEY',
] + [encode(b'~' * before + SECRET.encode() + b'~' * after)
     for encode in (base64.b64encode, base64.urlsafe_b64encode)
     for before in range(3) for after in range(3)])
def test_secret_in_a_file(nginx, data):
    gw = nginx()
    nginx.secret(SECRET)
    leak = gw.prefix / 'leak'
    leak.write_bytes(b'<' + data + b'>')
    with pytest.raises(AssertionError, match='a secret key in .*leak'):
        nginx.finish()
    leak.unlink()
