//! What a function needs beside record and objects, known while it is compiled.

/// Adapters that not every function needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each stands for an SDK of its own"
)]
pub(crate) struct Needs {
    /// SQS: it sends messages, or asks how a queue stands.
    pub queue: bool,
    /// Step Functions: it starts executions, or reads them.
    pub workflow: bool,
    /// Rekognition.
    pub labels: bool,
    /// Secrets Manager: the webhook.
    pub webhook: bool,
    /// Presigned requests of S3.
    pub presign: bool,
}

/// Says them as a constant.
pub(crate) trait Needed {
    /// What is needed.
    const NEEDS: Needs;
}

impl Needs {
    /// Of the function of that name; a branch says in its manifest what it calls.
    pub(crate) const fn of(name: &str, manifest: Option<&str>) -> Self {
        Self {
            queue: is_one_of(name, &["start", "fail", "record", "alert"]),
            workflow: is_one_of(name, &["start", "record"]),
            labels: match manifest {
                Some(manifest) => contains(manifest, "\"rekognition:"),
                None => false,
            },
            webhook: is_one_of(name, &["alert"]),
            presign: is_one_of(name, &["upload"]),
        }
    }
}

const fn is_one_of(name: &str, names: &[&str]) -> bool {
    let mut index = 0;
    while index < names.len() {
        if name.len() == names[index].len() && contains(name, names[index]) {
            return true;
        }
        index += 1;
    }
    false
}

const fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    let mut start = 0;
    while start + part.len() <= text.len() {
        let mut length = 0;
        while length < part.len() && text[start + length] == part[length] {
            length += 1;
        }
        if length == part.len() {
            return true;
        }
        start += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_gets_what_it_calls_and_no_more() {
        let of = |name| {
            let needs = Needs::of(name, safelight_functions::manifest_const(name));
            let all = [
                ("queue", needs.queue),
                ("workflow", needs.workflow),
                ("labels", needs.labels),
                ("webhook", needs.webhook),
                ("presign", needs.presign),
            ];
            let needed = all.into_iter().filter(|(_, needed)| *needed);
            needed.map(|(need, _)| need).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("start"), "queue workflow");
        assert_eq!(of("record"), "queue workflow");
        assert_eq!(of("fail"), "queue");
        assert_eq!(of("alert"), "queue webhook");
        assert_eq!(of("validate"), "");
        assert_eq!(of("label"), "labels");
        assert_eq!(of("thumbnail"), "");
        assert_eq!(of("upload"), "presign");
    }
}
