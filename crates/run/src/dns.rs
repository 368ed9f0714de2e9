//! Names on the private wire: what 10.0.2.3 knows and whom it asks.
//!
//! [`server`] answers one query: from the built-in names ([`builtin`]), then from the host's /etc/hosts ([`hosts`]),
//! then by passing the query on, octet for octet, to the servers of the host's [`resolv_conf`]. [`exchange`] sends a
//! query to a server and waits for its answer, over whatever network implements it. RFC 1035, RFC 6891 as far as a
//! forwarder needs it, RFC 6761 for `localhost`.

pub mod builtin;
pub mod exchange;
pub mod hosts;
pub mod resolv_conf;
pub mod server;
mod wire;

/// The port of DNS.
pub const PORT: u16 = 53;

/// A name as these modules compare names: lower case, without the final dot.
pub fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}
