//! Base64 in the body: pictures and documents are skipped and reported as unseen, texts are
//! decoded and looked through, and what is neither stays in the text.

use super::windows::Windows;
use super::{Findings, strides};

/// A run of base64.
#[derive(Clone, Copy)]
struct Blob {
    start: usize,
    end: usize,
}

/// What to do with it.
enum Content {
    /// Nothing: it is a word of the text.
    Word,
    /// Look through what it says.
    Text,
    /// Nobody can look into it.
    Unseen,
    /// What only its provider can read and had itself sent: reasoning under seal.
    Sealed,
}

/// The shortest run that is looked into.
const SHORTEST: usize = 32;

/// From this length on a run that is no text counts as data.
const DATA: usize = 256;

/// The most that is decoded of all texts in one body, in bytes.
const MOST_DECODED: usize = 1 << 20;

/// How much is decoded to see what it is.
const HEAD: usize = 48;

/// How far before a run the name of its field may stand.
const BEFORE: usize = 160;

/// Looks through a whole body.
pub(super) fn scan(body: &[u8], findings: &mut Findings) {
    let mut windows = Windows::new(findings);
    let (mut taken, mut at, mut room) = (0, 0, MOST_DECODED);
    while let Some(blob) = next(body, at, taken) {
        at = blob.end;
        match content(body, blob) {
            Content::Word => continue,
            Content::Text => {
                room = decoded(body, blob, room, &mut windows);
                continue;
            }
            Content::Unseen => windows.not_seen(),
            Content::Sealed => {}
        }
        windows.take(&body[taken..blob.start]);
        windows.gap();
        taken = blob.end;
    }
    windows.take(&body[taken..]);
    windows.finish();
}

/// Looks through the text that a run says, as far as there is room, and says how much is left. The
/// run stays in the text too: a web token is made of runs that say something.
fn decoded(body: &[u8], blob: Blob, room: usize, windows: &mut Windows<'_>) -> usize {
    let mut text = vec![0; (blob.end - blob.start).min(room)];
    let length = decode(&body[blob.start..blob.end], &mut text);
    if length == room {
        windows.not_seen();
    }
    let mut within = Windows::new(windows.findings());
    within.take(&text[..length]);
    within.finish();
    room - length
}

/// The next run. It covers two of any eights in a row, so most bytes are only looked at by eights.
fn next(body: &[u8], from: usize, taken: usize) -> Option<Blob> {
    let mut start = from;
    loop {
        start = strides::covered::<2>(body, start)?;
        let before = body[from..start].iter().rev().take_while(|byte| is_base64(**byte)).count();
        let after =
            body[start..].iter().take(SHORTEST).take_while(|byte| is_base64(**byte)).count();
        if before + after >= SHORTEST {
            start -= before;
            break;
        }
        start += after.max(1);
    }
    // PHP writes `\/`, which splits runs: what is before such a split belongs to it.
    while start > taken + 1 && body[start] == b'/' && body[start - 1] == b'\\' {
        let before = body[taken..start - 1].iter().rev().take_while(|byte| is_base64(**byte));
        start -= 1 + before.count();
    }
    Some(Blob { start, end: end(body, start) })
}

/// Where a run ends that begins at `start`: escaped slashes belong to it, and so do line breaks
/// between lines of one length.
fn end(body: &[u8], start: usize) -> usize {
    let (mut at, mut line_start, mut line) = (start, start, None);
    loop {
        at += base64(&body[at..]);
        let rest = &body[at..];
        let length = at - line_start;
        let breaks = [&b"\\r\\n"[..], b"\\n"].into_iter().find(|breaks| rest.starts_with(breaks));
        match breaks {
            _ if rest.starts_with(b"\\/") => at += 2,
            Some(breaks) if length >= 60 && *line.get_or_insert(length) == length => {
                at += breaks.len();
                line_start = at;
            }
            _ => return at,
        }
    }
}

/// How many bytes from the beginning are base64's.
fn base64(bytes: &[u8]) -> usize {
    const BLOCK: usize = 32;
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    // Written so that the compiler makes vector code of it.
    let whole = |block: &&[u8; BLOCK]| block.iter().fold(true, |all, byte| all & is_base64(*byte));
    let skipped = blocks.iter().take_while(whole).count() * BLOCK;
    let rest = bytes[skipped..].iter().take_while(|byte| is_base64(**byte)).count();
    skipped + rest
}

