use std::process::Command;
use std::sync::Mutex as StdMutex;

use portolan_link::{
    Checksum, Chunk, Gso, Link, LinkCaps, LinkError, Offload, PacketBuf, Pool, RxBatch, TxBatch,
};

use super::*;
use crate::fixture::{pattern, tcp, udp};

const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("portolan-capture-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A link that takes `room` frames and delivers what it is given.
#[derive(Debug)]
struct Scripted {
    room: usize,
    arriving: Vec<(Vec<u8>, Offload)>,
}

impl Link for Scripted {
    fn caps(&self) -> LinkCaps {
        LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max: 65_535, checksum: true }
    }

    fn receive(&mut self, _: Instant, pool: &mut Pool, batch: &mut RxBatch) -> Result<usize, LinkError> {
        let count = self.arriving.len();
        for (frame, offload) in self.arriving.drain(..) {
            let mut packet = PacketBuf::copy(pool, &frame);
            packet.offload = offload;
            batch.push(packet).unwrap();
        }
        Ok(count)
    }

    fn transmit(&mut self, _: Instant, batch: &mut TxBatch) -> Result<usize, LinkError> {
        let count = self.room.min(batch.len());
        batch.advance(count);
        self.room -= count;
        Ok(count)
    }
}

fn push(batch: &mut TxBatch, frame: &[u8], offload: Offload) {
    let entry = batch.push().unwrap();
    entry.set_head_len(54).copy_from_slice(&frame[..54]);
    entry.text.push(Chunk::from(frame[54..].to_vec()));
    entry.offload = offload;
}

fn super_segment(version: u8) -> (Vec<u8>, Offload) {
    let (frame, start) = tcp(version, 80, 1, 1, 0x18, &pattern(5000));
    let checksum = Checksum::Partial { start, offset: 16 };
    (frame, Offload { checksum, gso: Gso::Tcp { size: 1448, ecn: false }, ..Offload::default() })
}

