"""HTTP/1.1 as rules: bytes in, decisions out. No sockets, no loop, no clock.

``headers`` classifies field lines, ``target`` the request target, ``request`` and ``response`` whole heads, ``chunked`` bodies,
``replies`` the answers the proxy makes itself. Every head passes two readers: ours, which extracts, and llhttp, which only says yes
or no (``gate``); a message one of them refuses is refused.
"""
