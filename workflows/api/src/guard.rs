//! Who may call: the `Host` check and the token.

use axum::http::{HeaderMap, StatusCode, header};

use crate::router::ApiOptions;
use crate::wire::Fault;

/// Refuses a request that may not be served (invariants 2 and 3).
pub(crate) fn check(headers: &HeaderMap, options: &ApiOptions) -> Result<(), Fault> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    if !is_allowed_host(host, &options.allowed_hosts) {
        return Err(Fault::new(
            StatusCode::FORBIDDEN,
            "AccessDeniedException",
            "The Host header names another machine: use a loopback name, or allow this one in the configuration",
        ));
    }
    match &options.token {
        Some(token)
            if !offered(headers).is_some_and(|offered| token.matches(offered.as_bytes())) =>
        {
            Err(Fault::new(
                StatusCode::FORBIDDEN,
                "UnrecognizedClientException",
                "The token is missing or wrong: send it as a bearer token, or as the AWS access key id",
            ))
        }
        _ => Ok(()),
    }
}

/// The token of `Authorization: Bearer …`; or the access key id of a signed request, which is how an
/// unchanged AWS client can send it.
fn offered(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if let Some(token) = value.strip_prefix("Bearer ") {
        return Some(token.trim());
    }
    let credential = value.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let credential = credential.split_once("Credential=")?.1;
    credential.split_once('/').map(|(key, _)| key)
}

fn is_allowed_host(host: &str, allowed: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let loopback = name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    loopback
        || (!name.is_empty()
            && allowed
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests {
    use safelight_schema::Token;

    use super::*;

    #[test]
    fn only_loopback_names_and_configured_ones() {
        let allowed = ["photos.example".to_owned()];
        for good in [
            "localhost",
            "localhost:8083",
            "127.0.0.1:1",
            "127.8.8.8",
            "[::1]:80",
            "LOCALHOST",
            "sync-x.localhost:1",
            "photos.example:8083",
        ] {
            assert!(is_allowed_host(good, &allowed), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1:80",
            "[::2]",
            "0.0.0.0",
            "photos.example.evil",
        ] {
            assert!(!is_allowed_host(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn a_token_is_taken_as_bearer_or_as_access_key() {
        let options = ApiOptions {
            token: Token::new("s3cret"),
            ..ApiOptions::default()
        };
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "localhost".parse().unwrap());
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            check(&headers, &options)
        };
        assert!(with("Bearer s3cret").is_ok());
        assert!(with("AWS4-HMAC-SHA256 Credential=s3cret/20261121/us-east-1/states/aws4_request, SignedHeaders=host, Signature=x").is_ok());
        for wrong in [
            "",
            "Bearer",
            "Bearer s3cre",
            "Bearer s3cret2",
            "Basic s3cret",
            "AWS4-HMAC-SHA256 Credential=AKIA/2026",
        ] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
    }
}
