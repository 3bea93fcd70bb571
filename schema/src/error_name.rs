//! The stable names of everything that can go wrong, with what they mean and what to do next.
//!
//! A name is what `Retry` and `Catch` match and what a person reads in Slack; it never changes its
//! meaning. Names of the engine (`States.*`) and of the host (`Sandbox.*`, `Runtime.*`, `Lambda.*`)
//! are those of AWS.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether the workflow may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same input fails the same way: never.
    Never,
    /// A passing fault of a service or a worker: a few times, with backoff.
    Backoff,
    /// Asked to slow down: many times, with full jitter and a long ceiling.
    Throttled,
}

/// A stable error name and its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorName {
    /// The name, such as `Image.Truncated`.
    pub name: &'static str,
    /// Whether the workflow may try again.
    pub retry: Retry,
    /// What it means, in one sentence.
    pub meaning: &'static str,
    /// What the reader can do next.
    pub next_step: &'static str,
}

impl std::fmt::Display for ErrorName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// An error as events, dead letters and `--json` carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorInfo {
    /// The stable name.
    pub name: String,
    /// What was wrong with what.
    pub cause: String,
}

impl ErrorInfo {
    /// An error of this name with this cause.
    pub fn new(name: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            cause: cause.into(),
        }
    }
}

macro_rules! error_names {
    ($($konst:ident = $name:literal, $retry:ident, $meaning:literal, $next:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $konst: ErrorName = ErrorName {
                name: $name, retry: Retry::$retry, meaning: $meaning, next_step: $next,
            };
        )*
        /// Every name, in the order of the documents.
        pub static ALL: &[ErrorName] = &[$($konst),*];
    };
}

