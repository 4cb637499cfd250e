//! Names of models as parts of a URL's path. They may come from a caller, so that nothing in them may
//! lead elsewhere.

use std::fmt::Write as _;

use isthmus_inference::failure::{Failure, Kind, Retry};
use isthmus_inference::ident::UpstreamModel;

/// The name, its slashes kept and all else escaped that means something in a URL.
pub(crate) fn segments(model: &UpstreamModel) -> Result<String, Failure> {
    let name = model.as_str();
    // A URL's reader takes these for steps up and down, even escaped.
    if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        let message = format!("`{model}` is no model's name");
        return Err(Failure::new(Kind::NotFound, message)
            .with_param("model")
            .retried(Retry::Elsewhere));
    }
    Ok(escaped(name))
}

/// The text with all but unreserved characters (RFC 3986, section 2.3), `/`, `@` and `:` escaped.
pub(crate) fn escaped(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => path.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'/' | b'@' | b':' => path.push(char::from(byte)),
            _ => {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        for (name, path) in [
            ("gemini-2.5-pro", Some("gemini-2.5-pro")),
            ("tunedModels/a?b#c", Some("tunedModels/a%3Fb%23c")),
            ("é", Some("%C3%A9")),
            ("a/../../v1/secrets", None),
            ("..", None),
            ("a//b", None),
            ("", None),
        ] {
            assert_eq!(segments(&UpstreamModel::from(name)).ok().as_deref(), path, "{name}");
        }
        assert_eq!(segments(&UpstreamModel::from("%2e%2e")).unwrap(), "%252e%252e");
    }
}
