//! The Q8_0 copy of a model, made once beside it.

use std::path::{Path, PathBuf};

use super::native;
use crate::LoadError;

/// The path of an up-to-date Q8_0 copy of a model; makes it if it is missing or older than the
/// model. A copy that was not finished never has the copy's name.
pub(crate) fn q8_0_copy(model: &Path, threads: u32) -> Result<PathBuf, LoadError> {
    let copy = beside(model, "-q8_0.gguf");
    if is_newer(&copy, model) {
        return Ok(copy);
    }
    let part = beside(model, &format!("-q8_0.gguf.{}.part", std::process::id()));
    tracing::info!(copy = %copy.display(), "writing a Q8_0 copy of the model, once");
    let written = native::quantize_q8_0(model, &part, threads as i32)
        .and_then(|()| std::fs::rename(&part, &copy).map_err(|reason| reason.to_string()));
    written.map(|()| copy.clone()).map_err(|reason| {
        // Nothing may be there to remove, and nothing more can be done about it if it is.
        let _ = std::fs::remove_file(&part);
        LoadError::Quantize { path: copy, reason }
    })
}

/// `folder/name.gguf` and an ending make `folder/name-ending`.
fn beside(model: &Path, ending: &str) -> PathBuf {
    let mut name = model.file_stem().unwrap_or_default().to_owned();
    name.push(ending);
    model.with_file_name(name)
}

fn is_newer(copy: &Path, model: &Path) -> bool {
    let modified = |path: &Path| path.metadata().and_then(|file| file.modified());
    matches!((modified(copy), modified(model)), (Ok(copy), Ok(model)) if copy >= model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_says_what_it_was_made_of() {
        let copy = beside(Path::new("models/small-q4_1.gguf"), "-q8_0.gguf");
        assert_eq!(copy, Path::new("models/small-q4_1-q8_0.gguf"));
    }

    #[test]
    fn a_missing_copy_is_not_newer() {
        assert!(!is_newer(Path::new("no/such/copy"), Path::new(file!())));
    }
}
