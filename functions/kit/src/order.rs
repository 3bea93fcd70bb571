//! Which of two versions of an image is the newer.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

/// What orders the writes of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// S3's sequencer.
    pub sequencer: Option<String>,
    /// When the notification was made, where there is no sequencer.
    pub notified: Option<DateTime<Utc>>,
}

impl Order {
    /// Compares by sequencer where both have one, else by the time of the notification; `None` where
    /// neither can be compared.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if let (Some(ours), Some(theirs)) = (&self.sequencer, &other.sequencer) {
            return Some(compare_sequencers(ours, theirs));
        }
        Some(self.notified?.cmp(&other.notified?))
    }
}

/// Compares two sequencers as S3 documents it: the shorter is padded with zeros on the right, then
/// they are compared as text.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
pub fn compare_sequencers(ours: &str, theirs: &str) -> Ordering {
    let length = ours.len().max(theirs.len());
    let padded = |text: &str| {
        let mut bytes = text.as_bytes().to_ascii_uppercase();
        bytes.resize(length, b'0');
        bytes
    };
    padded(ours).cmp(&padded(theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_sequencer_is_padded_on_the_right() {
        assert_eq!(compare_sequencers("0055", "00550"), Ordering::Equal);
        assert_eq!(compare_sequencers("0055", "0054FF"), Ordering::Greater);
        assert_eq!(compare_sequencers("00551", "0055"), Ordering::Greater);
        assert_eq!(compare_sequencers("00aB", "00Ab"), Ordering::Equal);
    }

    #[test]
    fn without_sequencers_the_notification_decides() {
        let at = |seconds| Order {
            sequencer: None,
            notified: DateTime::from_timestamp(seconds, 0),
        };
        assert_eq!(at(1).compare(&at(2)), Some(Ordering::Less));
        let only_sequencer = Order {
            sequencer: Some("01".into()),
            notified: None,
        };
        assert_eq!(only_sequencer.compare(&at(2)), None);
    }
}
