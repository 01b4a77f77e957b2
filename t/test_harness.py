"""What the other tests stand on, where it is not obvious."""

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
