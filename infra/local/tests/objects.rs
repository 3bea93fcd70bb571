//! Objects in folders: what only folders can get wrong.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safelight_local::{FolderObjects, Folders, RESULTS_BUCKET};
use safelight_ports::{ObjectMeta, Objects, ObjectsError, WriteCondition, Written};
use safelight_schema::{ImageRef, chain::sha256_hex};

fn open(folder: &Path) -> FolderObjects {
    let images = folder.join("images");
    fs::create_dir_all(&images).unwrap();
    FolderObjects::open(&Folders {
        images: BTreeMap::from([("photos".into(), images)]),
        results: folder.join("out"),
        state: folder.join("state"),
    })
    .unwrap()
}

fn image(bucket: &str, key: &str, etag: Option<&str>) -> ImageRef {
    ImageRef {
        bucket: bucket.into(),
        key: key.into(),
        version: None,
        etag: etag.map(str::to_owned),
        sequencer: None,
        bytes: None,
    }
}

async fn write(objects: &FolderObjects, bucket: &str, key: &str) -> Result<Written, ObjectsError> {
    let condition = WriteCondition::Always;
    objects
        .write(bucket, key, b"x", &ObjectMeta::default(), &condition)
        .await
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn results_lie_where_a_person_looks_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    let key = "results/label/photos/여름 a.jpg/labels.json";
    write(&objects, RESULTS_BUCKET, key).await.unwrap();
    let path = folder
        .path()
        .join("out/label/photos/여름 a.jpg/labels.json");
    assert_eq!(fs::read(&path).unwrap(), b"x");
    let real = fs::canonicalize(&path).unwrap();
    assert_eq!(objects.path(RESULTS_BUCKET, key), Some(real));
    assert_eq!(files(path.parent().unwrap()), ["labels.json"]);
    assert_eq!(files(&folder.path().join("out")), [".metadata", "label"]);

    write(&objects, RESULTS_BUCKET, "archive/a/b.json")
        .await
        .unwrap();
    assert_eq!(
        files(&folder.path().join("out")),
        [".metadata", "label"],
        "archives lie in the state folder"
    );
    // Metadata of an image does not litter its folder.
    write(&objects, "photos", "a.jpg").await.unwrap();
    assert_eq!(files(&folder.path().join("images")), ["a.jpg"]);

    objects.delete(RESULTS_BUCKET, key).await.unwrap();
    assert_eq!(files(&folder.path().join("out")), [] as [&str; 0]);
    objects.delete("photos", "a.jpg").await.unwrap();
    assert!(folder.path().join("images").is_dir());
}

#[tokio::test]
async fn no_key_leaves_its_folder() {
    // Invariant 2.
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    fs::write(folder.path().join("secret"), "secret").unwrap();
    let keys = [
        "../secret",
        "/etc/passwd",
        "a/../../secret",
        "a\0b",
        "",
        "a//b",
    ];
    for bucket in ["photos", RESULTS_BUCKET] {
        for key in keys {
            for key in [
                key.to_owned(),
                format!("results/{key}"),
                format!("archive/{key}"),
            ] {
                assert_eq!(objects.head(bucket, &key).await.unwrap(), None, "{key:?}");
                let read = objects.read(&image(bucket, &key, None), 100).await;
                assert!(
                    matches!(read, Err(ObjectsError::NotFound { .. })),
                    "{key:?}"
                );
                let _ = objects.delete(bucket, &key).await;
            }
            let key = format!("results/{key}");
            let written = write(&objects, bucket, &key).await;
            assert!(
                matches!(written, Err(ObjectsError::Forbidden { .. })),
                "{key:?}: {written:?}"
            );
        }
    }
    let elsewhere = write(&objects, "nowhere", "a.jpg").await;
    assert!(matches!(elsewhere, Err(ObjectsError::Forbidden { .. })));
    let secret = fs::read_to_string(folder.path().join("secret")).unwrap();
    assert_eq!(secret, "secret");
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_followed_within_the_folder_only() {
    // Invariant 2.
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    let images = folder.path().join("images");
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret.jpg"), "secret").unwrap();
    fs::write(images.join("real.jpg"), "real").unwrap();
    symlink("real.jpg", images.join("link.jpg")).unwrap();
    symlink(outside.join("secret.jpg"), images.join("leak.jpg")).unwrap();
    symlink(&outside, images.join("folder")).unwrap();
    symlink("loop.jpg", images.join("loop.jpg")).unwrap();
    symlink(folder.path().join("not-there"), images.join("dangling")).unwrap();

    let read = async |key: &str| objects.read(&image("photos", key, None), 100).await;
    assert_eq!(read("link.jpg").await.unwrap(), b"real");
    for key in ["leak.jpg", "folder", "folder/secret.jpg"] {
        let error = read(key).await.unwrap_err();
        assert!(matches!(error, ObjectsError::Forbidden { .. }), "{key}");
        assert!(error.to_string().contains("a link leads out"), "{error}");
    }
    for key in ["loop.jpg", "dangling", "link.jpg/a"] {
        let error = read(key).await.unwrap_err();
        assert!(matches!(error, ObjectsError::NotFound { .. }), "{key}");
    }
    for key in ["folder/new.jpg", "folder/deep/new.jpg", "dangling/new.jpg"] {
        let written = write(&objects, "photos", key).await;
        assert!(
            matches!(written, Err(ObjectsError::Forbidden { .. })),
            "{key}"
        );
        objects.delete("photos", key).await.unwrap();
    }
    objects.delete("photos", "folder/secret.jpg").await.unwrap();
    assert_eq!(files(&outside), ["secret.jpg"]);
    assert!(!folder.path().join("not-there").exists());
    // A link is replaced, not what it leads to.
    write(&objects, "photos", "leak.jpg").await.unwrap_err();
    assert_eq!(fs::read(outside.join("secret.jpg")).unwrap(), b"secret");
}

#[tokio::test]
async fn an_image_is_identified_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    let path = folder.path().join("images/a.jpg");
    let content = vec![7; 200_000];
    fs::write(&path, &content).unwrap();
    let found = objects.identify("photos", "a.jpg").await.unwrap();
    assert_eq!(found.version, Some(sha256_hex(&content)));
    assert_eq!(found.bytes, Some(200_000));
    assert_eq!(objects.read(&found, 1 << 20).await.unwrap(), content);

    // Somebody else overwrites it in place, with as many bytes.
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, vec![8; 200_000]).unwrap();
    let later = before + std::time::Duration::from_millis(20);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(later).unwrap();
    let superseded = ObjectsError::Superseded {
        bucket: "photos".into(),
        key: "a.jpg".into(),
    };
    let read = objects.read_range(&found, 0..10).await;
    assert_eq!(read, Err(superseded.clone()));
    // Known by its content only, it is compared by its content.
    let by_content = ImageRef {
        etag: None,
        ..found.clone()
    };
    assert_eq!(objects.read(&by_content, 1 << 20).await, Err(superseded));
    fs::write(&path, &content).unwrap();
    assert_eq!(objects.read(&by_content, 1 << 20).await.unwrap(), content);

    fs::remove_file(&path).unwrap();
    let missing = objects.identify("photos", "a.jpg").await.unwrap_err();
    assert!(matches!(missing, ObjectsError::NotFound { .. }));
}

