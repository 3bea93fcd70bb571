//! An SVG's text before it is parsed: without its document type, and with no tag that takes long to parse.

use std::borrow::Cow;
use std::collections::HashSet;

use super::svg::FORMAT;
use super::svg_document::refuse;
use crate::PixelError;

/// Attributes of an element: each is compared with those before it. SVG has fewer than three hundred.
const MAX_ATTRIBUTES: usize = 500;
/// Prefixes of namespaces: each attribute that has one is looked for among them.
const MAX_PREFIXES: usize = 200;
/// Comparisons of prefixes: an element that declares one goes through all that it is in.
const MAX_COMPARISONS: usize = 1_000_000_000;

/// Refuses a document that the parser would take very long for.
pub(super) fn check(text: &str) -> Result<(), PixelError> {
    // No value of an attribute has this sign in it.
    for tag in text.split('<') {
        if attributes(tag) > MAX_ATTRIBUTES {
            return Err(refuse(format!(
                "an element of more than {MAX_ATTRIBUTES} attributes"
            )));
        }
    }
    let mut declarations = 0usize;
    let mut prefixes = HashSet::new();
    for declared in text.split("xmlns").skip(1) {
        declarations += 1;
        prefixes.insert(declared.split(['=', ' ', '\t', '\r', '\n']).next());
        let comparisons = prefixes.len().pow(2).saturating_mul(declarations);
        if prefixes.len() > MAX_PREFIXES || comparisons > MAX_COMPARISONS {
            return Err(refuse("too many declarations of namespaces"));
        }
    }
    Ok(())
}

/// How many attributes a tag has, where it has been begun.
fn attributes(tag: &str) -> usize {
    let (mut count, mut quote) = (0, None);
    for byte in tag.bytes() {
        match (quote, byte) {
            (Some(open), byte) if open == byte => quote = None,
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                count += 1;
            }
            (None, b'>') => break,
            _ => {}
        }
    }
    count
}

/// The document without its document type declaration, which many files carry and which says
/// nothing that is used; one that declares entities is refused.
pub(super) fn without_doctype(text: &str) -> Result<Cow<'_, str>, PixelError> {
    let cut = || PixelError::truncated(FORMAT, "document", "it ends in its prologue");
    let mut at = 0;
    loop {
        let rest = text.get(at..).ok_or_else(cut)?;
        let space = rest.len() - rest.trim_start().len();
        let rest = &rest[space..];
        at += space;
        if rest.starts_with("<?") {
            at += rest.find("?>").ok_or_else(cut)? + 2;
        } else if rest.starts_with("<!--") {
            at += rest.find("-->").ok_or_else(cut)? + 3;
        } else if rest.starts_with("<!DOCTYPE") {
            let length = doctype(rest).ok_or_else(cut)?;
            if rest[..length].contains("<!ENTITY") {
                return Err(PixelError::unsupported(
                    FORMAT,
                    "a document that declares entities",
                ));
            }
            let mut whole = String::with_capacity(text.len() - length);
            whole.push_str(&text[..at]);
            whole.push_str(&rest[length..]);
            return Ok(Cow::Owned(whole));
        } else {
            return Ok(Cow::Borrowed(text));
        }
    }
}

/// Length of a declaration that may have an internal subset.
fn doctype(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0u32, None);
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if open == byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'[') => depth += 1,
            (None, b']') => depth = depth.saturating_sub(1),
            (None, b'>') if depth == 0 => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doctype_is_cut_out_unless_it_declares_entities() {
        let plain = "<?xml version=\"1.0\"?>\n<!-- <!DOCTYPE no> --><!DOCTYPE svg PUBLIC \"a>b\" \
                     \"c\" [<!ATTLIST svg a CDATA 'x'>]><svg/>";
        let cut = without_doctype(plain).unwrap();
        assert!(cut.ends_with("--><svg/>"), "{cut}");
        let entities = "<!DOCTYPE svg [<!ENTITY a \"b\">]><svg>&a;</svg>";
        assert_eq!(
            without_doctype(entities).unwrap_err().name(),
            "Image.Unsupported"
        );
        for end in 0..plain.len() - 6 {
            let _ = without_doctype(&plain[..end]);
        }
    }

    #[test]
    fn a_tag_may_not_have_attributes_without_end() {
        let tag = |count: usize| {
            let attributes = (0..count).map(|number| format!(" a{number}=\"'>\""));
            format!("<svg><g{}/>", attributes.collect::<Vec<_>>().concat())
        };
        assert!(check(&tag(500)).is_ok());
        assert_eq!(check(&tag(501)).unwrap_err().name(), "Image.Unsupported");
        let texts = "<text x='1'>it's, it's</text><!-- \" -->".repeat(9_000);
        assert!(check(&texts).is_ok(), "of all tags together");
    }

    #[test]
    fn a_document_may_not_declare_namespaces_without_end() {
        let each = "<g xmlns='http://www.w3.org/2000/svg' xmlns:x = 'y'/>".repeat(100_000);
        assert!(check(&each).is_ok());
        let many = (0..300).map(|number| format!("<g xmlns:a{number}='x'>"));
        let many = many.collect::<Vec<_>>().concat();
        assert_eq!(check(&many).unwrap_err().name(), "Image.Unsupported");
    }
}
