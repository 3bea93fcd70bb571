use super::*;
use safelight_kit::testing::Bench;

/// A PNG of one pixel.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

fn event(method: &str, key: &str, body: &[u8]) -> Value {
    json!({
        "version": "2.0",
        "routeKey": format!("{method} /{{bucket}}/{{key+}}"),
        "rawPath": format!("/images/{key}"),
        "pathParameters": { "bucket": "images", "key": key },
        "headers": { "content-type": "text/plain" },
        "requestContext": {
            "http": { "method": method, "path": format!("/images/{key}") },
            "authorizer": { "jwt": { "claims": { "sub": "somebody" }, "scopes": null } },
        },
        "body": STANDARD.encode(body),
        "isBase64Encoded": true,
    })
}

async fn call(bench: &Bench, event: Value) -> (u64, Value) {
    let mut adapters = bench.adapters();
    adapters.settings = json!({ "buckets": { "images": "the-bucket" }, "max_bytes": 100 << 20 });
    let answer = bench.call_with(&FUNCTION, adapters, event).await.unwrap();
    let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    (answer["statusCode"].as_u64().unwrap(), body)
}

#[tokio::test]
async fn a_small_image_is_kept_with_the_media_type_of_its_content() {
    // Invariant 3; the name and the header lie.
    let bench = Bench::new();
    let (status, body) = call(&bench, event("PUT", "new/a b+.jpg", PNG)).await;
    assert_eq!((status, &body["format"]), (201, &json!("png")), "{body}");
    assert_eq!(
        bench.objects.bytes("the-bucket", "new/a b+.jpg").unwrap(),
        PNG
    );
    let meta = bench.objects.meta("the-bucket", "new/a b+.jpg").unwrap();
    assert_eq!(meta.media_type, "image/png");
}

#[tokio::test]
async fn what_passed_no_authorizer_is_refused_first() {
    // Invariant 1: even what else is wrong with it is not told.
    let bench = Bench::new();
    for authorizer in [Value::Null, json!({}), json!({ "jwt": null })] {
        let mut event = event("DELETE", "../a.png", b"text");
        event["requestContext"]["authorizer"] = authorizer;
        let (status, body) = call(&bench, event).await;
        assert_eq!(
            (status, &body["error"]["name"]),
            (401, &json!("AccessDenied"))
        );
    }
    let mut signed = event("PUT", "a.png", PNG);
    signed["requestContext"]["authorizer"] = json!({ "iam": { "accountId": "1" } });
    assert_eq!(call(&bench, signed).await.0, 201);
    assert_eq!(bench.objects.writes(), 1);
}

#[tokio::test]
async fn what_is_no_image_is_refused_whatever_its_name_says() {
    // Invariant 2.
    let bench = Bench::new();
    for (bytes, expected) in [
        (&b"%PDF-1.7 and so on"[..], (415, "Image.Unsupported")),
        (b"", (415, "Image.Empty")),
        (&PNG[..20], (422, "Image.TruncatedHeader")),
    ] {
        let (status, body) = call(&bench, event("PUT", "a.png", bytes)).await;
        assert_eq!((status, body["error"]["name"].as_str().unwrap()), expected);
    }
    let wanted = json!({ "bytes": 9_000_000, "head": STANDARD.encode(b"%PDF-1.7") });
    let post = event("POST", "a.png", wanted.to_string().as_bytes());
    assert_eq!(call(&bench, post).await.0, 415);
    assert_eq!(bench.objects.writes(), 0);
}

#[tokio::test]
async fn a_large_image_is_sent_to_the_bucket_itself() {
    // Invariant 4: for this object, size and type.
    let bench = Bench::new();
    let mut large = PNG.to_vec();
    large.resize(MAX_THROUGH as usize, 0);
    assert_eq!(call(&bench, event("PUT", "a.png", &large)).await.0, 201);
    large.push(0);
    let mut adapters = bench.adapters();
    adapters.settings = json!({ "buckets": { "images": "the-bucket" } });
    let answer = bench
        .call_with(&FUNCTION, adapters, event("PUT", "a.png", &large))
        .await
        .unwrap();
    assert_eq!(answer["statusCode"], 307);
    assert_eq!(
        answer["headers"]["location"],
        "memory://the-bucket/a.png?expires=900"
    );
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["upload"]["headers"]["content-length"], "4194305");
    assert_eq!(body["upload"]["headers"]["content-type"], "image/png");
    assert_eq!(body["upload"]["expires"], "2026-11-21T12:15:00.000Z");
    assert_eq!(bench.objects.writes(), 1);
}

#[tokio::test]
async fn leave_is_asked_for_with_the_size_and_the_beginning() {
    // Invariant 4.
    let bench = Bench::new();
    let ask = |bytes: u64, head: &[u8]| {
        let wanted = json!({ "bytes": bytes, "head": STANDARD.encode(head) });
        event("POST", "a.jpg", wanted.to_string().as_bytes())
    };
    let (status, body) = call(&bench, ask(50 << 20, PNG)).await;
    assert_eq!((status, &body["upload"]["method"]), (200, &json!("PUT")));
    assert_eq!(body["upload"]["headers"]["content-type"], "image/png");
    // The header goes on beyond the beginning: recognised, and called what its name says.
    let (status, body) = call(&bench, ask(50 << 20, b"\xff\xd8\xff\xe1\x40\0Exif")).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["upload"]["headers"]["content-type"], "image/jpeg");
    let (status, body) = call(&bench, ask(101 << 20, PNG)).await;
    assert_eq!(
        (status, &body["error"]["name"]),
        (413, &json!("EntityTooLarge"))
    );
    // A beginning that is longer than the whole, and a body that is no description.
    assert_eq!(call(&bench, ask(3, PNG)).await.0, 400);
    assert_eq!(call(&bench, event("POST", "a.jpg", PNG)).await.0, 400);
}

#[tokio::test]
async fn keys_buckets_methods_and_faults_are_answered() {
    let bench = Bench::new();
    for key in ["", "../a", "a//b", "/a", ".hidden", "a/.b", "a\0", "a/"] {
        let (status, body) = call(&bench, event("PUT", key, PNG)).await;
        assert_eq!(
            (status, &body["error"]["name"]),
            (400, &json!("InvalidKey")),
            "{key:?}"
        );
    }
    let mut other = event("PUT", "a.png", PNG);
    other["pathParameters"]["bucket"] = json!("the-bucket");
    assert_eq!(call(&bench, other).await.0, 404);
    assert_eq!(call(&bench, event("GET", "a.png", b"")).await.0, 405);
    assert_eq!(call(&bench, json!({ "Records": [] })).await.0, 400);
    let mut older = event("PUT", "a.png", PNG);
    older["version"] = json!("1.0");
    assert_eq!(call(&bench, older).await.0, 400);
    bench.objects.set_down(true);
    assert_eq!(call(&bench, event("PUT", "a.png", PNG)).await.0, 503);
}
