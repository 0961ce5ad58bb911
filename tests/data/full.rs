//! A full disk. It is a small file system in memory, which only root can mount; without root, the test prints
//! that and ends.

use super::process::Place;
use std::process::Command;

#[test]
fn a_full_disk_is_told_and_keeps_what_was_there() {
    let place = Place::new();
    let disk = place.path("disk");
    std::fs::create_dir(&disk).expect("a folder");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1M", "tmpfs"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    let tried = std::panic::catch_unwind(|| {
        place.write("disk/a", "old");
        let said = place.run_with_input(&"x".repeat(2 << 20), &["put", "./disk/a"], &[]).failed(1);
        assert!(said.contains("writing './disk/a'") && said.contains("Make room"), "{said}");
        assert_eq!(place.read("disk/a"), "old");
        assert_eq!(std::fs::read_dir(&disk).expect("a folder").count(), 1, "nothing is left of it");
    });
    let unmounted = Command::new("umount").arg(&disk).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    if let Err(panic) = tried {
        std::panic::resume_unwind(panic);
    }
}
