//! Leave to put an object is, on one machine, the address of `safelight serve`: it takes the PUT, and
//! its bearer token, where one is asked for, is the sender's to add.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::Duration;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use safelight_ports::{Leave, ObjectsError, Presign};

/// What stays as it is in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A running `safelight serve`.
#[derive(Debug, Clone)]
pub struct ServeUploads {
    address: String,
}

impl ServeUploads {
    /// The one that listens at `address`, `host:port`.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
        }
    }
}

#[async_trait]
impl Presign for ServeUploads {
    async fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: u64,
        media_type: &str,
        _: Duration,
    ) -> Result<Leave, ObjectsError> {
        Ok(Leave {
            url: format!(
                "http://{}/{}/{}",
                self.address,
                utf8_percent_encode(bucket, PATH),
                utf8_percent_encode(key, PATH),
            ),
            headers: BTreeMap::from([
                ("content-length".to_owned(), bytes.to_string()),
                ("content-type".to_owned(), media_type.to_owned()),
            ]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_address_is_that_of_serve() {
        let uploads = ServeUploads::new("127.0.0.1:7878");
        let leave = uploads
            .put(
                "photos",
                "a b/100%+é.jpg",
                7,
                "image/jpeg",
                Duration::minutes(1),
            )
            .await
            .unwrap();
        assert_eq!(
            leave.url,
            "http://127.0.0.1:7878/photos/a%20b/100%25%2B%C3%A9.jpg"
        );
        assert_eq!(leave.headers["content-length"], "7");
    }
}
