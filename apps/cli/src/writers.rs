//! Who has a file open for writing, as far as this machine tells.
//!
//! Linux says it of every process that this user may look into: its own, and with root everyone's.
//! It does not say it of other users' processes, of other machines that share the folder, or of a
//! container that is not ours; nor do other systems. There the watcher has only the time that a file
//! stood still (docs/decisions/0010-open-writers.md).

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What a file is, whatever it is called: its device and its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file that a path leads to; none if it is not there.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// Those of `files` that a process has open for writing now, or has mapped so.
pub fn being_written(files: &HashSet<FileId>) -> HashSet<FileId> {
    let mut found = HashSet::new();
    if files.is_empty() || !cfg!(target_os = "linux") {
        return found;
    }
    for process in entries(Path::new("/proc")) {
        let is_process = process
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit));
        if is_process {
            found.extend(opened(&process).filter(|file| files.contains(file)));
            found.extend(mapped(&process).filter(|file| files.contains(file)));
        }
    }
    found
}

/// What is in a folder of `/proc`. A process that has ended, or that is not ours to look into, has
/// nothing there.
fn entries(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> + use<> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
}

/// The files that a process has open for writing.
fn opened(process: &Path) -> impl Iterator<Item = FileId> {
    let infos = process.join("fdinfo");
    entries(&process.join("fd")).filter_map(move |link| {
        // A socket or a pipe has no path; most descriptors are one.
        let target = std::fs::read_link(&link).ok()?;
        if !target.is_absolute() || target.starts_with("/dev") {
            return None;
        }
        let info = std::fs::read_to_string(infos.join(link.file_name()?)).ok()?;
        // The link leads to the file itself, also when it was renamed since it was opened.
        may_write(&info).then(|| FileId::of(&link))?
    })
}

/// Whether an `fdinfo` is of a descriptor that may write: `flags` is octal, its last two bits are
/// O_WRONLY (1) or O_RDWR (2). <https://man7.org/linux/man-pages/man5/proc_pid_fdinfo.5.html>
fn may_write(info: &str) -> bool {
    info.lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .is_some_and(|flags| matches!(flags & 3, 1 | 2))
}

/// The files that a process has mapped so that what it writes to memory is written to the file: the
/// descriptor may be closed by then.
fn mapped(process: &Path) -> impl Iterator<Item = FileId> {
    let maps = std::fs::read_to_string(process.join("maps")).unwrap_or_default();
    let paths: Vec<String> = maps.lines().filter_map(mapped_for_writing).collect();
    paths
        .into_iter()
        .filter_map(|path| FileId::of(Path::new(&path)))
}

/// The path of a line of `maps` that is shared and may be written: range, permissions, offset, device,
/// inode, path. <https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html>
fn mapped_for_writing(line: &str) -> Option<String> {
    let permissions = line.split_ascii_whitespace().nth(1)?.as_bytes();
    if permissions.get(1) != Some(&b'w') || permissions.get(3) != Some(&b's') {
        return None;
    }
    let path = line.find('/').map(|start| &line[start..])?;
    (!path.starts_with("/dev/")).then(|| path.to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn another_process_is_seen_while_it_has_the_file_open_for_writing() {
        let folder = tempfile::tempdir().unwrap();
        let (written, read) = (folder.path().join("written"), folder.path().join("read"));
        for path in [&written, &read] {
            std::fs::write(path, b"half").unwrap();
        }
        let mut other = Command::new("sh")
            .args([
                "-c",
                r#"exec 3>>"$0" 4<"$1"; echo open; read x; exec 3>&-; echo closed; read x"#,
            ])
            .args([&written, &read])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(other.stdout.take().unwrap()).lines();
        let mut tell = other.stdin.take().unwrap();
        let files: HashSet<FileId> = [&written, &read]
            .into_iter()
            .filter_map(|path| FileId::of(path))
            .collect();

        assert_eq!(said.next().unwrap().unwrap(), "open");
        let found = being_written(&files);
        assert_eq!(found, HashSet::from([FileId::of(&written).unwrap()]));
        // A file is itself under any name.
        let renamed = folder.path().join("renamed");
        std::fs::rename(&written, &renamed).unwrap();
        assert!(being_written(&files).contains(&FileId::of(&renamed).unwrap()));

        writeln!(tell).unwrap();
        assert_eq!(said.next().unwrap().unwrap(), "closed");
        assert!(being_written(&files).is_empty());
        drop(tell);
        other.wait().unwrap();
    }

    #[test]
    fn only_descriptors_and_maps_that_write_count() {
        let info = |flags: &str| format!("pos:\t0\nflags:\t{flags}\nmnt_id:\t9\n");
        for (flags, writes) in [
            ("0100000", false),
            ("0100001", true),
            ("02100002", true),
            ("0102001", true),
            ("x", false),
        ] {
            assert_eq!(may_write(&info(flags)), writes, "{flags}");
        }
        assert!(!may_write("pos:\t0\n"));
        let line = |permissions: &str, path: &str| {
            format!("7f00-7f10 {permissions} 00000000 08:01 42                  {path}")
        };
        let found = |permissions, path| mapped_for_writing(&line(permissions, path));
        assert_eq!(found("rw-s", "/a b/c.jpg").as_deref(), Some("/a b/c.jpg"));
        assert_eq!(found("rw-p", "/a/c.jpg"), None);
        assert_eq!(found("r--s", "/a/c.jpg"), None);
        assert_eq!(found("rw-s", "/dev/shm/x"), None);
        assert_eq!(found("rw-s", ""), None);
    }
}
