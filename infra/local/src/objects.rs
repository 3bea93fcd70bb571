//! Objects in folders: images where they lie, results where a person looks for them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use safelight_ports::{ObjectHead, ObjectMeta, Objects, ObjectsError, WriteCondition, Written};
use safelight_schema::{Format, ImageRef, chain};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::file::{self, Locks, Opened, Staged};
use crate::keys;

/// The bucket that results, archives and payloads go to.
pub const RESULTS_BUCKET: &str = "results";

/// Prefix of the keys of [`RESULTS_BUCKET`] that lie in the results folder.
const RESULTS_PREFIX: &str = "results/";

/// Prefixes of the keys of [`RESULTS_BUCKET`] that lie in the state folder.
const STATE_PREFIXES: [&str; 3] = ["alerts/", "archive/", "payloads/"];

/// Where the buckets lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folders {
    /// Folders of images by bucket name. They must exist.
    pub images: BTreeMap<String, PathBuf>,
    /// Folder of results; made where it is not there.
    pub results: PathBuf,
    /// State folder: archives, payloads, metadata of images, locks. Made where it is not there.
    pub state: PathBuf,
}

/// Objects in folders. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FolderObjects {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    images: BTreeMap<String, PathBuf>,
    results: PathBuf,
    state: PathBuf,
    locks: Locks,
}

/// Where one object lies.
#[derive(Debug)]
struct Place {
    /// The folder that it must not leave, without links.
    root: PathBuf,
    /// Below the root.
    relative: PathBuf,
    /// Its sidecar with media type and user metadata.
    sidecar: PathBuf,
}

impl Place {
    fn path(&self) -> PathBuf {
        self.root.join(&self.relative)
    }
}

/// The sidecar: metadata of the object that has this entity tag, and of no other.
#[derive(Serialize, Deserialize)]
struct Sidecar {
    etag: String,
    #[serde(flatten)]
    meta: ObjectMeta,
}

impl FolderObjects {
    /// Opens the folders.
    pub fn open(folders: &Folders) -> Result<Self, ObjectsError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| ObjectsError::Unavailable(file::explain(&path, &error))
        };
        let make = |path: &Path| -> Result<PathBuf, ObjectsError> {
            fs::create_dir_all(path).map_err(failed(path))?;
            fs::canonicalize(path).map_err(failed(path))
        };
        let mut images = BTreeMap::new();
        for (bucket, path) in &folders.images {
            let real = fs::canonicalize(path).map_err(failed(path))?;
            images.insert(bucket.clone(), real);
        }
        let state = make(&folders.state.join("objects"))?;
        let locks = folders.state.join("locks");
        Ok(Self {
            inner: Arc::new(Inner {
                images,
                results: make(&folders.results)?,
                state,
                locks: Locks::open(locks.clone()).map_err(failed(&locks))?,
            }),
        })
    }

    /// Reads an image once to learn its version: the SHA-256 of its content, with its size and
    /// entity tag. `Superseded` if it changed meanwhile: it is still being written.
    pub async fn identify(&self, bucket: &str, key: &str) -> Result<ImageRef, ObjectsError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.run(move |inner| inner.identify(&bucket, &key)).await
    }

    /// The path of an object, whether it is there or not; `None` for a key that no file can have.
    pub fn path(&self, bucket: &str, key: &str) -> Option<PathBuf> {
        Some(self.inner.place(bucket, key).ok()?.path())
    }

    /// A worker has a runtime of one thread and one thing to do: it does it there. A host has other
    /// things to do, so it is done on a thread that may wait.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ObjectsError> + Send + 'static,
    ) -> Result<T, ObjectsError> {
        let alone = Handle::try_current().map_or(true, |it| {
            it.runtime_flavor() == RuntimeFlavor::CurrentThread
        });
        if alone {
            return work(&self.inner);
        }
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .unwrap_or_else(|error| Err(ObjectsError::Unavailable(error.to_string())))
    }
}

#[async_trait]
impl Objects for FolderObjects {
    fn results_bucket(&self) -> &str {
        RESULTS_BUCKET
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectHead>, ObjectsError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.run(move |inner| inner.head(&bucket, &key)).await
    }

