//! Names and addresses: getaddrinfo, gethostbyname and their relatives.
//!
//! glibc's own make their socket calls through symbols that no library can stand in front of, so the whole of them
//! is done here. A look-up is one request to the stack process, on a connection of its own: it asks the host's
//! resolver, and the packets cross the program's own network. These functions may allocate, as glibc's do.

mod addrinfo;
mod hostent;
mod nameinfo;
mod numeric;
mod query;
mod service;
