//! `PUT /{bucket}/{key}`: an upload becomes a file of the bucket's folder, and a notification.

use std::collections::BTreeMap;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use chrono::Utc;
use futures::StreamExt as _;
use safelight_local::{FolderObjects, MAX_KEY_PART, SqliteQueue};
use safelight_ports::Queue as _;
use safelight_schema::{Token, key};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::host::INGEST;
use crate::ingest::{self, Bucket, Source};

/// What an upload needs.
#[derive(Clone)]
pub struct Uploads {
    /// The buckets by name.
    pub buckets: Arc<BTreeMap<String, PathBuf>>,
    /// The folders.
    pub objects: FolderObjects,
    /// The queue.
    pub queue: SqliteQueue,
    /// Largest upload, bytes.
    pub max_bytes: u64,
    /// The name it was told to listen as.
    pub host: String,
    /// Bearer token, where one is asked for.
    pub token: Option<Token>,
}

/// Why an upload is refused.
#[derive(Debug, thiserror::Error)]
enum UploadError {
    #[error("a bearer token is needed: Authorization: Bearer <SAFELIGHT_TOKEN>")]
    Unauthorized,
    #[error("the Host or Origin of the request is not this server")]
    Foreign,
    #[error("there is no bucket '{0}'")]
    NoSuchBucket(String),
    #[error(
        "the key '{0}' is not allowed: no empty, hidden, '.' or '..' parts, at most 255 bytes a part and 1024 in all, and no '\\' or U+FFFD"
    )]
    InvalidKey(String),
    #[error("the upload has more than {0} bytes: raise [serve] max_upload_bytes, or upload less")]
    EntityTooLarge(u64),
    #[error("the upload ended early: {0}")]
    IncompleteBody(String),
    #[error("the upload cannot be kept: {0}")]
    Unavailable(String),
}

impl IntoResponse for UploadError {
    fn into_response(self) -> Response {
        // The names are S3's, where S3 has one.
        let (status, name) = match &self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "AccessDenied"),
            Self::Foreign => (StatusCode::FORBIDDEN, "AccessDenied"),
            Self::NoSuchBucket(_) => (StatusCode::NOT_FOUND, "NoSuchBucket"),
            Self::InvalidKey(_) => (StatusCode::BAD_REQUEST, "InvalidKey"),
            Self::EntityTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "EntityTooLarge"),
            Self::IncompleteBody(_) => (StatusCode::BAD_REQUEST, "IncompleteBody"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
        };
        let body = json!({ "error": { "name": name, "cause": self.to_string() } });
        (status, Json(body)).into_response()
    }
}

/// The route.
pub fn router(uploads: Uploads) -> Router {
    Router::new()
        .route("/{bucket}/{*key}", put(upload))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(uploads)
}