/// What tshark prints of a file with the given fields, a line per frame.
fn tshark(path: &Path, fields: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.args(["-r", path.to_str().unwrap(), "-T", "fields", "-o", "ip.check_checksum:TRUE"]);
    command.args(["-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark is installed (apt-get install tshark)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn tshark_reads_frames_as_the_cable_carries_them() {
    let folder = Folder::new("cable");
    let path = folder.0.join("out.pcapng");
    let capture = Capture::create(&path, false, EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
    let arriving = vec![super_segment(4), super_segment(6)];
    let mut link = CaptureLink::new(Scripted { room: 1, arriving }, capture, "tap0");
    link.annotate(|direction, _| (direction == Direction::Outbound).then(|| "curl, process 7".to_owned()));

    let mut batch = TxBatch::new(4);
    let (datagram, start) = udp(4, 9999, &pattern(100));
    let checksum = Checksum::Partial { start, offset: 6 };
    push(&mut batch, &datagram, Offload { checksum, ..Offload::default() });
    let (refused, offload) = super_segment(4);
    push(&mut batch, &refused, offload);
    let now = Instant::from_nanos(123_456_789);
    assert_eq!(link.transmit(now, &mut batch), Ok(1));
    let mut received = RxBatch::new(8);
    assert_eq!(link.receive(now, &mut Pool::new(), &mut received), Ok(2));
    assert_eq!(received.len(), 2);

    let due = link.next_deadline().unwrap();
    link.handle_timeout(due);
    let lines = tshark(
        &path,
        &[
            "frame.time_epoch",
            "frame.interface_name",
            "frame.len",
            "frame.comment",
            "tcp.checksum.status",
            "udp.checksum.status",
            "_ws.malformed",
        ],
    );
    let mut expected = vec!["1700000000.123456789\ttap0\t142\tcurl, process 7\t\t1\t".to_owned()];
    for header in [54, 74] {
        for text in [1448, 1448, 1448, 656] {
            expected.push(format!("1700000000.123456789\ttap0\t{}\t\t1\t\t", header + text));
        }
    }
    assert_eq!(lines, expected);
}

#[test]
fn a_frame_that_lies_about_itself_is_recorded_as_it_came() {
    let folder = Folder::new("lies");
    let path = folder.0.join("out.pcapng");
    let capture = Capture::create(&path, false, EPOCH).unwrap();
    let (frame, offload) = super_segment(4);
    let arriving = vec![(frame[..40].to_vec(), offload)];
    let mut link = CaptureLink::new(Scripted { room: 0, arriving }, capture, "tap0");
    link.receive(Instant::ZERO, &mut Pool::new(), &mut RxBatch::new(8)).unwrap();
    drop(link);
    assert_eq!(tshark(&path, &["frame.len"]), ["40"]);
}

#[test]
fn an_existing_file_is_kept_unless_forced() {
    let folder = Folder::new("existing");
    let path = folder.0.join("out.pcapng");
    std::fs::write(&path, "precious").unwrap();
    let error = Capture::create(&path, false, EPOCH).unwrap_err();
    assert!(matches!(error, CaptureError::Exists { .. }));
    assert!(error.to_string().contains("out.pcapng"));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    drop(Capture::create(&path, true, EPOCH).unwrap());
    assert_eq!(tshark(&path, &["frame.len"]).len(), 0);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = Capture::create(Path::new("/nonexistent/out.pcapng"), false, EPOCH).unwrap_err();
    let line = error.to_string();
    assert!(matches!(error, CaptureError::Create { .. }));
    assert!(line.contains("/nonexistent/out.pcapng") && !line.contains('\n'), "{line}");
}

/// A file with a limited number of octets, as on a full disk.
struct SmallDisk {
    room: usize,
    content: Arc<StdMutex<Vec<u8>>>,
}

impl Write for SmallDisk {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let len = octets.len().min(self.room).min(1000);
        if len == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room -= len;
        self.content.lock().unwrap().extend(&octets[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for SmallDisk {
    fn cut_back(&mut self, len: u64) -> io::Result<()> {
        self.content.lock().unwrap().truncate(len as usize);
        Ok(())
    }
}

#[test]
fn a_full_disk_leaves_a_readable_file_and_is_told_once() {
    let folder = Folder::new("full");
    for room in [0, 27, 48, 5_000, 70_001, 99_999] {
        let content = Arc::new(StdMutex::new(Vec::new()));
        let disk = SmallDisk { room, content: Arc::clone(&content) };
        let capture = Capture::over(Box::new(disk), PathBuf::from("x"), EPOCH);
        let told = Arc::new(StdMutex::new(Vec::new()));
        let teller = Arc::clone(&told);
        capture.on_failure(move |error| teller.lock().unwrap().push(error.to_string()));
        let interface = capture.add_interface("tap0", Medium::Ethernet);
        for _ in 0..2000 {
            capture.record(Instant::ZERO, interface, Direction::Inbound, &pattern(60), None);
        }
        capture.flush();
        assert_eq!(told.lock().unwrap().len(), 1);
        assert!(told.lock().unwrap()[0].contains("the capture to 'x' ends here"));
        let content = content.lock().unwrap();
        assert_eq!(content.len(), pcapng::whole_blocks(&content, content.len()), "whole blocks only");
        assert!(room - content.len() < 200, "no more is given up than the last block");
        if content.len() > 100 {
            let path = folder.0.join(format!("{room}.pcapng"));
            std::fs::write(&path, &*content).unwrap();
            assert!(tshark(&path, &["frame.len"]).len() > 10);
        }
    }
}

#[test]
fn a_device_that_is_always_full_is_told_of_even_late() {
    let capture = Capture::create(Path::new("/dev/full"), true, EPOCH).unwrap();
    capture.flush();
    let told = Arc::new(StdMutex::new(0));
    let teller = Arc::clone(&told);
    capture.on_failure(move |_| *teller.lock().unwrap() += 1);
    assert_eq!(*told.lock().unwrap(), 1);
}
