//! A folder that may not be written. Root may write anywhere, so for root the check runs in a copy
//! of this program as another user.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use safelight_sqlite::{Database, DatabaseError, Options};

const FOLDER: &str = "SAFELIGHT_TEST_READ_ONLY_FOLDER";
const NOBODY: u32 = 65534;

#[test]
fn a_read_only_folder_has_a_name() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        check(Path::new(&folder));
        return;
    }
    let outer = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(outer.path(), 0o755);
    let folder = outer.path().join("state");
    std::fs::create_dir(&folder).unwrap();
    let database = Database::open(folder.join("old.db"), Options::default()).unwrap();
    database
        .migrate("test", &["CREATE TABLE items (id INTEGER)"])
        .unwrap();
    database.shutdown();
    mode(&folder.join("old.db"), 0o444);
    mode(&folder, 0o555);
    if std::fs::metadata(outer.path()).unwrap().uid() == 0 {
        let program = outer.path().join("check");
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        mode(&program, 0o755);
        let output = Command::new(&program)
            .args(["--exact", "a_read_only_folder_has_a_name", "--nocapture"])
            .env(FOLDER, &folder)
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        assert!(text.contains("checked a folder"), "{text}");
    } else {
        check(&folder);
    }
    mode(&folder, 0o755);
}

fn check(folder: &Path) {
    let error = Database::open(folder.join("new.db"), Options::default())
        .err()
        .unwrap();
    assert_eq!(error.name(), "Store.ReadOnly", "{error}");
    assert!(error.to_string().contains("new.db"), "{error}");
    let old = Database::open(folder.join("old.db"), Options::default()).and_then(|database| {
        database.write_blocking(|tx| Ok(tx.execute("INSERT INTO items VALUES (1)", [])?))
    });
    let error: DatabaseError = old.unwrap_err();
    assert_eq!(error.name(), "Store.ReadOnly", "{error}");
    eprintln!("checked a folder");
}

#[test]
fn a_read_only_database_reads_beside_the_writer_and_refuses_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let writer = Database::open(&path, Options::default()).unwrap();
    writer
        .migrate("t", &["CREATE TABLE t (x INTEGER)"])
        .unwrap();
    let reader = Database::open_read_only(&path).unwrap();
    writer
        .write_blocking(|tx| {
            Ok::<_, DatabaseError>(tx.execute("INSERT INTO t VALUES (7)", []).map(drop)?)
        })
        .unwrap();
    let x: i64 = reader
        .read_blocking(|db| {
            Ok::<_, DatabaseError>(db.query_row("SELECT x FROM t", [], |row| row.get(0))?)
        })
        .unwrap();
    assert_eq!(x, 7);
    let refused = reader.write_blocking(|_| Ok::<_, DatabaseError>(()));
    assert_eq!(refused.unwrap_err(), DatabaseError::Closed);
}
