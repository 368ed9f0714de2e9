//! What the control server asks of whoever resolves names.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use portolan_protocol::reply::LookUpFailure;
use portolan_protocol::{Address, Family};

/// A look-up under way.
pub type LookUp<'a, T> = Pin<Box<dyn Future<Output = Result<T, LookUpFailure>> + 'a>>;

/// A name's addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The name at the end of the aliases; empty when it is the one that was asked for.
    pub canonical: String,
    /// In the order in which they are to be tried.
    pub addresses: Vec<IpAddr>,
}

/// Resolves names for the command's programs.
pub trait Names {
    /// The addresses of `name`, which is what the program gave to getaddrinfo: any octets. Of one family, or of both;
    /// with `only_configured` without families of which the command has no address. `asker` is the process, if known.
    fn by_name<'a>(
        &'a self,
        name: &'a [u8],
        family: Option<Family>,
        only_configured: bool,
        asker: Option<u32>,
    ) -> LookUp<'a, Found>;

    /// The name of an address.
    fn by_address(&self, address: IpAddr) -> LookUp<'_, String>;
}

/// An address as messages carry it.
pub(super) fn octets(address: IpAddr) -> [u8; 16] {
    Address::from(std::net::SocketAddr::new(address, 0)).ip.octets()
}
