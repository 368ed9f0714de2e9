use super::*;
use alloc::vec;

fn list(parts: &[&[u8]]) -> Chunks {
    let mut chunks = Chunks::new();
    for part in parts {
        chunks.push(Chunk::from(part.to_vec()));
    }
    chunks
}

fn octets(chunks: &Chunks) -> Vec<u8> {
    let mut out = vec![0; chunks.len()];
    assert_eq!(chunks.copy_to(&mut out), chunks.len());
    out
}

#[test]
fn cutting_shares_memory() {
    let mut chunk = Chunk::from(b"portolan".to_vec());
    let front = chunk.split_to(4);
    assert_eq!((front.as_slice(), chunk.as_slice()), (&b"port"[..], &b"olan"[..]));
    assert_eq!(front.footprint(), 8);
    assert_eq!(chunk.slice(1, 2).as_slice(), b"la");
    assert_eq!(chunk.slice(3, 99).as_slice(), b"n");
    assert!(chunk.slice(99, 1).is_empty());
}

/// Against the simplest model: a vector.
#[test]
fn consume_and_truncate_equal_a_vector_at_every_length() {
    let parts: [&[u8]; 4] = [b"ab", b"", b"cde", b"f"];
    let whole = b"abcdef";
    for len in 0..=8 {
        let mut front = list(&parts);
        front.consume(len);
        assert_eq!(octets(&front), &whole[len.min(6)..]);
        let mut back = list(&parts);
        back.truncate(len);
        assert_eq!(octets(&back), &whole[..len.min(6)]);
        assert_eq!(back.len(), len.min(6));
    }
}

#[test]
fn pop_front_takes_chunks_in_order() {
    let mut chunks = list(&[b"ab", b"c"]);
    assert_eq!(chunks.pop_front().unwrap().as_slice(), b"ab");
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks.pop_front().unwrap().as_slice(), b"c");
    assert!(chunks.pop_front().is_none());
}
