//! Notifications: no panic, whatever the message; what is read can be named and stays within limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use safelight_schema::key;
use safelight_start::event::{self, Notice};

fuzz_target!(|body: &str| match event::read(body) {
    Ok(Notice::Arrivals(arrivals)) => {
        for arrival in arrivals {
            let image = &arrival.image;
            assert!(!image.bucket.is_empty());
            assert!(!image.key.is_empty() && image.key.len() <= 1_024 && !image.key.ends_with('/'));
            assert!(key::execution_name(image, arrival.notified).len() <= 80);
        }
    }
    Ok(Notice::Redrive(redrive)) => assert!(redrive.execution.len() <= 80),
    Err(why) => assert!(!why.to_string().is_empty()),
});