#[tokio::test]
async fn a_file_of_somebody_else_has_the_media_type_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    fs::write(folder.path().join("images/a.PNG"), "x").unwrap();
    let head = objects.head("photos", "a.PNG").await.unwrap().unwrap();
    assert_eq!(head.meta.media_type, "image/png");
    // Metadata that we wrote is not that of a file that replaced ours.
    let meta = ObjectMeta {
        media_type: "text/plain".into(),
        user: BTreeMap::from([("a".into(), "b".into())]),
    };
    let condition = WriteCondition::Always;
    objects
        .write("photos", "b.gif", b"x", &meta, &condition)
        .await
        .unwrap();
    let head = objects.head("photos", "b.gif").await.unwrap().unwrap();
    assert_eq!(head.meta, meta);
    fs::write(folder.path().join("images/b.gif"), "longer").unwrap();
    let head = objects.head("photos", "b.gif").await.unwrap().unwrap();
    assert_eq!(head.meta.media_type, "image/gif");
    assert!(head.meta.user.is_empty());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    fs::write(folder.path().join("out/label"), "a file").unwrap();
    let key = "results/label/a.jpg/labels.json";
    let error = write(&objects, RESULTS_BUCKET, key).await.unwrap_err();
    assert_eq!(error.name(), "Objects.Unavailable");
    let text = error.to_string();
    assert!(
        text.contains("label") && text.contains("move away"),
        "{text}"
    );
    assert_eq!(objects.head(RESULTS_BUCKET, key).await.unwrap(), None);

    let missing = FolderObjects::open(&Folders {
        images: BTreeMap::from([("photos".into(), folder.path().join("none"))]),
        results: folder.path().join("out"),
        state: folder.path().join("state"),
    });
    assert!(missing.unwrap_err().to_string().contains("none"));
}

/// The environment variable that makes this test program a writer.
const WRITER: &str = "SAFELIGHT_TEST_WRITER";

#[test]
fn processes_lose_no_write() {
    // Invariant 3.
    let folder = tempfile::tempdir().unwrap();
    open(folder.path());
    let program = std::env::current_exe().unwrap();
    let writers: Vec<_> = (0..3)
        .map(|_| {
            std::process::Command::new(&program)
                .args(["--exact", "a_writer", "--ignored"])
                .env(WRITER, folder.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    let counter = folder.path().join("out/counter");
    assert_eq!(fs::read_to_string(counter).unwrap(), "60");
    assert_eq!(files(&folder.path().join("out")), [".metadata", "counter"]);
}

#[tokio::test]
#[ignore = "run by processes_lose_no_write, in processes of its own"]
async fn a_writer() {
    let folder = std::env::var_os(WRITER).expect("run by processes_lose_no_write");
    let objects = open(Path::new(&folder));
    let key = "results/counter";
    let mut added = 0;
    while added < 20 {
        let head = objects.head(RESULTS_BUCKET, key).await.unwrap();
        let (number, condition) = match head {
            None => (0, WriteCondition::IfAbsent),
            Some(head) => {
                let image = image(RESULTS_BUCKET, key, Some(&head.etag));
                let Ok(bytes) = objects.read(&image, 100).await else {
                    continue;
                };
                let number: u32 = String::from_utf8(bytes).unwrap().parse().unwrap();
                (number, WriteCondition::IfMatch(head.etag))
            }
        };
        let body = (number + 1).to_string();
        let meta = ObjectMeta::default();
        let written = objects
            .write(RESULTS_BUCKET, key, body.as_bytes(), &meta, &condition)
            .await
            .unwrap();
        if written != Written::ConditionFailed {
            added += 1;
        }
    }
}
