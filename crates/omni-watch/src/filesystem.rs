//! Does the kernel see the changes in a file system, or are they made where it cannot?

use std::io;
use std::path::Path;

/// File systems whose files others change behind this kernel's back: at the end of a network, in a host's system, or by a
/// process that serves them. From `linux/magic.h` and the file systems' own headers.
const WITHOUT_EVENTS: [(u64, &str); 17] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x6573_5546, "FUSE"),
    // Windows' drives in WSL 2, and folders that a virtual machine shares.
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x564c, "NCP"),
    (0x7461_636f, "OCFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x786f_4256, "VirtualBox"),
    (0xbacb_acbc, "VMware"),
    (0x4750_4653, "GPFS"),
];

/// The kind of file system that `path` lies on, where changes are made that the kernel does not tell of; `None` for one
/// that it tells all of.
///
/// # Errors
///
/// When the path cannot be looked at.
pub fn without_events(path: &Path) -> io::Result<Option<&'static str>> {
    let found = rustix::fs::statfs(path)?;
    // The type of the number differs between machines, and of a sign in it nothing is meant.
    #[expect(clippy::cast_sign_loss, reason = "it is a pattern of bits")]
    let magic = (found.f_type as u64) & 0xffff_ffff;
    Ok(named(magic))
}

fn named(magic: u64) -> Option<&'static str> {
    WITHOUT_EVENTS.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_known_by_its_number_and_an_ordinary_disk_is_none() {
        assert_eq!(named(0x6969), Some("NFS"));
        assert_eq!(named(0xff53_4d42), Some("CIFS"));
        for (name, ordinary) in
            [("ext4", 0xef53), ("tmpfs", 0x0102_1994), ("overlay", 0x794c_7630), ("xfs", 0x5846_5342)]
        {
            assert_eq!(named(ordinary), None, "{name}");
        }
        assert!(without_events(Path::new("/no/such/folder")).is_err());
    }
}
