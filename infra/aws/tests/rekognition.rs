//! Rekognition against a stand-in on loopback that answers in its wire format (JSON 1.1).
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use aws_sdk_rekognition::config::retry::RetryConfig;
use aws_sdk_rekognition::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_rekognition::{Client, Config};
use safelight_aws::{ImageSource, Rekognition};
use safelight_ports::{LabelError, Labels};
use safelight_schema::ImageRef;
use serde_json::{Value, json};

/// A server that answers one request; what it was sent comes out of the receiver.
fn serve(status: u16, answer: &Value) -> (Client, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    let answer = answer.to_string();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let (mut target, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim().split_once(": ") else {
                if line.trim().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "x-amz-target" => value.clone_into(&mut target),
                "content-length" => length = value.parse().unwrap(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        sender
            .send((target, serde_json::from_slice(&body).unwrap()))
            .unwrap();
        write!(
            &stream,
            "HTTP/1.1 {status} Answer\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
            answer.len()
        )
        .unwrap();
    });
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    (Client::from_conf(config), receiver)
}

fn image() -> ImageRef {
    ImageRef {
        bucket: "photos".into(),
        key: "a b.jpg".into(),
        version: Some("v1".into()),
        etag: None,
        sequencer: None,
        bytes: None,
    }
}

/// As the developer guide shows it, and a field that no client knows yet.
fn answer() -> Value {
    json!({
        "LabelModelVersion": "3.0",
        "Labels": [{
            "Name": "Car", "Confidence": 98.874_16, "Instances": [], "Parents": [{ "Name": "Vehicle" }],
            "Aliases": [], "Categories": [], "Novelty": true,
        }],
        "ImageProperties": {
            "Quality": { "Brightness": 60.5, "Sharpness": 80.0, "Contrast": 70.25 },
            "DominantColors": [{ "Red": 1, "Green": 2, "Blue": 3, "HexCode": "#010203",
                "CSSColor": "black", "SimplifiedColor": "black", "PixelPercent": 12.5 }],
        },
    })
}

#[tokio::test]
async fn the_answer_is_handed_on_as_it_came() {
    // Invariant 1.
    let (client, sent) = serve(200, &answer());
    let service = Rekognition::new(client, ImageSource::Bytes);
    assert_eq!(service.detect(&image(), b"pixels").await.unwrap(), answer());
    let (target, body) = sent.recv().unwrap();
    assert_eq!(target, "RekognitionService.DetectLabels");
    assert_eq!(body["Image"], json!({ "Bytes": "cGl4ZWxz" }));
    assert_eq!(
        body["Features"],
        json!(["GENERAL_LABELS", "IMAGE_PROPERTIES"])
    );
}

#[tokio::test]
async fn an_object_in_s3_is_named_with_its_version() {
    let (client, sent) = serve(200, &answer());
    let service = Rekognition::new(client, ImageSource::S3);
    service.detect(&image(), b"").await.unwrap();
    let (_, body) = sent.recv().unwrap();
    assert_eq!(
        body["Image"],
        json!({ "S3Object": { "Bucket": "photos", "Name": "a b.jpg", "Version": "v1" } })
    );
}

#[tokio::test]
async fn each_kind_of_error_has_its_name() {
    // Invariant 2.
    for (status, code, name) in [
        (400, "ThrottlingException", "Label.Throttled"),
        (
            400,
            "ProvisionedThroughputExceededException",
            "Label.Throttled",
        ),
        (429, "SomethingElse", "Label.Throttled"),
        (400, "InvalidImageFormatException", "Label.Refused"),
        (400, "AccessDeniedException", "Label.Refused"),
        (500, "InternalServerError", "Label.ServiceError"),
        (503, "ServiceUnavailable", "Label.ServiceError"),
    ] {
        let (client, _sent) = serve(status, &json!({ "__type": code, "Message": "why" }));
        let service = Rekognition::new(client, ImageSource::Bytes);
        let error = service.detect(&image(), b"pixels").await.unwrap_err();
        assert_eq!(error.name(), name, "{code}");
        assert!(error.to_string().contains(code), "{error}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_fault_of_the_service() {
    let (client, sent) = serve(200, &answer());
    // The only connection is taken by another.
    let first = Rekognition::new(client.clone(), ImageSource::Bytes);
    first.detect(&image(), b"pixels").await.unwrap();
    drop(sent);
    let error = first.detect(&image(), b"pixels").await.unwrap_err();
    assert_eq!(error.name(), "Label.ServiceError");
}

#[tokio::test]
async fn too_many_bytes_are_refused_before_they_are_sent() {
    let (client, _sent) = serve(200, &answer());
    let service = Rekognition::new(client, ImageSource::Bytes);
    let bytes = vec![0; 5_000_001];
    let error = service.detect(&image(), &bytes).await.unwrap_err();
    assert!(matches!(error, LabelError::Refused(_)), "{error}");
}
