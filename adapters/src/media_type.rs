//! What kind of file some bytes are: by how they begin, and by the ending of a name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// How files of a type begin: bytes at an offset (the WHATWG's "MIME Sniffing" standard, and the
/// formats' own specifications).
const BEGINNINGS: [(usize, &[u8], &str); 16] = [
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"BM", "image/bmp"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
];

/// The types of files by the endings of their names.
const ENDINGS: [(&str, &str); 24] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("bmp", "image/bmp"),
    ("avif", "image/avif"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("json", "application/json"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("m4a", "audio/mp4"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("mpeg", "video/mpeg"),
    ("webm", "video/webm"),
];

/// How much of a file tells its type, in base64.
const HEAD: usize = 24;

/// The type of these bytes, if they begin like one that is known here.
pub(crate) fn of_bytes(bytes: &[u8]) -> Option<&'static str> {
    let known = BEGINNINGS
        .iter()
        .find(|(at, begin, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(begin)));
    known.map(|(_, _, kind)| *kind)
}

/// The same for bytes in base64.
pub(crate) fn of_base64(text: &str) -> Option<&'static str> {
    let head = text.get(..HEAD)?;
    of_bytes(&STANDARD_NO_PAD.decode(head).ok()?)
}

/// The type of a file at this address, by the ending of its path.
pub(crate) fn of_url(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit_once('.')?.1.to_ascii_lowercase();
    ENDINGS.iter().find(|(known, _)| *known == ending).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_beginnings_and_endings() {
        assert_eq!(of_bytes(b"RIFF\0\0\0\0WEBPVP8 "), Some("image/webp"));
        assert_eq!(of_bytes(b"RIFF\0\0\0\0WAVEfmt "), Some("audio/wav"));
        assert_eq!(of_bytes(b"<html>"), None);
        assert_eq!(of_base64("iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"), Some("image/png"));
        assert_eq!(of_base64("iVBO"), None);
        assert_eq!(of_url("gs://bucket/a.b/film.MP4?x=.png"), Some("video/mp4"));
        assert_eq!(of_url("https://host/watch"), None);
    }
}
