//! Addresses of electronic mail.

use super::{Find, Kind, Text};
use crate::class::DataClass;

pub(super) const KIND: Kind = Kind {
    name: "email",
    class: DataClass::Pii,
    about: "a local part, `@`, and a domain with a top level of letters; not remotes such as `git@host:path`",
    find: Find::At(find),
};

/// Ends of file names that look like a top-level domain after `@2x` and `@version`.
const FILES: &[&[u8]] =
    &[b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"js", b"mjs", b"ts", b"css", b"json"];

/// The longest local part (RFC 5321).
const LOCAL: usize = 64;

fn find(text: Text<'_>, at: usize) -> bool {
    let before = &text[at.saturating_sub(LOCAL + 1)..at];
    let length = before.iter().rev().take_while(|byte| is_local(**byte)).count();
    let local = before[before.len() - length..].trim_ascii_start();
    let local = local.strip_prefix(b".").unwrap_or(local);
    let preceded_by = at.checked_sub(length + 1).map(|place| text[place]);
    // The part after a colon is a password in a URL, which is a finding of another kind.
    let in_url = preceded_by == Some(b':') && is_after_user(&text[..at - length - 1]);
    if local.is_empty() || length > LOCAL || in_url || matches!(preceded_by, Some(b'@' | b'/')) {
        return false;
    }
    let domain = &text[at + 1..];
    let length = domain.iter().take_while(|byte| is_domain(**byte)).count();
    let (domain, after) = domain.split_at(length);
    let domain = trimmed(domain);
    let remote = local == b"git" && after.first() == Some(&b':');
    !remote && is_named(domain)
}

/// Whether the text ends with `scheme://user`.
fn is_after_user(before: &[u8]) -> bool {
    let user = before.iter().rev().take(LOCAL).take_while(|byte| is_local(**byte)).count();
    before[..before.len() - user].ends_with(b"://")
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"._%+-'".contains(&byte)
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'.' | b'-')
}

/// Without the full stop of the sentence.
fn trimmed(domain: &[u8]) -> &[u8] {
    let end = domain.iter().rposition(|byte| !matches!(byte, b'.' | b'-'));
    end.map_or(&[], |end| &domain[..=end])
}

/// Whether it has two labels at least, none empty, and the last of letters.
fn is_named(domain: &[u8]) -> bool {
    let Some(dot) = domain.iter().rposition(|byte| *byte == b'.') else { return false };
    let (labels, top) = (&domain[..dot], &domain[dot + 1..]);
    let lettered = top.iter().all(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80);
    let file = FILES.iter().any(|file| top.eq_ignore_ascii_case(file));
    (lettered || top.starts_with(b"xn--"))
        && top.len() >= 2
        && !file
        && labels.split(|byte| *byte == b'.').all(|label| !label.is_empty())
}