    async fn read_range(
        &self,
        image: &ImageRef,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ObjectsError> {
        let image = image.clone();
        self.run(move |inner| {
            let length = range.end.saturating_sub(range.start);
            inner.read(&image, |opened| opened.read(range.start, length))
        })
        .await
    }

    async fn read(&self, image: &ImageRef, limit: u64) -> Result<Vec<u8>, ObjectsError> {
        let image = image.clone();
        self.run(move |inner| inner.read_whole(&image, limit)).await
    }

    async fn write(
        &self,
        bucket: &str,
        key: &str,
        body: &[u8],
        meta: &ObjectMeta,
        condition: &WriteCondition,
    ) -> Result<Written, ObjectsError> {
        let place = self.inner.writable(bucket, key)?;
        let (body, meta, condition) = (body.to_vec(), meta.clone(), condition.clone());
        self.run(move |inner| {
            let written = inner.write(&place, &body, &meta, &condition);
            written.map_err(|error| unavailable(&place.path(), &error))
        })
        .await
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), ObjectsError> {
        let Ok(place) = self.inner.place(bucket, key) else {
            return Ok(());
        };
        self.run(move |inner| {
            let deleted = inner.delete(&place);
            deleted.map_err(|error| unavailable(&place.path(), &error))
        })
        .await
    }
}

fn unavailable(path: &Path, error: &io::Error) -> ObjectsError {
    ObjectsError::Unavailable(file::explain(path, error))
}

/// A read that the file system does not let us do concerns this object alone.
fn unreadable(bucket: &str, key: &str, path: &Path, error: &io::Error) -> ObjectsError {
    let why = file::explain(path, error);
    if error.kind() == io::ErrorKind::PermissionDenied {
        forbidden(bucket, key, why)
    } else {
        ObjectsError::Unavailable(why)
    }
}

fn forbidden(bucket: &str, key: &str, why: String) -> ObjectsError {
    ObjectsError::Forbidden {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        why,
    }
}

fn not_found(bucket: &str, key: &str) -> ObjectsError {
    ObjectsError::NotFound {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    }
}

fn superseded(image: &ImageRef) -> ObjectsError {
    ObjectsError::Superseded {
        bucket: image.bucket.clone(),
        key: image.key.clone(),
    }
}

impl Inner {
    /// The file that a key names; why there can be none otherwise.
    fn place(&self, bucket: &str, key: &str) -> Result<Place, String> {
        let relative = |key: &str| keys::relative(key).map_err(|error| error.to_string());
        if let Some(root) = self.images.get(bucket) {
            let relative = keys::image(key).map_err(|error| error.to_string())?;
            return Ok(Place {
                root: root.clone(),
                // A folder of images stays as it is.
                sidecar: self
                    .state
                    .join("images")
                    .join(chain::sha256_hex(bucket.as_bytes()))
                    .join(keys::sidecar(&relative)),
                relative,
            });
        }
        if bucket != RESULTS_BUCKET {
            return Err(format!("there is no bucket '{bucket}'"));
        }
        let (root, relative) = if let Some(rest) = key.strip_prefix(RESULTS_PREFIX) {
            (&self.results, relative(rest)?)
        } else if STATE_PREFIXES.iter().any(|it| key.starts_with(it)) {
            (&self.state, relative(key)?)
        } else {
            return Err(format!(
                "the key '{key}' of bucket '{bucket}' must start with results/, alerts/, archive/ or payloads/"
            ));
        };
        Ok(Place {
            root: root.clone(),
            sidecar: root.join(keys::sidecar(&relative)),
            relative,
        })
    }

    /// The file that a key names, if no link leads it out of its folder.
    fn writable(&self, bucket: &str, key: &str) -> Result<Place, ObjectsError> {
        let place = self
            .place(bucket, key)
            .map_err(|why| forbidden(bucket, key, why))?;
        let path = place.path();
        let folder = path.parent().unwrap_or(&place.root);
        match file::is_below(&place.root, folder) {
            Ok(true) => Ok(place),
            Ok(false) => {
                let why = format!("a link in {} leads out of the folder", path.display());
                Err(forbidden(bucket, key, why))
            }
            Err(error) => Err(unavailable(&path, &error)),
        }
    }

    fn opened(&self, bucket: &str, key: &str) -> Result<Option<(Place, Opened)>, ObjectsError> {
        let Ok(place) = self.place(bucket, key) else {
            return Ok(None);
        };
        match file::open(&place.root, &place.relative) {
            Ok(opened) => Ok(opened.map(|opened| (place, opened))),
            Err(error) => Err(unreadable(bucket, key, &place.path(), &error)),
        }
    }

    fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectHead>, ObjectsError> {
        let Ok(place) = self.place(bucket, key) else {
            return Ok(None);
        };
        // Object and sidecar are replaced one after the other.
        let lock = self.locks.shared(&place.path());
        let _lock = lock.map_err(|error| unavailable(&place.path(), &error))?;
        let Some((place, opened)) = self.opened(bucket, key)? else {
            return Ok(None);
        };
        let etag = opened.etag();
        let meta = fs::read(&place.sidecar)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Sidecar>(&bytes).ok())
            .filter(|sidecar| sidecar.etag == etag)
            .map_or_else(|| guess(key), |sidecar| sidecar.meta);
        Ok(Some(ObjectHead {
            bytes: opened.metadata.len(),
            etag,
            version: None,
            meta,
        }))
    }

