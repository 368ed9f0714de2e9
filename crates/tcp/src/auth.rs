//! Signed segments: the MD5 option (RFC 2385) and the Authentication Option (RFC 5925, RFC 5926).
//!
//! [`Auth`] is what one connection signs and verifies with. It works on whole segments, headers included, so the
//! host calls it: [`Auth::sign`] when a segment is complete but for its checksum, [`Auth::verify`] before a segment
//! changes anything. The connection itself only leaves room in its segments. `md5` has the older algorithm, `ao` the
//! keys, names and sequence number extensions of the newer one, `kdf` its algorithms.
//!
//! Most connections have no keys, and pay nothing: an [`Auth`] stands in the record of rarely used features.

mod ao;
mod kdf;
mod md5;

use alloc::boxed::Box;
use core::fmt;

use portolan_wire::tcp::{Flags, Header, RawOptions, Signature, kind};
use portolan_wire::{FlowKey, SeqNumber};

use crate::tcb::{Marks, Tcb};
use crate::{Context, Slabs};

pub use ao::{Ao, AoKey};
pub use kdf::AoAlgorithm;
pub use md5::Md5Key;

/// The longest MAC in octets.
const MAC_MAX: usize = 16;

/// What a connection signs its segments with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Auth {
    /// RFC 2385.
    Md5(Md5Key),
    /// RFC 5925.
    Ao(Box<Ao>),
}

/// Why a segment is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum AuthError {
    /// It has no signature, or one of the other kind.
    Unsigned,
    /// It names a key that is not known here.
    UnknownKey,
    /// Its signature is wrong, or it has several.
    Forged,
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AuthError::Unsigned => "not signed",
            AuthError::UnknownKey => "signed with an unknown key",
            AuthError::Forged => "the signature is wrong",
        })
    }
}

impl core::error::Error for AuthError {}

/// A message authentication code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mac {
    octets: [u8; MAC_MAX],
    len: usize,
}

impl Mac {
    /// The first `len` octets of `digest`, or all if it is shorter.
    fn of(digest: &[u8], len: usize) -> Mac {
        let mut octets = [0; MAC_MAX];
        let mut filled = 0;
        for (to, from) in octets.iter_mut().zip(digest).take(len) {
            *to = *from;
            filled += 1;
        }
        Mac { octets, len: filled }
    }

    /// Its octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }

    /// Whether it is `other`, found out in a time that does not depend on where they differ.
    fn is(&self, other: &[u8]) -> bool {
        let differing = self.as_bytes().iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
        self.len == other.len() && self.len > 0 && core::hint::black_box(differing) == 0
    }
}

/// A segment as it is signed: fixed header, options, and the text in its parts.
pub(crate) struct Message<'a> {
    fixed: [u8; Header::LEN],
    options: &'a [u8],
    text: &'a [&'a [u8]],
    seq: SeqNumber,
    flags: Flags,
}

