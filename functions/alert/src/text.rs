//! Foreign text in a Slack message: escaped, clipped, and unable to mention or to link.
//!
//! Slack reads `<…>` as a link or a mention, so `&`, `<` and `>` are escaped as its documentation asks.
//! A word joiner after `@` and within `://` keeps clients from making mentions and links of their own.
//! <https://docs.slack.dev/messaging/formatting-message-text/>

/// A word joiner: nothing is seen, and nothing is recognised across it.
const JOINER: char = '\u{2060}';

/// What stands for what was cut.
const CUT: char = '…';

/// Foreign text of at most `limit` characters (before escaping) on one line.
pub(crate) fn quote(text: &str, limit: usize) -> String {
    let mut quoted = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(limit) {
        match character {
            '&' => quoted.push_str("&amp;"),
            '<' => quoted.push_str("&lt;"),
            '>' => quoted.push_str("&gt;"),
            '@' => quoted.extend(['@', JOINER]),
            '/' if quoted.ends_with(":/") => quoted.extend([JOINER, '/']),
            // It would end the code span.
            '`' => quoted.push('\''),
            _ if character.is_control() || is_invisible(character) => quoted.push(' '),
            _ => quoted.push(character),
        }
    }
    if characters.next().is_some() {
        quoted.push(CUT);
    }
    quoted
}

/// A code span of foreign text: formatting characters in it do nothing. Never empty, since two
/// backticks are no code span.
pub(crate) fn code(text: &str, limit: usize) -> String {
    let quoted = quote(text, limit);
    let shown = if quoted.trim().is_empty() {
        "(none)"
    } else {
        quoted.trim()
    };
    format!("`{shown}`")
}

/// Lines within `limit` UTF-16 units, and how many did not fit.
pub(crate) fn lines(lines: &[String], limit: usize) -> (String, usize) {
    let mut text = String::new();
    let mut length = 0;
    for (index, line) in lines.iter().enumerate() {
        length += units(line) + 1;
        if length > limit {
            return (text, lines.len() - index);
        }
        if index > 0 {
            text.push('\n');
        }
        text.push_str(line);
    }
    (text, 0)
}

/// Length as Slack counts it.
pub(crate) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Characters that turn the direction of text or hide in it.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_be_mentioned_or_linked() {
        for (text, quoted) in [
            ("<!channel>", "&lt;!channel&gt;"),
            ("<@U123>", "&lt;@\u{2060}U123&gt;"),
            ("@here", "@\u{2060}here"),
            ("https://x.example", "https:/\u{2060}/x.example"),
            ("a & b", "a &amp; b"),
            ("a`b\nc", "a'b c"),
        ] {
            assert_eq!(quote(text, 100), quoted);
        }
        assert_eq!(code("", 10), "`(none)`");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(quote("사진사진", 2), "사진…");
        assert_eq!(quote("&&&", 2), "&amp;&amp;…");
        let all = ["one".to_owned(), "two".to_owned(), "three".to_owned()];
        assert_eq!(lines(&all, 8), ("one\ntwo".to_owned(), 1));
    }
}
