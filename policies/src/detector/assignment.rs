//! Values that are called a password, a secret, a token or a key.

use super::{Find, Kind, Text};
use crate::class::DataClass;

pub(super) const KIND: Kind = Kind {
    name: "password",
    class: DataClass::Secret,
    about: "a value after `password:`, `api_key=`, `--password`, *password is* and their like, and the password in a URL; not placeholders, variables and plain words",
    find: Find::Value(find),
};

/// What a value may be called, by the last word of its name in small letters, and the fewest
/// characters that such a value has.
const NAMES: &[(&[u8], usize)] = &[
    (b"password", 6),
    (b"passwd", 6),
    (b"passphrase", 6),
    (b"passwort", 6),
    (b"kennwort", 6),
    (b"pwd", 6),
    (b"contrase\xc3\xb1a", 6),
    (b"mot de passe", 6),
    (b"wachtwoord", 6),
    (b"senha", 6),
    (b"has\xc5\x82o", 6),
    (b"\xe5\xaf\x86\xe7\xa0\x81", 6),
    (b"secret", 10),
    (b"token", 16),
    (b"api_key", 12),
    (b"api-key", 12),
    (b"apikey", 12),
    (b"api key", 12),
    (b"access_key", 12),
    (b"accesskey", 12),
    (b"secret_key", 10),
    (b"secretkey", 10),
    (b"private_key", 12),
    (b"account_key", 12),
    (b"accountkey", 12),
    (b"auth_key", 12),
    (b"signing_key", 12),
    (b"encryption_key", 12),
];

/// The longest name, with the quote and the space behind it.
const NAME: usize = 24;

/// The longest value that is judged.
const VALUE: usize = 128;

/// `at` is the mark between name and value, or the end of the name.
fn find(text: Text<'_>, at: usize) -> bool {
    let mark = text.get(at).copied().unwrap_or(b' ');
    if text[at..].starts_with(b"://") {
        return is_url_password(text, at + 3);
    }
    let name = name_before(text, at);
    // The last letters of all names; most marks stand after something else.
    if !name.last().is_some_and(|byte| b"dDeEtTyYnNaAoO\x81".contains(byte)) {
        return false;
    }
    let Some(least) = least_for(name) else { return false };
    let value =
        if matches!(mark, b':' | b'=') { value_after(text, at) } else { said_after(text, at) };
    value.is_some_and(|(value, quoted)| value.len() >= least && is_real(value, quoted))
}

/// The name before the mark, without quotes, brackets and space.
fn name_before(text: Text<'_>, at: usize) -> &[u8] {
    let before = &text[at.saturating_sub(NAME)..at];
    let end = before.iter().rposition(|byte| !b" \"'`])*".contains(byte));
    end.map_or(&[], |end| &before[..=end])
}

fn least_for(name: &[u8]) -> Option<usize> {
    let last = name.last().map(u8::to_ascii_lowercase);
    let ends = |known: &[u8]| {
        if known.last().copied() != last {
            return None;
        }
        let start = name.len().checked_sub(known.len())?;
        let same = name[start..].eq_ignore_ascii_case(known);
        // `max_tokens` is none, `client_secret` and `DB_PASSWORD` are.
        let joined = |byte: u8| byte.is_ascii_lowercase() && name[start].is_ascii_lowercase();
        (same && !start.checked_sub(1).is_some_and(|before| joined(name[before]))).then_some(())
    };
    NAMES.iter().find_map(|(known, least)| ends(known).map(|()| *least))
}

/// The value after a mark, and whether it stands in quotes.
fn value_after(text: Text<'_>, at: usize) -> Option<(&[u8], bool)> {
    let rest = &text[at + 1..text.len().min(at + 1 + VALUE + 8)];
    let rest = rest.strip_prefix(b"=").or(rest.strip_prefix(b">")).unwrap_or(rest);
    let space = rest.iter().take_while(|byte| matches!(byte, b' ' | b'*')).count();
    value(&rest[space..])
}

