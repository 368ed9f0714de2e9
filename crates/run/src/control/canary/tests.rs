use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::*;

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

fn take(reader: &mut CanaryReader, end: &UnixStream) -> Vec<u8> {
    reader.take(end.as_fd(), &mut [0; 64]).unwrap().to_vec()
}

#[test]
fn every_octet_comes_once_and_one_stays() {
    let (mut program, end) = pair();
    let mut reader = CanaryReader::new(Front::Taken(1));
    program.write_all(b"c").unwrap();
    assert_eq!(take(&mut reader, &end), b"");
    for text in [&b"a"[..], b"bc", b"d", b"efgh"] {
        program.write_all(text).unwrap();
        assert_eq!(take(&mut reader, &end), text);
        assert_eq!(take(&mut reader, &end), b"");
        assert_eq!(unix::queued(end.as_fd()).unwrap(), 1);
    }
}

#[test]
fn a_reader_is_dry_when_nothing_is_left_to_take() {
    let (mut program, end) = pair();
    let mut reader = CanaryReader::new(Front::Taken(1));
    program.write_all(b"c").unwrap();
    assert!(!reader.is_dry(), "nobody has looked");
    program.write_all(&[b'a'; 100]).unwrap();
    assert_eq!(take(&mut reader, &end).len(), 63, "the scratch and no more, less the canary");
    assert!(!reader.is_dry());
    assert_eq!(take(&mut reader, &end).len(), 37);
    assert!(reader.is_dry());
    reader.wake();
    assert!(!reader.is_dry());
    assert_eq!(take(&mut reader, &end), b"");
    assert!(reader.is_dry());
}

#[test]
fn no_more_is_taken_than_stands_before_an_urgent_octet() {
    let (mut program, end) = pair();
    let canary = *b"sixteen octets!!";
    let mut reader = CanaryReader::new(Front::Unknown(canary));
    program.write_all(&canary).unwrap();
    program.write_all(b"abc").unwrap();
    let behind = unix::queued(end.as_fd()).unwrap();
    program.write_all(b"def").unwrap();
    let mut left = reader.untaken(end.as_fd(), behind).unwrap();
    assert_eq!(left, 3);
    let mut got = Vec::new();
    while left > 0 {
        let mut scratch = [0; 64];
        let text = reader.take_up_to(end.as_fd(), &mut scratch, left).unwrap();
        assert!(!text.is_empty());
        left -= text.len();
        got.extend_from_slice(text);
    }
    assert_eq!(got, b"abc");
    assert_eq!(reader.take_up_to(end.as_fd(), &mut [0; 64], 0).unwrap(), b"");
    assert_eq!(take(&mut reader, &end), b"def");
}

#[test]
fn text_larger_than_the_scratch_comes_in_order() {
    let (mut program, end) = pair();
    let mut reader = CanaryReader::new(Front::Taken(1));
    let text: Vec<u8> = (0..=255).collect();
    program.write_all(b"c").unwrap();
    program.write_all(&text).unwrap();
    let mut got = Vec::new();
    while got.len() < text.len() {
        let part = take(&mut reader, &end);
        assert!(!part.is_empty() && part.len() <= 64);
        got.extend(part);
    }
    assert_eq!(got, text);
}

#[test]
fn a_filler_is_drained_but_for_one_octet() {
    let (mut program, end) = pair();
    let mut reader = CanaryReader::new(Front::Taken(100));
    program.write_all(&[0; 60]).unwrap();
    assert_eq!(take(&mut reader, &end), b"");
    program.write_all(&[0; 40]).unwrap();
    program.write_all(b"text").unwrap();
    assert_eq!(take(&mut reader, &end), b"text");
    assert_eq!(unix::queued(end.as_fd()).unwrap(), 1);
}

#[test]
fn an_accepted_canary_is_not_text_and_text_is_no_canary() {
    let canary = [7; 16];
    let (mut program, end) = pair();
    let mut reader = CanaryReader::new(Front::Unknown(canary));
    assert_eq!(take(&mut reader, &end), b"");
    program.write_all(&canary).unwrap();
    assert_eq!(take(&mut reader, &end), b"");
    program.write_all(b"text").unwrap();
    assert_eq!(take(&mut reader, &end), b"text");

    let (mut program, end) = pair();
    let mut reader = CanaryReader::new(Front::Unknown(canary));
    program.write_all(b"sixteen octets!!").unwrap();
    assert_eq!(take(&mut reader, &end), b"sixteen octets!!");
    program.write_all(b"m").unwrap();
    assert_eq!(take(&mut reader, &end), b"m");
}

#[test]
fn closing_means_a_reset_unless_disarmed() {
    for disarms in [false, true] {
        let (mut program, end) = pair();
        let mut reader = CanaryReader::new(Front::Taken(1));
        program.write_all(b"ctext").unwrap();
        assert_eq!(take(&mut reader, &end), b"text");
        if disarms {
            reader.disarm(end.as_fd(), &mut [0; 64]);
        }
        drop(end);
        let read = program.read(&mut [0; 8]);
        if disarms {
            assert_eq!(read.unwrap(), 0);
        } else {
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        }
    }
}

#[test]
fn a_filler_is_drained_as_it_comes_but_for_an_octet() {
    let (mut program, end) = pair();
    let mut reader = CanaryReader::new(Front::Taken(10));
    let mut scratch = [0; 4];
    program.write_all(&[0; 6]).unwrap();
    assert!(!reader.drain_filler(end.as_fd(), &mut scratch), "four are to come");
    program.write_all(&[0; 4]).unwrap();
    assert!(reader.drain_filler(end.as_fd(), &mut scratch));
    assert!(reader.is_armed(end.as_fd()), "the last one stays");
    program.write_all(b"text").unwrap();
    assert!(reader.drain_filler(end.as_fd(), &mut scratch), "and text is not taken for it");
    assert_eq!(take(&mut reader, &end), b"text");
}
