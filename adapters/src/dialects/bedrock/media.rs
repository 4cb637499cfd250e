//! Images, documents, films and sounds: what they are called here, and where their bytes are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use isthmus_inference::part::Media;
use serde_json::{Value, json};

/// A kind of media, and the formats that it may have: a word with the media types and the ends of
/// names for which it stands (API reference: `ImageBlock`, `DocumentBlock`, `VideoBlock`,
/// `AudioBlock`).
pub(super) struct MediaKind {
    /// The name of its block.
    pub(super) block: &'static str,
    formats: &'static [(&'static str, &'static [&'static str])],
    /// How its files begin, in base64.
    beginnings: &'static [(&'static str, &'static str)],
}

pub(super) const IMAGE: MediaKind = MediaKind {
    block: "image",
    formats: &[
        ("png", &["image/png"]),
        ("jpeg", &["image/jpeg", "image/jpg", "jpg"]),
        ("gif", &["image/gif"]),
        ("webp", &["image/webp"]),
    ],
    beginnings: &[("iVBORw", "png"), ("/9j/", "jpeg"), ("R0lGOD", "gif"), ("UklGR", "webp")],
};
pub(super) const DOCUMENT: MediaKind = MediaKind {
    block: "document",
    formats: &[
        ("pdf", &["application/pdf"]),
        ("csv", &["text/csv"]),
        ("doc", &["application/msword"]),
        ("docx", &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"]),
        ("xls", &["application/vnd.ms-excel"]),
        ("xlsx", &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]),
        ("html", &["text/html", "htm"]),
        ("txt", &["text/plain"]),
        ("md", &["text/markdown", "text/x-markdown"]),
    ],
    beginnings: &[("JVBERi", "pdf")],
};
pub(super) const VIDEO: MediaKind = MediaKind {
    block: "video",
    formats: &[
        ("mp4", &["video/mp4"]),
        ("mov", &["video/quicktime"]),
        ("webm", &["video/webm"]),
        ("mkv", &["video/x-matroska"]),
        ("flv", &["video/x-flv"]),
        ("mpeg", &["video/mpeg"]),
        ("mpg", &["video/mpg"]),
        ("wmv", &["video/x-ms-wmv"]),
        ("three_gp", &["video/3gpp", "3gp"]),
    ],
    beginnings: &[],
};
pub(super) const AUDIO: MediaKind = MediaKind {
    block: "audio",
    formats: &[
        ("mp3", &["audio/mpeg", "audio/mp3"]),
        ("wav", &["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"]),
        ("opus", &["audio/opus"]),
        ("aac", &["audio/aac"]),
        ("flac", &["audio/flac", "audio/x-flac"]),
        ("ogg", &["audio/ogg"]),
        ("m4a", &["audio/m4a", "audio/x-m4a"]),
        ("mp4", &["audio/mp4"]),
        ("webm", &["audio/webm"]),
        ("mka", &["audio/x-matroska"]),
        ("pcm", &["audio/pcm", "audio/l16"]),
    ],
    beginnings: &[("UklGR", "wav"), ("SUQz", "mp3"), ("T2dn", "ogg"), ("ZkxhQ", "flac")],
};

impl MediaKind {
    /// `format` and `source`, or `None` for what Bedrock does not take: another format, or an
    /// address that is not in S3. `name` may tell the format where the media type does not.
    pub(super) fn written(&self, media: &Media, name: Option<&str>) -> Option<(&str, Value)> {
        match media {
            Media::Inline { media_type, base64 } => {
                let format = self
                    .of_type(media_type)
                    .or_else(|| self.of_name(name?))
                    .or_else(|| self.of_beginning(base64))?;
                let bytes: String = base64.split_ascii_whitespace().collect();
                (!bytes.is_empty()).then(|| (format, json!({ "bytes": bytes })))
            }
            Media::Url { url, media_type } if url.starts_with("s3://") => {
                let format = media_type.as_deref().and_then(|kind| self.of_type(kind));
                let format =
                    format.or_else(|| self.of_name(url)).or_else(|| self.of_name(name?))?;
                Some((format, json!({ "s3Location": { "uri": url } })))
            }
            Media::Text(text) if self.block == "document" && !text.is_empty() => {
                Some(("txt", json!({ "bytes": STANDARD.encode(text) })))
            }
            Media::Url { .. } | Media::File { .. } | Media::Text(_) => None,
        }
    }

