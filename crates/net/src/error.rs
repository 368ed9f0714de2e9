//! What can go wrong outside of a socket's calls: in building a host and in running its worker.

use std::io;

use portolan_stack::SettingError;

/// Why a host could not be built, or why its worker ended before [`crate::Host::shutdown`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address, a route or another setting that the stack does not take.
    #[error("{what}: {error}")]
    Setting {
        /// The setting, as it was given.
        what: String,
        /// What is wrong with it.
        error: SettingError,
    },
    /// A setting that belongs to a link came before any link.
    #[error("{what}: needs a link before it")]
    NoLink {
        /// The setting, as it was given.
        what: String,
    },
    /// The system refused something that the worker cannot do without.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        error: io::Error,
    },
}

impl Error {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |error| Error::System { what, error }
    }
}