/// The value after *is*, as people say it, or right after the name, as after an option.
fn said_after(text: Text<'_>, at: usize) -> Option<(&[u8], bool)> {
    const SAID: &[&[u8]] = &[
        b" is ",
        b" ist ",
        b" lautet ",
        b" was ",
        b" to ",
        b" est ",
        b" es ",
        b" \xc3\xa8 ",
        b" \xc3\xa9 ",
    ];
    let rest = &text[at..text.len().min(at + VALUE + 16)];
    if let Some(rest) = SAID.iter().find_map(|said| rest.strip_prefix(*said)) {
        return value(rest.strip_prefix(b"now ").unwrap_or(rest));
    }
    let (said, quoted) = value(rest.strip_prefix(b" ")?)?;
    // Any word may follow; one of letters, digits and signs is hardly one.
    let holds = |is: fn(&u8) -> bool| said.iter().any(is);
    let chosen = holds(u8::is_ascii_digit) && holds(|byte| b"!@#$%^&*?~+=|_".contains(byte));
    (chosen && said.len() >= 8).then_some((said, quoted))
}

fn value(rest: &[u8]) -> Option<(&[u8], bool)> {
    let quote = rest.first().copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let rest = if quote.is_some() { &rest[1..] } else { rest };
    let ends = |byte: &u8| match quote {
        Some(quote) => *byte == quote || *byte == b'\n' || *byte == b'\\',
        None => byte.is_ascii_whitespace() || b"\"'`,;<>&\\\0".contains(byte),
    };
    let length = rest.iter().position(ends).unwrap_or(rest.len()).min(VALUE);
    let value = &rest[..length];
    let value = if quote.is_none() { trimmed(value) } else { value };
    (!value.is_empty()).then_some((value, quote.is_some()))
}

/// Whether it looks chosen: letters with digits or signs among them, and nothing that stands for
/// a value elsewhere.
fn is_real(value: &[u8], quoted: bool) -> bool {
    let letters = value.iter().any(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80);
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let signs = value.iter().filter(|byte| b"!@#$%^&*?~+=|".contains(byte)).count();
    let elsewhere = value.iter().any(|byte| b"(){}[]<>".contains(byte))
        || matches!(value[0], b'$' | b'%' | b'/')
        || value.starts_with(b"http")
        || value.windows(3).any(|part| part == b"***" || part.eq_ignore_ascii_case(b"xxx"))
        || [&b"your"[..], b"example", b"placeholder", b"changeme", b"redacted", b"env."]
            .iter()
            .any(|word| value.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)));
    let code = !quoted && value.contains(&b'.') && signs == 0;
    letters && (digits > 0 || signs > 0) && !elsewhere && !code && !value.contains(&b' ')
}

/// `scheme://user:password@host`.
fn is_url_password(text: Text<'_>, at: usize) -> bool {
    let rest = &text[at..text.len().min(at + VALUE)];
    let end =
        rest.iter().position(|byte| byte.is_ascii_whitespace() || b"/\"'<>\\?#".contains(byte));
    let authority = &rest[..end.unwrap_or(rest.len())];
    let Some(host) = authority.iter().rposition(|byte| *byte == b'@') else { return false };
    let user = &authority[..host];
    let Some(colon) = user.iter().position(|byte| *byte == b':') else { return false };
    let password = &user[colon + 1..];
    let plain = [&b"password"[..], b"pass", b"secret", b"token"];
    password.len() >= 4
        && !plain.iter().any(|word| password.eq_ignore_ascii_case(word))
        && !password.iter().any(|byte| b"${}<>*[]".contains(byte))
}

/// Whether the name before this mark has something fetched that is not in the text: a picture by
/// its address, a file by its id.
pub(super) fn fetches(text: Text<'_>, at: usize) -> bool {
    const NAMES: &[&[u8]] = &[
        b"\"image_url\"",
        b"\"video_url\"",
        b"\"audio_url\"",
        b"\"document_url\"",
        b"\"file_url\"",
        b"\"file_id\"",
        b"\"file_uri\"",
        b"\"fileUri\"",
    ];
    let spaces = text[..at].iter().rev().take(8).take_while(|byte| **byte == b' ').count();
    let end = at - spaces;
    let before = &text[end.saturating_sub(24)..end];
    if !before.ends_with(b"\"") {
        return false;
    }
    let after = &text[at + 1..text.len().min(at + 80)];
    let holds = |what: &[u8]| memchr::memmem::find(after, what).is_some();
    let by_source = before.ends_with(b"\"url\"") && {
        let source = &text[end.saturating_sub(96)..end];
        holds(b"\"http") && memchr::memmem::find(source, b"\"source\"").is_some()
    };
    // What stands in the text itself is judged where it stands.
    by_source || NAMES.iter().any(|name| before.ends_with(name)) && !holds(b"\"data:")
}

/// Without the marks of the sentence.
fn trimmed(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| !b".,;:)".contains(byte));
    end.map_or(&[], |end| &value[..=end])
}
