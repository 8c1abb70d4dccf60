"""HTTP/2 beside HTTP/1.1 on one port: by prior knowledge without TLS, by ALPN with it.

In: connections of the listening socket. Out: requests to the application as aiohttp knows them.

`h2` speaks the protocol of a connection; each of its streams becomes an exchange of HTTP/1.1 in memory with aiohttp's
own server, written and read by `h11`. So the application, its limits, its access log and its way to end are the same
for both versions, and nothing of aiohttp's inside is touched. It knows nothing of ssql.

    choose.py       the first bytes of a connection tell which version it speaks
    connection.py   one HTTP/2 connection: streams, flow control, its end
    exchange.py     one stream: a transport for aiohttp, whose bytes become frames
"""