fn is_base64(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let digit = byte.wrapping_sub(b'0') < 10;
    letter
        | digit
        | (byte == b'+')
        | (byte == b'/')
        | (byte == b'=')
        | (byte == b'-')
        | (byte == b'_')
}

fn content(body: &[u8], Blob { start, end }: Blob) -> Content {
    let before = &body[start.saturating_sub(BEFORE)..start];
    let is_url = before.ends_with(b";base64,");
    let mut head = [0; HEAD];
    let decoded = decode(&body[start..end.min(start + HEAD * 2)], &mut head);
    let head = &head[..decoded];
    let large = is_url || end - start >= DATA;
    match () {
        () if is_media(head) && (large || end - start >= 64) => Content::Unseen,
        () if is_text(head) => Content::Text,
        () if !large => Content::Word,
        () if is_sealed(before) => Content::Sealed,
        () if is_url || is_mixed(&body[start..end]) => Content::Unseen,
        () => Content::Word,
    }
}

/// The first bytes of pictures, sound, films, documents and archives.
fn is_media(head: &[u8]) -> bool {
    const MAGIC: &[&[u8]] = &[
        b"\x89PNG",
        b"\xff\xd8\xff",
        b"GIF8",
        b"RIFF",
        b"BM",
        b"II*\0",
        b"MM\0*",
        b"%PDF",
        b"PK\x03\x04",
        b"\x1f\x8b",
        b"OggS",
        b"ID3",
        b"\xff\xfb",
        b"\xff\xf1",
        b"\xff\xf3",
        b"fLaC",
        b"\x1aE\xdf\xa3",
        b"\xd0\xcf\x11\xe0",
        b"7z\xbc\xaf",
        b"BZh",
        b"\xfd7zXZ",
        b"\x28\xb5\x2f\xfd",
        b"Rar!",
    ];
    MAGIC.iter().any(|magic| head.starts_with(magic)) || head.get(4..8) == Some(b"ftyp")
}

/// Whether it reads as text: whole characters, no control characters but space.
fn is_text(head: &[u8]) -> bool {
    // The last character may be cut.
    let whole = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let control = |character: char| character.is_control() && !character.is_ascii_whitespace();
    whole.len() >= 8 && !whole.contains(control)
}

/// Data of any length worth the name has letters of both sizes and digits; a long hexadecimal
/// number, a line of dashes or a gene has not.
fn is_mixed(run: &[u8]) -> bool {
    let head = &run[..DATA.min(run.len())];
    head.iter().any(u8::is_ascii_lowercase)
        && head.iter().any(u8::is_ascii_uppercase)
        && head.iter().any(u8::is_ascii_digit)
}

/// Signatures and reasoning that providers hand out under seal and want back unchanged.
fn is_sealed(before: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"\"signature\"",
        b"\"encrypted_content\"",
        b"\"thoughtSignature\"",
        b"\"thought_signature\"",
        b"\"redacted_thinking\"",
    ];
    NAMES.iter().any(|name| memchr::memmem::find(before, name).is_some())
}

/// Decodes into `decoded` as far as there is room, and says how far that was. Both alphabets are
/// read; escapes of slashes and line breaks are passed over.
fn decode(run: &[u8], decoded: &mut [u8]) -> usize {
    let (mut bits, mut held, mut count) = (0_u32, 0, 0);
    let mut bytes = run.iter();
    while let Some(byte) = bytes.next() {
        let sextet = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'\\' => {
                // Of `\/` the slash is meant; of `\n` the letter is not.
                if bytes.as_slice().first() != Some(&b'/') {
                    bytes.next();
                }
                continue;
            }
            _ => break,
        };
        bits = bits << 6 | u32::from(sextet);
        held += 6;
        if held >= 8 {
            held -= 8;
            let Some(place) = decoded.get_mut(count) else { break };
            *place = (bits >> held) as u8;
            count += 1;
        }
    }
    count
}
