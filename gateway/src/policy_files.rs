//! Policies as files in a folder: read within bounds, then handed to `policies`, which reads no file.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use isthmus_policies::permit::{Bundle, Complaint, Source};

/// Why the policies of a folder cannot be used. Printed, it has a line for each complaint.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The folder or a file in it cannot be read.
    #[error("{path}: error: cannot be read: {1}", path = .0.display())]
    Unreadable(PathBuf, io::Error),
    /// There is nothing in it, and everything would be denied.
    #[error(
        "{path}: error: no policies: there is no file `*.cedar` in this folder, and without one \
         everything is denied",
        path = .0.display()
    )]
    Empty(PathBuf),
    /// There is more in it than is read.
    #[error(
        "{path}: error: more than {MAX_FILES} files `*.cedar`, or more than {MAX_BYTES} bytes in them",
        path = .0.display()
    )]
    TooMuch(PathBuf),
    /// The policies are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Complaint>),
}

/// The most files that are read from one folder.
const MAX_FILES: usize = 256;

/// The most bytes that are read from one folder.
const MAX_BYTES: u64 = 4 << 20;

/// The policies of a folder, or the built-in ones if there is none.
pub fn bundle(folder: Option<&Path>) -> Result<Bundle, PolicyError> {
    let Some(folder) = folder else { return Ok(Bundle::builtin()) };
    Bundle::read(&sources(folder)?).map_err(PolicyError::Wrong)
}

/// Every `*.cedar` in the folder itself; not in folders within it, and not hidden ones.
pub fn sources(folder: &Path) -> Result<Vec<Source>, PolicyError> {
    let files = files(folder).map_err(|error| PolicyError::Unreadable(folder.into(), error))?;
    if files.is_empty() {
        return Err(PolicyError::Empty(folder.into()));
    }
    if files.len() > MAX_FILES {
        return Err(PolicyError::TooMuch(folder.into()));
    }
    let mut room = MAX_BYTES;
    let mut sources = Vec::with_capacity(files.len());
    for path in files {
        // One byte more than there is room for, to tell a file that is too large.
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(room + 1).read_to_string(&mut text));
        let read = read.map_err(|error| PolicyError::Unreadable(path.clone(), error))? as u64;
        room = room.checked_sub(read).ok_or_else(|| PolicyError::TooMuch(folder.into()))?;
        sources.push(Source { file: path.display().to_string(), text });
    }
    Ok(sources)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = vec![];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let cedar = path.extension().is_some_and(|extension| extension == "cedar");
        // A link, as a Kubernetes volume has them, counts as what it leads to.
        if cedar && !hidden && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "@id(\"all\") permit (principal, action, resource);";

    #[test]
    fn the_files_of_a_folder_are_its_policies() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("b.cedar"), ALL).unwrap();
        fs::write(at("README.md"), "not a policy").unwrap();
        fs::write(at(".hidden.cedar"), "not a policy").unwrap();
        fs::create_dir(at("invariants")).unwrap();
        fs::write(at("invariants/a.cedar"), "not a policy").unwrap();
        std::os::unix::fs::symlink("b.cedar", at("a.cedar")).unwrap();
        let names: Vec<String> =
            sources(folder.path()).unwrap().into_iter().map(|one| one.file).collect();
        assert_eq!(names, [at("a.cedar"), at("b.cedar")].map(|path| path.display().to_string()));
        fs::remove_file(at("a.cedar")).unwrap();
        assert_eq!(bundle(Some(folder.path())).unwrap().rules().len(), 1);
        assert_eq!(bundle(None).unwrap().version(), Bundle::builtin().version());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let said = || bundle(Some(folder.path())).unwrap_err().to_string();
        assert!(said().contains("no policies"), "{}", said());
        fs::write(folder.path().join("a.cedar"), "permit (principal, action, resource);").unwrap();
        assert!(said().contains("a.cedar:1:1: error: a policy needs a name"), "{}", said());
        fs::write(folder.path().join("a.cedar"), b"\xff").unwrap();
        assert!(said().contains("a.cedar: error: cannot be read"), "{}", said());
        fs::write(folder.path().join("a.cedar"), " ".repeat(MAX_BYTES as usize + 1)).unwrap();
        assert!(said().contains("bytes in them"), "{}", said());
        let gone = bundle(Some(&folder.path().join("gone"))).unwrap_err().to_string();
        assert!(gone.contains("gone: error: cannot be read"), "{gone}");
    }
}