async fn upload(
    State(uploads): State<Uploads>,
    Path((bucket, key)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, UploadError> {
    check_host(&uploads, &headers)?;
    authorize(&uploads, &headers)?;
    let Some(root) = uploads.buckets.get(&bucket) else {
        return Err(UploadError::NoSuchBucket(bucket));
    };
    let path = path_of(root, &key)?;
    check_length(&uploads, &headers)?;
    receive(&uploads, body, &path).await?;
    let source = Source {
        shown: format!("{bucket}/{key}"),
        bucket: Bucket {
            name: bucket,
            root: root.clone(),
        },
        key,
        path,
    };
    let image = ingest::image_of(&uploads.objects, &source).await;
    let now = Utc::now();
    uploads
        .queue
        .send(INGEST, &[ingest::notification(&image, now).to_string()])
        .await
        .map_err(|error| UploadError::Unavailable(error.to_string()))?;
    let answer = json!({
        "bucket": image.bucket,
        "key": image.key,
        "version": image.version,
        "bytes": image.bytes,
        "execution": key::execution_name(&image, now),
    });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// A page of another site must not reach us through its visitor's browser (DNS rebinding): `Host`
/// must be ours, and so must `Origin`, where a browser says one.
fn check_host(uploads: &Uploads, headers: &HeaderMap) -> Result<(), UploadError> {
    let text =
        |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let ours = |authority: &str| {
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host);
        ["localhost", "127.0.0.1", "[::1]"].contains(&host) || uploads.host == host
    };
    let host = text(header::HOST).unwrap_or("");
    let origin = text(header::ORIGIN).map(|origin| {
        origin
            .split_once("://")
            .map_or("?", |(_, authority)| authority)
    });
    if ours(host) && origin.is_none_or(ours) {
        Ok(())
    } else {
        Err(UploadError::Foreign)
    }
}

fn authorize(uploads: &Uploads, headers: &HeaderMap) -> Result<(), UploadError> {
    let Some(token) = &uploads.token else {
        return Ok(());
    };
    let given = headers.get(header::AUTHORIZATION);
    if given.is_some_and(|given| token.is_shown_by(given.as_bytes())) {
        Ok(())
    } else {
        Err(UploadError::Unauthorized)
    }
}

/// What says that it is too large is refused before a byte of it is read.
fn check_length(uploads: &Uploads, headers: &HeaderMap) -> Result<(), UploadError> {
    let said = headers.get(header::CONTENT_LENGTH);
    let bytes = said.and_then(|said| said.to_str().ok()?.parse::<u64>().ok());
    match bytes {
        Some(bytes) if bytes > uploads.max_bytes => {
            Err(UploadError::EntityTooLarge(uploads.max_bytes))
        }
        _ => Ok(()),
    }
}

/// The file of a key. Every part must be a plain name, so that no key leaves the folder.
fn path_of(root: &FsPath, key: &str) -> Result<PathBuf, UploadError> {
    // U+FFFD stands for bytes that are not Unicode, which no key of an upload has.
    let plain = |part: &str| {
        (1..=MAX_KEY_PART).contains(&part.len())
            && !part.starts_with('.')
            && !part.contains(['\0', '\\', char::REPLACEMENT_CHARACTER])
    };
    if key.is_empty() || key.len() > 1024 || !key.split('/').all(plain) {
        return Err(UploadError::InvalidKey(key.to_owned()));
    }
    Ok(root.join(key))
}

/// Writes the body beside its place and moves it there when it is whole and on disk.
async fn receive(uploads: &Uploads, body: Body, path: &FsPath) -> Result<(), UploadError> {
    let unavailable = |error: std::io::Error| UploadError::Unavailable(error.to_string());
    let folder = path.parent().unwrap_or(path);
    tokio::fs::create_dir_all(folder)
        .await
        .map_err(unavailable)?;
    let part = folder.join(format!(".upload-{}", uuid::Uuid::new_v4()));
    let written = write_part(uploads, body, &part).await;
    let moved = match written {
        Ok(()) => tokio::fs::rename(&part, path).await.map_err(unavailable),
        Err(error) => Err(error),
    };
    if moved.is_err() {
        let _ = tokio::fs::remove_file(&part).await;
    }
    moved
}

async fn write_part(uploads: &Uploads, body: Body, part: &FsPath) -> Result<(), UploadError> {
    let unavailable = |error: std::io::Error| UploadError::Unavailable(error.to_string());
    let mut file = tokio::fs::File::create_new(part)
        .await
        .map_err(unavailable)?;
    let mut chunks = body.into_data_stream();
    let mut bytes = 0_u64;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| UploadError::IncompleteBody(error.to_string()))?;
        bytes += chunk.len() as u64;
        if bytes > uploads.max_bytes {
            return Err(UploadError::EntityTooLarge(uploads.max_bytes));
        }
        file.write_all(&chunk).await.map_err(unavailable)?;
    }
    file.sync_data().await.map_err(unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leaves_the_folder() {
        let root = FsPath::new("/srv");
        assert_eq!(
            path_of(root, "a b/한.jpg").unwrap(),
            PathBuf::from("/srv/a b/한.jpg")
        );
        for key in [
            "", "../a", "a/../b", "a//b", "/a", ".hidden", "a/.b", "a\0", "a\\..\\b", "a/",
        ] {
            assert!(path_of(root, key).is_err(), "{key:?}");
        }
        let part = "a".repeat(MAX_KEY_PART);
        assert!(path_of(root, &part).is_ok());
        assert!(path_of(root, &format!("{part}a")).is_err());
        assert!(path_of(root, "a\u{fffd}FF.png").is_err());
        assert!(path_of(root, &"abc/".repeat(257)[..1025]).is_err());
    }
}
