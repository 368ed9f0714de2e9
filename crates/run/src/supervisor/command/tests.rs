use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn file(name: &str, octets: &[u8], mode: u32) -> PathBuf {
    let path = std::env::temp_dir().join(format!("portolan-command-test-{}-{name}", std::process::id()));
    fs::write(&path, octets).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn commands_are_found_as_a_shell_finds_them() {
    assert!(find(OsStr::new("sh"), Choice::Preload).unwrap().is_absolute());
    assert_eq!(find(OsStr::new("/bin/sh"), Choice::Preload).unwrap(), Path::new("/bin/sh"));
    for (program, code) in [("no-such-command-here", 127), ("", 127), ("/no/such/file", 127), ("/tmp", 126)] {
        let refusal = find(OsStr::new(program), Choice::Preload).unwrap_err();
        assert_eq!(refusal.code, code, "{program}: {}", refusal.line);
        assert!(!refusal.line.contains('\n'));
    }
    let plain = file("plain", b"text", 0o644);
    assert_eq!(find(plain.as_os_str(), Choice::Preload).unwrap_err().code, 126);
    fs::remove_file(plain).unwrap();
}

#[test]
fn what_the_loader_cannot_reach_is_refused() {
    let mut elf = vec![0; 120];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    elf[32] = 64; // e_phoff
    elf[54] = 56; // e_phentsize
    elf[56] = 1; // e_phnum
    elf[64] = 1; // PT_LOAD
    let fixed = file("static", &elf, 0o755);
    assert_eq!(inspect(&fixed), Kind::Static);
    let refusal = find(fixed.as_os_str(), Choice::Preload).unwrap_err();
    assert!(refusal.code == 125 && refusal.line.contains("statically linked"));
    let script = file("script", format!("#! {} -x\n", fixed.display()).as_bytes(), 0o755);
    assert!(
        find(script.as_os_str(), Choice::Preload).unwrap_err().line.contains("statically linked"),
        "the interpreter counts"
    );
    elf[64] = 3; // PT_INTERP
    let dynamic = file("dynamic", &elf, 0o755);
    assert_eq!(inspect(&dynamic), Kind::Dynamic);
    elf[4] = 1;
    let narrow = file("narrow", &elf, 0o755);
    assert_eq!(inspect(&narrow), Kind::Foreign);
    for path in [fixed, script, dynamic, narrow] {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn any_octets_are_inspected_without_harm() {
    let mut elf = b"\x7fELF\x02\x01".to_vec();
    elf.resize(64, 0xff);
    for octets in [&b""[..], b"#!", b"#! \n", b"\x7fELF", &elf] {
        let path = file("odd", octets, 0o755);
        inspect(&path);
        fs::remove_file(path).unwrap();
    }
}