impl<'a> Message<'a> {
    /// `header` with its options, as long as its data offset says.
    fn new(header: &'a [u8], text: &'a [&'a [u8]]) -> Option<Message<'a>> {
        let (parsed, rest) = Header::parse(header).ok()?;
        let options = rest.get(..parsed.data_offset() - Header::LEN)?;
        let mut fixed = *header.first_chunk()?;
        if let Some(checksum) = fixed.get_mut(16..18) {
            checksum.fill(0);
        }
        Some(Message { fixed, options, text, seq: parsed.seq(), flags: parsed.flags() })
    }

    /// TCP header and text in octets.
    fn len(&self) -> usize {
        self.fixed.len() + self.options.len() + self.text.iter().map(|part| part.len()).sum::<usize>()
    }

    /// The data of the only option of this kind, and where in the options it begins.
    fn option(&self, wanted: u8) -> Result<(usize, &'a [u8]), AuthError> {
        let mut found = None;
        let mut at = 0;
        let mut rest = self.options;
        while let Some((&kind, _)) = rest.split_first() {
            // One option at a time, so that its place is known.
            let len = match kind {
                kind::END_OF_LIST => break,
                kind::NO_OPERATION => 1,
                _ => RawOptions::new(rest)
                    .next()
                    .and_then(Result::ok)
                    .map_or(rest.len(), |raw| raw.data.len() + 2),
            };
            if matches!(kind, kind::MD5 | kind::AO) {
                // RFC 5925 §2.2: never two of them, and never beside MD5.
                if found.is_some() {
                    return Err(AuthError::Forged);
                }
                found = Some((kind, at + 2, rest.get(2..len).unwrap_or_default()));
            }
            at += len;
            rest = rest.get(len..).unwrap_or_default();
        }
        match found {
            Some((kind, at, data)) if kind == wanted => Ok((at, data)),
            _ => Err(AuthError::Unsigned),
        }
    }
}

impl Auth {
    /// The room for the signature of the next segment.
    #[must_use]
    pub fn signature(&self) -> Signature {
        match self {
            Auth::Md5(_) => Signature::Md5,
            Auth::Ao(ao) => ao.signature(),
        }
    }

    /// The signature of a segment of `flow` that is complete but for signature and checksum: `header` with its
    /// options, and the parts of its text. `None` for what is no TCP header.
    pub fn sign(&mut self, flow: &FlowKey, header: &[u8], text: &[&[u8]]) -> Option<Mac> {
        let message = Message::new(header, text)?;
        match self {
            Auth::Md5(key) => Some(key.mac(flow.local.address, flow.remote.address, &message)),
            Auth::Ao(ao) => ao.sign(flow, &message),
        }
    }

    /// Verifies a segment of `flow`, given as for [`Auth::sign`]. What it says of keys is taken note of only then.
    ///
    /// # Errors
    /// `Unsigned`, `UnknownKey`, `Forged`.
    pub fn verify(&mut self, flow: &FlowKey, header: &[u8], text: &[&[u8]]) -> Result<(), AuthError> {
        let message = Message::new(header, text).ok_or(AuthError::Forged)?;
        match self {
            Auth::Md5(key) => {
                let (_, mac) = message.option(kind::MD5)?;
                let own = key.mac(flow.remote.address, flow.local.address, &message);
                if own.is(mac) { Ok(()) } else { Err(AuthError::Forged) }
            }
            Auth::Ao(ao) => ao.verify(flow, &message),
        }
    }

    /// Octets of memory of its own.
    pub(crate) fn heap_octets(&self) -> usize {
        match self {
            Auth::Md5(_) => 0,
            Auth::Ao(ao) => ao.heap_octets(),
        }
    }
}

impl Tcb {
    /// Makes the connection leave room for signatures by `auth`; `None` makes it stop. To be called before the first
    /// segment, or when an application changes its keys.
    pub fn set_auth(&mut self, cx: &mut Context<'_>, auth: Option<Auth>) {
        if cx.slabs.rare(self.rare).is_none() && auth.is_none() {
            return;
        }
        // As Linux: an MD5 signature leaves no room for timestamps with SACK blocks beside them.
        if matches!(auth, Some(Auth::Md5(_))) && !self.state.is_synchronized() {
            self.marks.remove(Marks::TIMESTAMPS);
        }
        cx.slabs.rare_or_new(&mut self.rare).auth = auth.map(Box::new);
    }

    /// What the connection signs with.
    #[must_use]
    pub fn auth<'a>(&self, slabs: &'a Slabs) -> Option<&'a Auth> {
        slabs.rare(self.rare)?.auth.as_deref()
    }

    /// As [`Tcb::auth`], to sign or verify.
    pub fn auth_mut<'a>(&self, slabs: &'a mut Slabs) -> Option<&'a mut Auth> {
        slabs.rare_mut(self.rare)?.auth.as_deref_mut()
    }

    /// The room for a signature in every segment.
    pub(crate) fn signature(&self, slabs: &Slabs) -> Option<Signature> {
        self.auth(slabs).map(Auth::signature)
    }

    /// Octets of that room.
    pub(crate) fn signature_len(&self, slabs: &Slabs) -> u16 {
        match self.signature(slabs) {
            None => 0,
            Some(signature) => u16::try_from(signature.option_len()).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests;
