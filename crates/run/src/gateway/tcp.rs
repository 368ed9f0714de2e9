//! One TCP connection, carried over a socket of the machine.
//!
//! The machine's connect comes first, and its outcome is the program's: the handshake on the wire is answered only
//! when there is somebody behind it. Then each direction is a loop with one buffer: it reads only when it has written,
//! so a slow reader on one side closes the window on the other. FIN becomes FIN, a reset becomes a reset.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use portolan::Chunk;
use portolan::gateway::TcpRequest;
use tokio::io::Interest;

use super::Counters;
use super::refusal::{is_out_of_descriptors, of_connect};

/// What one read takes from the machine's socket: four super-segments.
const READ_MAX: usize = 256 * 1024;
/// What one read takes from the wire.
const CHUNK_MAX: usize = 64 * 1024;
/// Chunks that one write hands to the machine.
const GATHER_MAX: usize = 16;
/// While the machine's socket takes nothing, how often the wire's end is looked at for a reset.
const RESET_PROBE: Duration = Duration::from_secs(1);

/// Connects to `to` from the machine, answers `request` accordingly, and carries the connection to its end.
pub async fn carry(counters: &Counters, mut request: TcpRequest, to: SocketAddr) {
    let outcome = tokio::select! {
        outcome = tokio::net::TcpStream::connect(to) => outcome,
        // The program does not want it any more: neither do we.
        () = request.gone() => return,
    };
    match outcome {
        Ok(outside) => {
            let _ = outside.set_nodelay(true);
            match request.accept() {
                Ok(inside) => {
                    let _ = inside.set_nodelay(true);
                    relay(&inside, &outside).await;
                }
                Err(_) => reset(&outside),
            }
        }
        Err(error) => {
            if is_out_of_descriptors(&error) {
                counters.out_of_descriptors.fetch_add(1, Ordering::Relaxed);
            }
            request.refuse(of_connect(&error));
        }
    }
}

/// Carries both directions until both have ended, or one has failed: then both ends are reset.
pub(crate) async fn relay(inside: &portolan::TcpStream, outside: &tokio::net::TcpStream) {
    let both = async { tokio::try_join!(outward(inside, outside), inward(outside, inside)) };
    let ended = tokio::select! {
        ended = both => ended.map(|_| ()),
        // A reset must be seen also while neither direction reads from the machine's socket.
        error = failure(outside) => Err(error),
    };
    if ended.is_err() {
        reset(outside);
        inside.abort();
    }
}

/// From the wire to the machine, until the program's FIN has been passed on.
async fn outward(inside: &portolan::TcpStream, outside: &tokio::net::TcpStream) -> io::Result<()> {
    let mut chunks = Vec::with_capacity(GATHER_MAX);
    let mut finished = false;
    while !finished {
        match inside.read_chunk(CHUNK_MAX).await? {
            Some(chunk) => chunks.push(chunk),
            None => finished = true,
        }
        while !finished && chunks.len() < GATHER_MAX {
            match inside.try_read_chunk(CHUNK_MAX) {
                Ok(Some(chunk)) => chunks.push(chunk),
                Ok(None) => finished = true,
                Err(_) => break, // nothing more now, or an error that the next read says
            }
        }
        write_to_machine(inside, outside, &mut chunks).await?;
    }
    socket2::SockRef::from(outside).shutdown(Shutdown::Write)
}

/// Writes all chunks, and leaves the list empty.
async fn write_to_machine(
    inside: &portolan::TcpStream,
    outside: &tokio::net::TcpStream,
    chunks: &mut Vec<Chunk>,
) -> io::Result<()> {
    let mut done = 0;
    let total: usize = chunks.iter().map(|chunk| chunk.as_slice().len()).sum();
    while done < total {
        match outside.try_write_vectored(&rest(chunks.iter().map(Chunk::as_slice), done)) {
            Ok(len) => done += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::select! {
                ready = outside.writable() => ready?,
                () = tokio::time::sleep(RESET_PROBE) => if let Some(error) = inside.take_error()? {
                    return Err(error);
                },
            },
            Err(error) => return Err(error),
        }
    }
    chunks.clear();
    Ok(())
}

/// What is left of the pieces after the first `done` octets.
fn rest<'a>(pieces: impl Iterator<Item = &'a [u8]>, mut done: usize) -> Vec<io::IoSlice<'a>> {
    let mut slices = Vec::with_capacity(GATHER_MAX);
    for octets in pieces {
        match octets.get(done..) {
            Some(left) if !left.is_empty() => {
                slices.push(io::IoSlice::new(left));
                done = 0;
            }
            _ => done -= octets.len(),
        }
    }
    slices
}

/// From the machine to the wire, until the other side's FIN has been passed on.
async fn inward(outside: &tokio::net::TcpStream, inside: &portolan::TcpStream) -> io::Result<()> {
    // Allocated when the first octet comes: a connection that only sends needs none.
    let mut buffer = Vec::new();
    loop {
        outside.readable().await?;
        buffer.resize(READ_MAX, 0);
        let len = match outside.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        let mut left = buffer.get(..len).unwrap_or_default();
        while !left.is_empty() {
            match inside.try_write(left) {
                Ok(len) => left = left.get(len..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => inside.writable().await?,
                Err(error) => return Err(error),
            }
        }
    }
    inside.shutdown_now(Shutdown::Write)
}

/// Waits until the machine's socket has failed.
pub(crate) async fn failure(outside: &tokio::net::TcpStream) -> io::Error {
    loop {
        match outside.ready(Interest::ERROR).await {
            Err(error) => return error,
            Ok(ready) if ready.is_error() => {
                return outside
                    .take_error()
                    .ok()
                    .flatten()
                    .unwrap_or_else(|| io::ErrorKind::ConnectionReset.into());
            }
            Ok(_) => {}
        }
    }
}

/// Makes the close of the machine's socket a reset.
pub(crate) fn reset(outside: &tokio::net::TcpStream) {
    // It fails on a connection that is gone, which needs no reset.
    let _ = socket2::SockRef::from(outside).set_linger(Some(Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_stopped_half_way_goes_on_there() {
        let pieces = [&b"abc"[..], b"", b"defg"];
        let left = |done| {
            rest(pieces.into_iter(), done).iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>()
        };
        for done in 0..=7 {
            assert_eq!(left(done), b"abcdefg"[done..]);
        }
    }
}