error_names! {
    IMAGE_EMPTY = "Image.Empty", Never, "The object has no bytes.", "Upload the image again.";
    IMAGE_UNSUPPORTED = "Image.Unsupported", Never, "The content is not one of the image formats that are recognised.", "Convert the file to JPEG, PNG, WebP or another supported format.";
    IMAGE_TRUNCATED_HEADER = "Image.TruncatedHeader", Never, "The file ends before its header does.", "Upload the whole file again.";
    IMAGE_INVALID_HEADER = "Image.InvalidHeader", Never, "The header contradicts the format's specification.", "Export the image again from its source.";
    IMAGE_HEADER_TOO_FAR = "Image.HeaderTooFar", Never, "The size could not be found within 32 reads and 1 MiB.", "Strip the metadata in front of the image data and upload it again.";
    IMAGE_TOO_LARGE = "Image.TooLarge", Never, "The object has more bytes, or a longer side, than the policy allows.", "Upload a smaller file, or raise [validate] in safelight.toml.";
    IMAGE_TOO_SMALL = "Image.TooSmall", Never, "A side is shorter than the policy allows.", "Upload a larger image, or lower [validate] min_side in safelight.toml.";
    IMAGE_TOO_MANY_MEGAPIXELS = "Image.TooManyMegapixels", Never, "Width times height is more than the policy allows, or than a branch can write in its time.", "Upload a smaller image, raise [validate] max_megapixels in safelight.toml, or set another output format than AVIF.";
    IMAGE_TOO_MANY_FRAMES = "Image.TooManyFrames", Never, "The image has more frames or pages than the policy allows, or more megapixels in all of them than a branch takes.", "Split it, or raise max_frames of [validate] and max_megapixels of the branch in safelight.toml.";
    IMAGE_FORMAT_NOT_ALLOWED = "Image.FormatNotAllowed", Never, "The format is recognised, but the policy does not allow it.", "Convert the file, or add the format to [validate] formats in safelight.toml.";
    IMAGE_EXTENSION_MISMATCH = "Image.ExtensionMismatch", Never, "The extension promises another format than the content has, and the policy makes that an error.", "Rename the file, or set [validate] lying_extension = \"warn\" in safelight.toml.";
    IMAGE_SUPERSEDED = "Image.Superseded", Never, "The object was replaced or removed after its notification; the newer version has an execution of its own.", "Nothing: look at the newer version's history.";
    IMAGE_NOT_FOUND = "Image.NotFound", Never, "The object is not there any more.", "Upload the image again, or drop the failure.";
    IMAGE_DECODE_FAILED = "Image.DecodeFailed", Never, "The pixels could not be decoded, although the header was sound.", "Open the file in an image editor and export it again.";
    IMAGE_TRUNCATED = "Image.Truncated", Never, "The file ends before its pixels do.", "Upload the whole file again.";
    IMAGE_DECODER_MISSING = "Image.DecoderMissing", Never, "This build has no decoder for the format.", "Build with the decoder's feature, or convert the file.";
    IMAGE_ENCODE_FAILED = "Image.EncodeFailed", Never, "The result could not be encoded.", "Report the image: this is a fault of the product.";
    BRANCH_UNKNOWN = "Branch.Unknown", Never, "Route named a branch that the workflow does not have.", "Run `safelight branch sync` and deploy the workflow again.";
    BRANCH_TOO_MANY = "Branch.TooMany", Never, "More than 24 branches want one image.", "Narrow the rules in the branches' branch.json.";
    BRANCH_MANIFEST_INVALID = "Branch.ManifestInvalid", Never, "A branch.json is not valid.", "Run `safelight branch list`: it names the field.";
    BRANCHES_FAILED = "Branches.Failed", Never, "More than one branch failed; the cause names them.", "Run `safelight history` on the image, mend the cause, then `safelight failures redrive`.";
    LABEL_THROTTLED = "Label.Throttled", Throttled, "The label service asked to slow down.", "Nothing: it is tried again.";
    LABEL_SERVICE_ERROR = "Label.ServiceError", Backoff, "The label service answered with an error.", "See the cause; then `safelight failures redrive --error Label.ServiceError`.";
    LABEL_REFUSED = "Label.Refused", Never, "The label service refused this image or these credentials.", "See the cause; run `safelight doctor`.";
    OUTPUT_TOO_LARGE = "Output.TooLarge", Never, "A function's output is over 8 KiB.", "Write results to object storage and return references.";
    OUTPUT_INVALID = "Output.Invalid", Never, "What a command left as its results cannot be kept.", "See the cause; mend the command, then redrive.";
    FUNCTION_PANICKED = "Function.Panicked", Never, "A function's code panicked: a fault of the product.", "Report the image and the cause.";
    SETTINGS_INVALID = "Settings.Invalid", Never, "A function's settings cannot be read.", "Mend the section of safelight.toml that the cause names.";
    INPUT_INVALID = "Input.Invalid", Never, "A function was called with an event that it cannot read.", "See the cause: it names the field.";
    EVENT_UNREADABLE = "Event.Unreadable", Never, "A queue message is not a notification about an image.", "`safelight failures show` prints the raw message.";
    RECORD_UNAVAILABLE = "Record.Unavailable", Backoff, "The record could not be read or written.", "Run `safelight doctor`.";
    RECORD_CONFLICT = "Record.Conflict", Backoff, "Another writer appended to the same lane at the same time.", "Nothing: it is tried again.";
    OBJECTS_UNAVAILABLE = "Objects.Unavailable", Backoff, "Object storage could not be read or written.", "Run `safelight doctor`.";
    OBJECTS_FORBIDDEN = "Objects.Forbidden", Never, "Object storage refuses to give or take the object.", "Grant the right to read it, then redrive.";
    RUNTIME_INVALID_RESPONSE = "Runtime.InvalidResponse", Never, "A function answered with something that is not JSON.", "Mend the function, then redrive.";
    FUNCTION_RESPONSE_SIZE_TOO_LARGE = "Function.ResponseSizeTooLarge", Never, "A function's answer is over 6 MB.", "Write results to object storage and return references.";
    FUNCTION_UNKNOWN = "Function.Unknown", Backoff, "A function failed without a name.", "See the function's log.";
    LAMBDA_REQUEST_TOO_LARGE = "Lambda.RequestTooLargeException", Never, "A function's event is over 6 MB.", "Pass references instead of data.";
    LAMBDA_INVALID_REQUEST_CONTENT = "Lambda.InvalidRequestContentException", Never, "A function's event is not JSON.", "Report it: this is a fault of the product.";
    LAMBDA_RESOURCE_NOT_FOUND = "Lambda.ResourceNotFoundException", Never, "There is no function of that name.", "Run `safelight branch sync` and build or deploy again.";
    QUEUE_UNAVAILABLE = "Queue.Unavailable", Backoff, "The queue could not be read or written.", "Run `safelight doctor`.";
    WORKFLOW_UNAVAILABLE = "Workflow.Unavailable", Backoff, "The Step Functions API could not be reached.", "Run `safelight doctor`.";
    WORKFLOW_THROTTLED = "Workflow.Throttled", Throttled, "The Step Functions API asked to slow down.", "Nothing: the message comes again.";
    SLACK_REFUSED = "Slack.Refused", Never, "Slack refused the message.", "Check SAFELIGHT_SLACK_WEBHOOK; run `safelight doctor`.";
    SLACK_UNAVAILABLE = "Slack.Unavailable", Backoff, "Slack could not be reached, or asked to slow down.", "Nothing: the message comes again.";
    EXECUTION_ABORTED = "Execution.Aborted", Never, "Somebody stopped the execution.", "Redrive it, or drop the failure.";
    EXECUTION_CALL_OPEN = "Execution.CallOpen", Backoff, "An execution has ended, and a function that it called may still run.", "Nothing: it is closed when none can.";
    STATES_TIMEOUT = "States.Timeout", Backoff, "A state or the execution ran longer than its TimeoutSeconds.", "Raise the timeout, or make the work smaller; then redrive.";
    STATES_HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout", Backoff, "No heartbeat came within HeartbeatSeconds.", "Redrive.";
    STATES_RUNTIME = "States.Runtime", Never, "The execution could not go on, whatever the workflow catches.", "See the cause; mend the workflow.";
    STATES_DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded", Never, "An input or output is over 256 KiB.", "Write results to object storage and return references.";
    STATES_QUERY_EVALUATION_ERROR = "States.QueryEvaluationError", Never, "A JSONata expression failed.", "See the cause; mend the workflow.";
    STATES_EXCEED_TOLERATED_FAILURE_THRESHOLD = "States.ExceedToleratedFailureThreshold", Never, "More items of a Map failed than it tolerates.", "See the failed items.";
    STATES_ITEM_READER_FAILED = "States.ItemReaderFailed", Never, "A Map could not read its items.", "See the cause.";
    STATES_BRANCH_FAILED = "States.BranchFailed", Never, "A branch of a Parallel failed.", "See the failed branch.";
    STATES_NO_CHOICE_MATCHED = "States.NoChoiceMatched", Never, "No rule of a Choice matched and it has no Default.", "Add a Default.";
    STATES_TASK_FAILED = "States.TaskFailed", Backoff, "A task failed.", "See the cause.";
    STATES_PERMISSIONS = "States.Permissions", Never, "The execution's role may not call the function.", "Grant it.";
    SANDBOX_TIMEDOUT = "Sandbox.Timedout", Backoff, "A function ran longer than its timeout and was killed.", "Raise timeout_seconds in branch.json, then redrive.";
    RUNTIME_OUT_OF_MEMORY = "Runtime.OutOfMemory", Never, "A function used more memory than it has and was killed.", "Raise memory_mb in branch.json, then redrive.";
    RUNTIME_EXIT_ERROR = "Runtime.ExitError", Backoff, "A function's process ended in the middle of its work.", "See the cause and the function's log, then redrive.";
    RUNTIME_INIT_ERROR = "Runtime.InitError", Backoff, "A function's process failed before it was ready.", "See the function's log.";
    RUNTIME_INVALID_ENTRYPOINT = "Runtime.InvalidEntrypoint", Never, "A function's command could not be started.", "Run `safelight doctor`.";
    LAMBDA_SERVICE_EXCEPTION = "Lambda.ServiceException", Backoff, "Lambda had a fault of its own.", "Nothing: it is tried again.";
    LAMBDA_AWS_LAMBDA_EXCEPTION = "Lambda.AWSLambdaException", Backoff, "Lambda had a fault of its own.", "Nothing: it is tried again.";
    LAMBDA_SDK_CLIENT_EXCEPTION = "Lambda.SdkClientException", Backoff, "Lambda could not be reached.", "Nothing: it is tried again.";
    LAMBDA_TOO_MANY_REQUESTS = "Lambda.TooManyRequestsException", Throttled, "All of a function's concurrency is in use.", "Nothing: it is tried again.";
    LAMBDA_UNKNOWN = "Lambda.Unknown", Backoff, "Lambda failed without a name.", "See the cause.";
}

/// The entry of a name, if it is one of ours.
pub fn find(name: &str) -> Option<&'static ErrorName> {
    ALL.iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_dotted() {
        for (index, entry) in ALL.iter().enumerate() {
            assert!(entry.name.split('.').count() == 2, "{}", entry.name);
            assert!(!entry.meaning.is_empty() && !entry.next_step.is_empty());
            assert!(ALL[..index].iter().all(|other| other.name != entry.name));
        }
    }

    #[test]
    fn what_is_wrong_with_an_image_is_never_retried() {
        for entry in ALL.iter().filter(|entry| entry.name.starts_with("Image.")) {
            assert_eq!(entry.retry, Retry::Never, "{}", entry.name);
        }
    }
}
