//! Cases as data: a folder for each, with what goes in and what must come out. `ISTHMUS_BLESS=1` writes
//! the latter anew, to be read before it is kept.

use std::fs;
use std::path::Path;

/// What stands in a case's folder, what must come of it, and the way from one to the other.
pub(crate) type Way = (&'static str, &'static str, fn(&[u8]) -> String);

/// Tries every case of a dialect; the answer is how many there were.
pub(crate) fn try_all(dialect: &str, ways: &[Way]) -> usize {
    let bless = std::env::var("ISTHMUS_BLESS").is_ok();
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(dialect);
    let mut folders: Vec<_> =
        fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut tried = 0;
    for folder in folders {
        for (from, to, way) in ways {
            let Ok(given) = fs::read(folder.join(from)) else { continue };
            let found = way(&given);
            if bless {
                fs::write(folder.join(to), &found).unwrap();
            }
            let expected = fs::read_to_string(folder.join(to)).unwrap_or_default();
            assert_eq!(found, expected, "{}", folder.join(to).display());
            tried += 1;
        }
    }
    tried
}
