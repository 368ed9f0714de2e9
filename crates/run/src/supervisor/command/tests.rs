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
    assert!(find(OsStr::new("sh")).unwrap().is_absolute());
    assert_eq!(find(OsStr::new("/bin/sh")).unwrap(), Path::new("/bin/sh"));
    for (program, code) in [("no-such-command-here", 127), ("", 127), ("/no/such/file", 127), ("/tmp", 126)] {
        let refusal = find(OsStr::new(program)).unwrap_err();
        assert_eq!(refusal.code, code, "{program}: {}", refusal.line);
        assert!(!refusal.line.contains('\n'));
    }
    let plain = file("plain", b"text", 0o644);
    assert_eq!(find(plain.as_os_str()).unwrap_err().code, 126);
    fs::remove_file(plain).unwrap();
}

#[test]
fn what_the_loader_cannot_reach_is_told() {
    let mut elf = vec![0; 120];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    elf[18] = 62; // e_machine
    elf[32] = 64; // e_phoff
    elf[54] = 56; // e_phentsize
    elf[56] = 1; // e_phnum
    elf[64] = 1; // PT_LOAD
    let fixed = file("static", &elf, 0o755);
    assert_eq!(inspect(&fixed), Kind::Static);
    assert!(examine(&fixed).unwrap().beyond_loader.unwrap().contains("statically linked"));
    let script = file("script", format!("#! {} -x\n", fixed.display()).as_bytes(), 0o755);
    let about = examine(&script).unwrap().beyond_loader.unwrap();
    assert!(about.contains("its interpreter") && about.contains("statically linked"), "{about}");
    elf[64] = 3; // PT_INTERP
    let dynamic = file("dynamic", &elf, 0o755);
    assert_eq!(inspect(&dynamic), Kind::Dynamic);
    assert!(examine(&dynamic).unwrap().beyond_loader.is_none());
    elf[4] = 1;
    let narrow = file("narrow", &elf, 0o755);
    assert_eq!(inspect(&narrow), Kind::Narrow);
    assert!(examine(&narrow).unwrap().is_beyond_filter);
    elf[4] = 2;
    elf[18] = 183; // EM_AARCH64
    let arm = file("arm", &elf, 0o755);
    assert_eq!(examine(&arm).unwrap_err().code, 126);
    for path in [fixed, script, dynamic, narrow, arm] {
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
