//! Images, documents, sound and films as parts of a Gemini request.

use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{Media, Part};

use super::Flavour;
use super::wire::{Blob, FileData, PartOut, Resolution};
use crate::media_type;

/// Where AI Studio keeps uploaded files.
const FILES: &str = "https://generativelanguage.googleapis.com/";
/// Films that Google reads where they are shown.
const FILMS: [&str; 4] = [
    "https://www.youtube.com/",
    "https://youtube.com/",
    "https://youtu.be/",
    "https://m.youtube.com/",
];

/// Whether Google reads from this address by itself.
pub(super) fn is_googles(url: &str) -> bool {
    url.starts_with("gs://")
        || url.starts_with(FILES)
        || FILMS.iter().any(|site| url.starts_with(site))
}

/// A part that is a file, as Gemini takes it; `None` if it is none.
pub(super) fn part<'a>(
    part: &'a Part,
    flavour: Flavour,
    param: &str,
) -> Result<Option<PartOut<'a>>, Failure> {
    let (media, usual) = match part {
        Part::Image { media, .. } => (media, "image/png"),
        Part::Document { media, .. } => (media, "application/pdf"),
        Part::Audio(media) => (media, "audio/wav"),
        Part::Video(media) => (media, "video/mp4"),
        _ => return Ok(None),
    };
    let part = match media {
        Media::Inline { media_type, base64 } => {
            PartOut { inline_data: Some(blob(media_type, base64, usual)), ..PartOut::default() }
        }
        Media::Url { url, media_type } if is_googles(url) => {
            let file_data = file(url, media_type.as_deref());
            PartOut { file_data: Some(typed(file_data, usual, flavour)), ..PartOut::default() }
        }
        Media::Url { .. } => {
            let message = format!("`{param}` is at an address that the provider does not fetch");
            return Err(Failure::new(Kind::Unsupported, message).with_param(param));
        }
        Media::File { id } => {
            let file_data = file_of(id, flavour).ok_or_else(|| foreign(param))?;
            PartOut { file_data: Some(typed(file_data, usual, flavour)), ..PartOut::default() }
        }
        Media::Text(text) => PartOut::text(text),
    };
    Ok(Some(part))
}

/// Bytes with their type; what the caller did not say is read off the bytes.
fn blob<'a>(media_type: &'a str, base64: &'a str, usual: &'static str) -> Blob<'a> {
    let mime_type = match media_type {
        "" => media_type::of_base64(base64).unwrap_or(usual),
        // The names that OpenAI's callers use; Gemini lists the others.
        "image/jpg" => "image/jpeg",
        known => known,
    };
    Blob { mime_type, data: base64 }
}

fn file<'a>(url: &'a str, media_type: Option<&'a str>) -> FileData<'a> {
    FileData { file_uri: url.into(), mime_type: media_type.or_else(|| media_type::of_url(url)) }
}

/// Vertex wants a type; AI Studio knows what was uploaded to it, and what films are.
fn typed<'a>(file: FileData<'a>, usual: &'static str, flavour: Flavour) -> FileData<'a> {
    let usual = (flavour == Flavour::Vertex).then_some(usual);
    FileData { mime_type: file.mime_type.or(usual), ..file }
}

/// How closely to look at an image: OpenAI's words (`detail`) and Google's.
const RESOLUTIONS: [(&str, &str); 3] = [
    ("low", "MEDIA_RESOLUTION_LOW"),
    ("high", "MEDIA_RESOLUTION_HIGH"),
    ("original", "MEDIA_RESOLUTION_ULTRA_HIGH"),
];

/// Google's word for how closely to look.
pub(super) fn resolution(detail: &str) -> Option<Resolution> {
    let known = RESOLUTIONS.iter().find(|(theirs, _)| *theirs == detail);
    known.map(|(_, level)| Resolution { level })
}

/// A file that was uploaded before: AI Studio's have names like `files/abc`.
fn file_of(id: &str, flavour: Flavour) -> Option<FileData<'_>> {
    if is_googles(id) {
        return Some(file(id, None));
    }
    let studio = flavour == Flavour::Studio && id.starts_with("files/");
    studio.then(|| FileData { file_uri: format!("{FILES}v1beta/{id}").into(), mime_type: None })
}

fn foreign(param: &str) -> Failure {
    let message = format!("`{param}` names a file that this provider does not have");
    Failure::new(Kind::Unsupported, message).with_param(param)
}