    fn of_type(&self, media_type: &str) -> Option<&str> {
        let bare = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let known = self.formats.iter().find(|(_, words)| words.contains(&bare.as_str()));
        known.map(|(format, _)| *format)
    }

    fn of_name(&self, name: &str) -> Option<&str> {
        let end = name.rsplit_once('.')?.1.to_ascii_lowercase();
        let is =
            |(format, words): &&(&str, &[&str])| end == *format || words.contains(&end.as_str());
        self.formats.iter().find(is).map(|(format, _)| *format)
    }

    fn of_beginning(&self, base64: &str) -> Option<&str> {
        let known = self.beginnings.iter().find(|(beginning, _)| base64.starts_with(beginning));
        known.map(|(_, format)| *format)
    }
}

/// The longest name of a document.
const LONGEST_NAME: usize = 200;

/// A name for a document that is like the wanted one, has only what AWS allows (letters, digits,
/// single spaces, hyphens, brackets and parentheses), and is none of those in `taken`, for no two
/// may have the same.
pub(super) fn document_name(wanted: Option<&str>, taken: &mut Vec<String>) -> String {
    let wanted = wanted.unwrap_or_default();
    let stem = match wanted.rsplit_once('.') {
        Some((stem, end)) if end.len() <= 4 => stem,
        _ => wanted,
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-()[]".contains(c);
    let spaced: String = stem.chars().map(|c| if allowed(c) { c } else { ' ' }).collect();
    let words: Vec<_> = spaced.split_ascii_whitespace().collect();
    let mut name = words.join(" ");
    // Room for a number behind it.
    name.truncate(LONGEST_NAME - 8);
    if name.is_empty() {
        "document".clone_into(&mut name);
    }
    let numbered = (2..).map(|number| format!("{name} {number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name));
    let name = free.unwrap_or(name);
    taken.push(name.clone());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inline(media_type: &str, base64: &str) -> Media {
        Media::Inline { media_type: media_type.into(), base64: base64.into() }
    }

    fn url(url: &str) -> Media {
        Media::Url { url: url.into(), media_type: None }
    }

    #[test]
    fn formats_are_told_by_type_name_or_beginning() {
        let cases = [
            (&IMAGE, inline("image/jpg", "AA=="), None, Some("jpeg")),
            (&IMAGE, inline("", "iVBORw0KGgo="), None, Some("png")),
            (&IMAGE, inline("image/tiff", "AA=="), None, None),
            (&IMAGE, inline("image/png", ""), None, None),
            (&DOCUMENT, inline("text/plain; charset=utf-8", "AA=="), None, Some("txt")),
            (&DOCUMENT, inline("", "AA=="), Some("plan.XLSX"), Some("xlsx")),
            (&DOCUMENT, Media::Text("words".into()), None, Some("txt")),
            (&IMAGE, Media::Text("words".into()), None, None),
            (&DOCUMENT, url("s3://bucket/a.md"), None, Some("md")),
            (&VIDEO, url("s3://bucket/a.3gp"), None, Some("three_gp")),
            (&VIDEO, url("https://example.com/a.mp4"), None, None),
            (&AUDIO, inline("audio/x-wav", "AA=="), None, Some("wav")),
            (&DOCUMENT, Media::File { id: "file-1".into() }, None, None),
        ];
        for (kind, media, name, expected) in cases {
            let found = kind.written(&media, name).map(|(format, _)| format);
            assert_eq!(found, expected, "{media:?}");
        }
        let (_, source) = IMAGE.written(&inline("image/png", "AA\n=="), None).unwrap();
        assert_eq!(source, json!({"bytes": "AA=="}));
        let (_, source) = DOCUMENT.written(&url("s3://bucket/a.pdf"), None).unwrap();
        assert_eq!(source, json!({"s3Location": {"uri": "s3://bucket/a.pdf"}}));
    }

    #[test]
    fn names_of_documents_are_allowed_and_their_own() {
        let mut taken = Vec::new();
        for (wanted, expected) in [
            (Some("Report_2026 (final).pdf"), "Report 2026 (final)"),
            (Some("report  2026"), "report 2026"),
            (Some("Report_2026 (final).docx"), "Report 2026 (final) 2"),
            (Some("Ж.pdf"), "document"),
            (None, "document 2"),
        ] {
            assert_eq!(document_name(wanted, &mut taken), expected);
        }
        assert!(document_name(Some(&"x".repeat(500)), &mut taken).len() <= LONGEST_NAME);
    }
}
