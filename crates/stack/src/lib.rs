//! The host: links, addresses, routes, ports, sockets and connections, driven by five calls.