    /// Reads of the version that `image` names: by its entity tag where it has one.
    fn read<T>(
        &self,
        image: &ImageRef,
        read: impl FnOnce(&mut Opened) -> io::Result<T>,
    ) -> Result<T, ObjectsError> {
        let Some((place, mut opened)) = self.opened(&image.bucket, &image.key)? else {
            return Err(not_found(&image.bucket, &image.key));
        };
        if image
            .etag
            .as_ref()
            .is_some_and(|etag| *etag != opened.etag())
        {
            return Err(superseded(image));
        }
        let failed = |error: io::Error| unavailable(&place.path(), &error);
        let read = read(&mut opened).map_err(failed)?;
        // What was overwritten in place while we read it is neither the old nor the new.
        if opened.is_unchanged().map_err(failed)? {
            Ok(read)
        } else {
            Err(superseded(image))
        }
    }

    fn read_whole(&self, image: &ImageRef, limit: u64) -> Result<Vec<u8>, ObjectsError> {
        let bytes = self.read(image, |opened| {
            let bytes = opened.metadata.len();
            if bytes > limit {
                return Ok(Err(ObjectsError::TooLarge {
                    key: image.key.clone(),
                    bytes,
                    limit,
                }));
            }
            opened.read(0, bytes).map(Ok)
        })??;
        // Only without an entity tag is the content itself compared.
        if let (None, Some(version)) = (&image.etag, &image.version)
            && chain::sha256_hex(&bytes) != *version
        {
            return Err(superseded(image));
        }
        Ok(bytes)
    }

    fn identify(&self, bucket: &str, key: &str) -> Result<ImageRef, ObjectsError> {
        let image = ImageRef {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: None,
            etag: None,
            sequencer: None,
            bytes: None,
        };
        self.read(&image, |opened| {
            let mut hasher = Sha256::new();
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match opened.file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(ImageRef {
                version: Some(chain::to_hex(&hasher.finalize())),
                etag: Some(opened.etag()),
                bytes: Some(opened.metadata.len()),
                ..image.clone()
            })
        })
    }

    fn write(
        &self,
        place: &Place,
        body: &[u8],
        meta: &ObjectMeta,
        condition: &WriteCondition,
    ) -> io::Result<Written> {
        let path = place.path();
        // The slow part first: the lock is held only for looking and renaming.
        let staged = Staged::write(&path, body)?;
        let _lock = self.locks.exclusive(&path)?;
        let existing = file::open(&place.root, &place.relative)?.map(|opened| opened.metadata);
        let holds = match condition {
            WriteCondition::Always => true,
            WriteCondition::IfAbsent => existing.is_none(),
            WriteCondition::IfMatch(etag) => {
                existing.as_ref().map(file::etag).as_ref() == Some(etag)
            }
        };
        if !holds {
            return Ok(Written::ConditionFailed);
        }
        let etag = staged.after(existing.as_ref())?;
        let sidecar = Sidecar {
            etag: etag.clone(),
            meta: meta.clone(),
        };
        let sidecar = serde_json::to_vec(&sidecar).map_err(io::Error::other)?;
        Staged::write_lightly(&place.sidecar, &sidecar)?.rename(&place.sidecar)?;
        staged.rename(&path)?;
        file::sync_folder(path.parent().unwrap_or(&place.root))?;
        Ok(Written::Done(etag))
    }

    fn delete(&self, place: &Place) -> io::Result<()> {
        let path = place.path();
        let _lock = self.locks.exclusive(&path)?;
        let folder = path.parent().unwrap_or(&place.root);
        if !file::is_below(&place.root, folder)? {
            return Ok(());
        }
        match fs::remove_file(&path) {
            Ok(()) => file::sync_folder(folder)?,
            Err(error) if file::is_absence(&error) => {}
            // A folder is no object.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => return Ok(()),
            Err(error) => return Err(error),
        }
        let _ = fs::remove_file(&place.sidecar);
        remove_empty_folders(&place.sidecar, &self.state);
        remove_empty_folders(&place.sidecar, &self.results);
        // Folders of images are their owner's.
        if place.root == self.results || place.root == self.state {
            remove_empty_folders(&path, &place.root);
        }
        Ok(())
    }
}

/// Removes the folders of `path` that are empty now, up to `root`.
fn remove_empty_folders(path: &Path, root: &Path) {
    for folder in path.ancestors().skip(1) {
        if folder == root || !folder.starts_with(root) || fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

/// Metadata of a file that somebody else wrote.
fn guess(key: &str) -> ObjectMeta {
    let media_type =
        Format::of_extension(key).map_or("application/octet-stream", |format| format.media_type());
    ObjectMeta {
        media_type: media_type.to_owned(),
        user: BTreeMap::new(),
    }
}
