//! The conformance suites through client, HTTP and server; and what only the way can get wrong.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::{DateTime, Duration};
use safelight_local::{
    Clock, HostClient, QueueConfig, Redrive, SqliteQueue, SqliteRecord, random_token, router,
};
use safelight_ports::conformance::{self, QueueUnderTest};
use safelight_ports::{Queue, QueueError, Record, RecordError};
use safelight_schema::Token;
use safelight_sqlite::{Database, Options};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

struct Host {
    _folder: TempDir,
    clock: Clock,
    address: SocketAddr,
    token: Token,
}

async fn host() -> Host {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path().join("state.db"), Options::default()).unwrap();
    let clock = Clock::manual(DateTime::from_timestamp(1_790_000_000, 0).unwrap());
    let config = QueueConfig {
        redrive: Some(Redrive {
            dead_letter_queue: "dead-letters".into(),
            max_receive_count: 3,
        }),
        ..QueueConfig::default()
    };
    let queues = [("images".to_owned(), config)];
    let queue = SqliteQueue::open(database.clone(), clock.clone(), queues).unwrap();
    let record = Arc::new(SqliteRecord::open(database).unwrap());
    let token = random_token();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = router(record, queue, token.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Host {
        _folder: folder,
        clock,
        address,
        token,
    }
}

impl Host {
    fn client(&self) -> HostClient {
        HostClient::new(self.address, &self.token)
    }

    async fn raw(&self, request: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_through_the_host() {
    let host = host().await;
    let client: Arc<dyn Record> = Arc::new(host.client());
    conformance::record(async || Arc::clone(&client)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queue_through_the_host() {
    let hosts = std::cell::RefCell::new(Vec::new());
    conformance::queue(async || {
        let host = host().await;
        let clock = host.clock.clone();
        let queue = Arc::new(host.client());
        hosts.borrow_mut().push(host);
        QueueUnderTest {
            queue,
            name: "images".into(),
            dead_letter_queue: "dead-letters".into(),
            max_receive_count: 3,
            hidden: Duration::seconds(30),
            pass: Box::new(move |by| {
                clock.advance(by);
                Box::pin(std::future::ready(()))
            }),
        }
    })
    .await;
}

#[tokio::test]
async fn commands_look_at_messages_through_the_host() {
    let host = host().await;
    let client = host.client();
    let ids = client
        .send("images", &["a".to_owned(), "b".to_owned()])
        .await
        .unwrap();
    let seen = client.browse("images", 10).await.unwrap();
    assert_eq!(seen.len(), 2);
    assert!(client.delete_by_id("images", &ids[0]).await.unwrap());
    assert!(!client.delete_by_id("images", &ids[0]).await.unwrap());
    let moved = client.move_by_id("images", &ids[1], "dead-letters").await;
    assert!(moved.unwrap());
    assert!(client.browse("images", 10).await.unwrap().is_empty());
    let unknown = client.browse("unknown", 10).await;
    assert_eq!(unknown, Err(QueueError::NoSuchQueue("unknown".into())));
}

#[tokio::test]
async fn only_who_shows_the_token_is_let_in() {
    let host = host().await;
    let stranger = HostClient::new(host.address, &random_token());
    let error = stranger.depth("images").await.unwrap_err();
    assert!(error.to_string().contains("token"), "{error}");
    let error = stranger.header("x").await.unwrap_err();
    assert!(matches!(error, RecordError::Unavailable(_)), "{error}");
    let secret = host.token.secret();
    for authorization in [
        "",
        "Authorization: Bearer \r\n",
        "Authorization: Basic x\r\n",
    ] {
        let answer = host
            .raw(&format!(
                "POST /host/queue/depth HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}Content-Length: 10\r\n\r\n[\"images\"]"
            ))
            .await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert!(!answer.contains(secret));
    }
}

#[tokio::test]
async fn requests_that_make_no_sense_are_told_so() {
    let host = host().await;
    let secret = host.token.secret();
    let post = async |path: &str, body: &str| {
        host.raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {secret}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await
    };
    let cases = [
        ("/host/queue/depth", "[\"images\"]", "200"),
        ("/host/queue/depth", "[\"unknown\"]", "422"),
        ("/host/queue/depth", "[]", "400"),
        ("/host/queue/depth", "not json", "400"),
        ("/host/record/append", "[[{}],[]]", "400"),
        ("/host/record/claim", "", "400"),
        ("/host/queue/unknown", "[]", "404"),
        ("/host/record/unknown", "[]", "404"),
        ("/host/record/lane", "[\"x\",\"no-lane\"]", "400"),
    ];
    for (path, body, status) in cases {
        let answer = post(path, body).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{path} {body}: {answer}");
    }
}

#[tokio::test]
async fn a_host_that_is_gone_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = HostClient::new(address, &random_token());
    let error = client.depth("images").await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, QueueError::Unavailable(_)));
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(text.contains("still running"), "{text}");
}

#[tokio::test]
async fn a_connection_that_fails_at_first_is_tried_again() {
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path().join("state.db"), Options::default()).unwrap();
    let queues = [("images".to_owned(), QueueConfig::default())];
    let queue = SqliteQueue::open(database.clone(), Clock::system(), queues).unwrap();
    let record = Arc::new(SqliteRecord::open(database).unwrap());
    let token = random_token();
    let client = HostClient::new(address, &token);
    let asking = tokio::spawn(async move {
        let hidden = Duration::seconds(1);
        client.receive("images", 1, hidden).await
    });
    tokio::task::yield_now().await;
    // Another program may have taken the port meanwhile: then there is nothing to try.
    let Ok(listener) = TcpListener::bind(address).await else {
        return;
    };
    let routes = router(record, queue, token);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    assert_eq!(asking.await.unwrap(), Ok(Vec::new()));
}
