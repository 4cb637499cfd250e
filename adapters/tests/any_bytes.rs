//! What the fuzz target runs for hours, for some seconds: the goldens, damaged in a few places, and bytes
//! from nowhere, through every decoder.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the complaint")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;

#[path = "../../fuzz/decoders.rs"]
mod decoders;

/// Everything that stands in the goldens' folders, requests without what tells their case.
static GOLDENS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut bodies = vec![];
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")) {
        let body = fs::read(file).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let inner = ["chat", "responses", "anthropic", "body"].into_iter();
        bodies.extend(inner.filter_map(|name| value.get(name)).map(|it| it.to_string().into()));
        bodies.push(body);
    }
    bodies
});

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    paths.sort();
    paths
}

/// Way, language and number.
fn label() -> impl Strategy<Value = [u8; 4]> {
    let number = prop_oneof![Just([b'a', b'a']), any::<[u8; 2]>()];
    (b'a'..=b'i', b'a'..=b'n', number)
        .prop_map(|(way, language, number)| [way, language, number[0], number[1]])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn nothing_breaks_on_damaged_goldens(
        label in label(),
        golden in any::<Index>(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>(), 0..3u8), 0..4),
    ) {
        let mut body = golden.get(&GOLDENS).clone();
        for (place, byte, how) in damage {
            if body.is_empty() {
                break;
            }
            let place = place.index(body.len());
            match how {
                0 => body[place] = byte,
                1 => body.truncate(place),
                _ => drop(body.drain(place..(place + usize::from(byte)).min(body.len()))),
            }
        }
        decoders::any_bytes(&[label.as_slice(), &body].concat());
    }

    #[test]
    fn nothing_breaks_on_bytes_from_nowhere(
        label in label(),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        decoders::any_bytes(&[label.as_slice(), &body].concat());
    }
}

/// The golden streams and answers as they are, in every language and cut in many ways.
#[test]
fn nothing_breaks_on_goldens_in_foreign_hands() {
    for body in GOLDENS.iter() {
        for way in b'a'..=b'i' {
            for language in b'a'..=b'n' {
                decoders::any_bytes(&[&[way, language, b'a', b'h'], body.as_slice()].concat());
            }
        }
    }
}
