//! Slack's documented limits, as the stand-in enforces them.
//!
//! <https://docs.slack.dev/reference/block-kit/blocks/>, <https://docs.slack.dev/messaging/formatting-message-text/>

use serde_json::Value;

/// What Slack would refuse, or would read as a mention or a link.
pub(crate) fn check(message: &Value) -> Result<(), String> {
    text(&message["text"], 3_000, "text")?;
    let blocks = message["blocks"].as_array().ok_or("there are no blocks")?;
    if blocks.is_empty() || blocks.len() > 50 {
        return Err(format!("{} blocks", blocks.len()));
    }
    for block in blocks {
        let object = &block["text"];
        let kind = (block["type"].as_str(), object["type"].as_str());
        let limit = match kind {
            (Some("header"), Some("plain_text")) => 150,
            (Some("section"), Some("mrkdwn")) if object["verbatim"] == true => 3_000,
            _ => return Err(format!("an unexpected block: {block}")),
        };
        text(&object["text"], limit, "block")?;
    }
    Ok(())
}

fn text(value: &Value, limit: usize, place: &str) -> Result<(), String> {
    let text = value.as_str().ok_or(format!("{place}: no text"))?;
    let length = text.encode_utf16().count();
    if length == 0 || length > limit {
        return Err(format!("{place}: {length} characters"));
    }
    for (index, character) in text.char_indices() {
        let rest = &text[index..];
        let wrong = match character {
            '<' | '>' => true,
            '&' => !["&amp;", "&lt;", "&gt;"]
                .iter()
                .any(|entity| rest.starts_with(entity)),
            '@' => rest[1..].starts_with(|next: char| next.is_alphanumeric()),
            ':' => rest.starts_with("://"),
            _ => character.is_control() && character != '\n',
        };
        if wrong {
            return Err(format!(
                "{place}: {:?} in {text:?}",
                rest.chars().take(12).collect::<String>()
            ));
        }
    }
    Ok(())
}
